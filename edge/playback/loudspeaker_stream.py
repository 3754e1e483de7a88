"""One opened output: negotiated with the device, fed from a `Playout`; used once and closed."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.alsa.devices import MANY_CHANNELS, USUAL_RATES_HZ, working_rates
from edge.alsa.finding import FoundDevice
from edge.alsa.portaudio import (
    ABORT,
    CONTINUE,
    FLOAT32,
    INT16,
    INT32,
    INVALID_CHANNELS,
    INVALID_FORMAT,
    INVALID_RATE,
    OUTPUT_UNDERFLOW,
    Direction,
)
from edge.contracts import Clock
from edge.errors import AuEdgeError, ConfigurationError, DeviceError
from edge.frames import Float32Array
from edge.machine.realtime import CAPTURE_PRIORITY, make_thread_normal, make_thread_realtime

PERIOD_SAMPLES = 256  # 5 ms: how soon a `clear` is seen
_NOT_THIS_WAY = (INVALID_RATE, INVALID_CHANNELS, INVALID_FORMAT)
_FULL_SCALES = {FLOAT32: 1.0, INT32: 2.0**31 - 256, INT16: 2.0**15 - 1}  # the largest float32 that an int32 holds

Feed = Callable[[Float32Array, int, float, float, bool], None]


@dataclass(frozen=True)
class OutputWish:
    """What an output should be like.

    Attributes:
        rates_hz: Preferred rates, best first; the device's own and the usual ones are tried after them.
        n_channels: Channels to open, or 0 for two where the device has them.
    """

    rates_hz: tuple[int, ...]
    n_channels: int


class LoudspeakerStream:
    """A running output; its thread is PortAudio's.

    Args:
        found: Owned and terminated by this stream, also where it cannot be opened.
        wish: See `OutputWish`.
        clock: The time.

    Raises:
        ConfigurationError: The device cannot do what is wished.
        DeviceError: It cannot be had now.
    """

    def __init__(self, found: FoundDevice, wish: OutputWish, clock: Clock) -> None:
        self.device = found.device
        self.realtime_line = ""
        self.n_periods = 0
        self._portaudio = found.portaudio
        self._clock = clock
        self._lock = threading.Lock()
        self._is_closing = False
        self._thread_id = 0
        self._feed: Feed | None = None
        self._position = 0
        self._mono = np.zeros(PERIOD_SAMPLES, np.float32)
        self._block: NDArray[Any] = np.zeros((PERIOD_SAMPLES, 1), np.float32)
        self._scale = 1.0
        try:
            self.rate_hz, self.n_channels, self.sample_format, self._stream = self._negotiate(wish)
        except BaseException:
            self._portaudio.terminate()
            raise

    @property
    def latency_s(self) -> float:
        """Return what PortAudio says of the way from a callback to the converter."""
        try:
            return float(self._stream.get_output_latency())
        except OSError:
            return 0.0

    def start(self, feed: Feed) -> None:
        """Let the device take its periods from here on from `feed`; it is silent before."""
        self._position = 0
        self._feed = feed

    def is_dead(self) -> bool:
        """Return whether PortAudio itself says that it stopped (a sound server that went away)."""
        with self._lock:  # never while it is being closed: PortAudio frees what it would look at
            if self._is_closing:
                return True
            try:
                return not self._stream.is_active()
            except OSError:
                return True

    def abandon(self) -> None:
        """Take nothing any more; and out of real time, since of an unplugged card PortAudio's thread spins."""
        self._feed = None
        if self._thread_id:
            make_thread_normal(self._thread_id)

    def close(self) -> None:
        """Close the stream and release PortAudio; may take long, see `bounded_call`."""
        self._feed = None
        with self._lock:
            if self._is_closing:
                return
            self._is_closing = True
        # Not stop_stream(): it waits until a stalled device has played what it has. close() drops it.
        with contextlib.suppress(OSError):
            self._stream.close()
        with contextlib.suppress(OSError):
            self._portaudio.terminate()

    def _negotiate(self, wish: OutputWish) -> tuple[int, int, str, Any]:
        """Open the first combination that the device accepts."""
        device, refusals = self.device, []
        for rate_hz in dict.fromkeys([*wish.rates_hz, device.default_rate_hz, *USUAL_RATES_HZ]):
            for n_channels, sample_format in product(self._channel_counts(wish), _FULL_SCALES):
                self._block = np.zeros((PERIOD_SAMPLES, n_channels), np.dtype(sample_format))
                self._scale = _FULL_SCALES[sample_format]
                try:
                    stream = self._portaudio.open(
                        Direction.OUTPUT, device.index, rate_hz, n_channels, sample_format, PERIOD_SAMPLES, self._fill
                    )
                except OSError as err:
                    if err.errno not in _NOT_THIS_WAY:
                        raise _unavailable(device.name, err) from err
                    refusals.append(f"{rate_hz} Hz with {n_channels} channels: {err.strerror or err}")
                    if err.errno == INVALID_RATE:  # another sample type will not change it, and PortAudio prints
                        break
                else:
                    return rate_hz, n_channels, sample_format, stream
        raise self._refused(wish, refusals)

    def _channel_counts(self, wish: OutputWish) -> Sequence[int]:
        """Return the channel counts to try, best first."""
        if wish.n_channels:
            return [wish.n_channels]
        if self.device.n_channels > MANY_CHANNELS:  # a plug-in that converts
            return [2, 1]
        return list(dict.fromkeys([min(2, self.device.n_channels), self.device.n_channels, 1]))

    def _refused(self, wish: OutputWish, refusals: list[str]) -> AuEdgeError:
        device = self.device
        rates = working_rates(self._portaudio, device, Direction.OUTPUT)
        has = f"{device.n_channels} channels" + (f", {', '.join(map(str, rates))} Hz" if rates else "")
        channels = f" with {wish.n_channels} channels" if wish.n_channels else ""
        return ConfigurationError(
            f"loudspeaker {device.name!r} at a usual rate{channels}",
            f"the device has {has} ({refusals[0] if refusals else 'nothing to try'})",
            "Set play.channels = 0 to take what it has",
        )

    def _fill(self, _: object, n_samples: int, times: Mapping[str, float], flags: int) -> tuple[bytes | None, int]:
        """Give PortAudio its next period; on its thread, nothing here may wait or fail."""
        arrived_s = self._clock.monotonic_s()
        if not self._thread_id:
            self.realtime_line = make_thread_realtime(CAPTURE_PRIORITY, "playback")
            self._thread_id = threading.get_native_id()
        if self._is_closing:
            return None, ABORT
        mono, feed = self._mono[:n_samples], self._feed
        if feed is None:
            mono[:] = 0.0
        else:
            feed(mono, self._position, times["output_buffer_dac_time"], arrived_s, bool(flags & OUTPUT_UNDERFLOW))
            self._position += n_samples
        block = self._block[:n_samples]
        np.multiply(mono[:, None], self._scale, out=block, casting="unsafe")
        self.n_periods += 1
        return block.tobytes(), CONTINUE  # PyAudio takes nothing but bytes: the one allocation of a period


def _unavailable(name: str, err: OSError) -> DeviceError:
    return DeviceError(
        f"loudspeaker {name!r}",
        f"it cannot be opened now ({err.strerror or err})",
        "Is another program using it? `fuser -v /dev/snd/*` shows which",
    )
