"""What streams of a microphone and of a loudspeaker have in common: negotiated with the device, used once, closed.

And how one is acquired: within a time, with what is said where it cannot be.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Sequence
from itertools import product
from typing import Any, NamedTuple, TypeVar

from edge.alsa.bounded_call import BoundedCalls
from edge.alsa.devices import working_rates
from edge.alsa.portaudio import (
    INVALID_CHANNELS,
    INVALID_FORMAT,
    INVALID_RATE,
    DeviceInfo,
    Direction,
    PortAudio,
)
from edge.errors import AuEdgeError, BackendError, ConfigurationError, DeviceError

OPEN_LIMIT_S = 8.0  # listing devices takes 0.2 s, with a sound server that must be started some seconds
CLOSE_LIMIT_S = 0.3  # takes 1 to 25 ms; a stop, which must end within a second, waits for it
STUCK_LIMIT_S = 15.0  # a call that has not ended by then never will
_NOT_THIS_WAY = (INVALID_RATE, INVALID_CHANNELS, INVALID_FORMAT)
_T = TypeVar("_T")


class Way(NamedTuple):
    """A way to open a device."""

    rate_hz: int
    n_channels: int
    sample_format: str


class DeviceStream:
    """A stream of PortAudio, whose thread is PortAudio's.

    Args:
        portaudio: Initialised; terminated by `close`.
        device: The device.
        kind: "microphone" or "loudspeaker", for messages.
    """

    def __init__(self, portaudio: PortAudio, device: DeviceInfo, kind: str) -> None:
        self.device = device
        self._portaudio = portaudio
        self._name = f"{kind} {device.name!r}"
        self._lock = threading.Lock()
        self._is_closing = False
        self._stream: Any = None

    def is_dead(self) -> bool:
        """Return whether PortAudio itself says that it stopped (a sound server that went away)."""
        with self._lock:  # never while it is being closed: PortAudio frees what it would look at
            if self._is_closing:
                return True
            try:
                return not self._stream.is_active()
            except OSError:
                return True

    def close(self) -> None:
        """Close the stream and release PortAudio; may take long, see `bounded_call`."""
        with self._lock:
            if self._is_closing:
                return
            self._is_closing = True
        # Not stop_stream(): it waits for a stalled device, half a minute and more. close() ends the thread.
        with contextlib.suppress(OSError):
            self._stream.close()
        with contextlib.suppress(OSError):
            self._portaudio.terminate()

    def _first_that_opens(
        self,
        rates_hz: Sequence[int],
        channel_counts: Sequence[int],
        sample_formats: Iterable[str],
        open_it: Callable[[Way], Any],
    ) -> tuple[Way | None, list[str]]:
        """Open the stream in the first way that the device accepts.

        Args:
            rates_hz: Best first.
            channel_counts: Best first.
            sample_formats: Best first.
            open_it: Opens it in a way; OSError of PortAudio where it cannot.

        Returns:
            The way, and nothing more; or none, and what each was refused for.

        Raises:
            DeviceError: The device cannot be had now.
        """
        refusals: list[str] = []
        for rate_hz in rates_hz:
            for n_channels, sample_format in product(channel_counts, sample_formats):
                way = Way(rate_hz, n_channels, sample_format)
                try:
                    self._stream = open_it(way)
                except OSError as err:
                    if err.errno not in _NOT_THIS_WAY:
                        raise DeviceError(
                            self._name,
                            f"it cannot be opened now ({err.strerror or err})",
                            "Is another program using it? `fuser -v /dev/snd/*` shows which",
                        ) from err
                    refusals.append(f"{rate_hz} Hz with {n_channels} channels: {err.strerror or err}")
                    if err.errno == INVALID_RATE:  # another sample type will not change it, and PortAudio prints
                        break
                else:
                    return way, []
        return None, refusals

    def _refused(self, asked: str, direction: Direction, refusals: list[str], remedy: str) -> AuEdgeError:
        """Return the error of a device that can be opened in no way that was asked for."""
        device = self.device
        rates = working_rates(self._portaudio, device, direction)
        has = f"{device.n_channels} channels" + (f", {', '.join(map(str, rates))} Hz" if rates else "")
        refusal = refusals[0] if refusals else "nothing to try"
        return ConfigurationError(f"{self._name} at {asked}", f"the device has {has} ({refusal})", remedy)


def acquire_within(
    calls: BoundedCalls,
    acquire: Callable[[], _T],
    close: Callable[[_T], None],
    asked: str,
    limit_s: float,
    stuck_limit_s: float,
) -> _T:
    """Acquire a stream within a time.

    Args:
        calls: Makes calls that may hang.
        acquire: Finds the device and opens it.
        close: Closes what comes too late.
        asked: What for, for messages.
        limit_s: Longest wait.
        stuck_limit_s: A call that has gone on for so long will never end.

    Raises:
        DeviceError: It does not answer, or PortAudio cannot start; to be tried again.
        BackendError: The audio library is stuck for good, which only a new process can mend: PortAudio 19.6 and 19.7
            spin for ever on a card that is pulled out while they recover from an overrun.
    """
    try:
        return calls.call(acquire, limit_s, close)
    except TimeoutError as err:
        if calls.busy_s > stuck_limit_s:
            raise BackendError(
                asked,
                f"the audio library has been stuck for {calls.busy_s:.0f} s in a call that cannot be ended",
                "Start the program again; the service does so by itself",
            ) from err
        raise DeviceError(
            asked,
            f"the audio system does not answer within {limit_s:g} s",
            "Is the sound server alive? A device may have to be plugged in again",
        ) from err
    except OSError as err:
        raise DeviceError(asked, f"PortAudio cannot start ({err})", "See `au-edge devices`") from err
