"""One opened stream: found, negotiated with the device, captured into a ring; used once and closed."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from edge.alsa.devices import MANY_CHANNELS, PULSE_DEVICE, PULSE_PREFIX, USUAL_RATES_HZ, working_rates
from edge.alsa.portaudio import (
    ABORT,
    CONTINUE,
    FORMAT_SCALES,
    INPUT_OVERFLOW,
    INVALID_CHANNELS,
    INVALID_FORMAT,
    INVALID_RATE,
    DeviceInfo,
    Direction,
    PortAudio,
)
from edge.contracts import Clock
from edge.errors import AuEdgeError, ConfigurationError, DeviceError
from edge.machine.realtime import CAPTURE_PRIORITY, make_thread_normal, make_thread_realtime
from edge.sources.capture_ring import CaptureRing
from edge.sources.channel_health import ChannelHealth
from edge.sources.channels import ChannelChoice

_NOT_THIS_WAY = (INVALID_RATE, INVALID_CHANNELS, INVALID_FORMAT)


@dataclass(frozen=True)
class StreamWish:
    """What a stream should be like.

    Attributes:
        rate_hz: Rate, or 0 for the preferred one if the device has it, else the device's own.
        preferred_rate_hz: The model's.
        n_channels: Channels to open, or 0 for all that the device has.
        choice: Channel to keep.
        period_samples: Samples a callback.
    """

    rate_hz: int
    preferred_rate_hz: int
    n_channels: int
    choice: ChannelChoice
    period_samples: int

    def rates(self, device: DeviceInfo) -> list[int]:
        """Return the rates to try, best first."""
        if self.rate_hz:
            return [self.rate_hz]
        return list(dict.fromkeys([self.preferred_rate_hz, device.default_rate_hz, *USUAL_RATES_HZ]))

    def channel_counts(self, device: DeviceInfo) -> list[int]:
        """Return the channel counts to try, best first."""
        if self.n_channels:
            return [self.n_channels]
        needed = self.choice.n_needed
        if device.n_channels > MANY_CHANNELS:
            return [max(needed, 1 if self.choice.index is not None else 2)]
        # All that the device has: the mean is theirs, and the others tell whether one channel is the right one.
        counts = [device.n_channels] if self.choice.index is None else [device.n_channels, needed]
        return list(dict.fromkeys(counts))


class MicrophoneStream:
    """A running capture; its thread is PortAudio's.

    Args:
        portaudio: Initialised; owned and terminated by this stream.
        device: The device to open.
        wish: See `StreamWish`.
        clock: The time.
        channel_health: Looks at every period, on the capture thread.

    Raises:
        ConfigurationError: The device cannot do what is wished.
        DeviceError: It cannot be had now.
    """

    def __init__(
        self, portaudio: PortAudio, device: DeviceInfo, wish: StreamWish, clock: Clock, channel_health: ChannelHealth
    ) -> None:
        self.device = device
        self._channel_health = channel_health
        self.realtime_line = ""
        self._portaudio = portaudio
        self._clock = clock
        self._lock = threading.Lock()
        self._is_closing = False
        self._thread_id = 0
        self.rate_hz, self.n_channels, self.sample_format, self._stream = self._negotiate(wish)

    def is_dead(self) -> bool:
        """Return whether PortAudio itself says that it stopped (a sound server that went away)."""
        with self._lock:  # never while it is being closed: PortAudio frees what it would look at
            if self._is_closing:
                return True
            try:
                return not self._stream.is_active()
            except OSError:
                return True

    def calm(self) -> None:
        """Take the capture thread out of real time: of an unplugged card it spins, and must not starve the others."""
        if self._thread_id:
            make_thread_normal(self._thread_id)

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

    def _negotiate(self, wish: StreamWish) -> tuple[int, int, str, Any]:
        """Open the first combination that the device accepts."""
        device, refusals = self.device, []
        wish.choice.check(wish.n_channels or device.n_channels, f"microphone {device.name!r}")
        for rate_hz in wish.rates(device):
            for n_channels, sample_format in product(wish.channel_counts(device), FORMAT_SCALES):
                self.ring = CaptureRing(rate_hz, wish.period_samples, wish.choice, FORMAT_SCALES[sample_format])
                self._dtype = np.dtype(sample_format)
                self._columns = n_channels
                self.rate_hz, self._scale = rate_hz, FORMAT_SCALES[sample_format]  # the first period may come at once
                try:
                    stream = self._portaudio.open(
                        Direction.INPUT, device.index, rate_hz, n_channels, sample_format,
                        wish.period_samples, self._on_period,
                    )  # fmt: skip
                except OSError as err:
                    if err.errno not in _NOT_THIS_WAY:
                        raise _unavailable(device, err) from err
                    refusals.append(f"{rate_hz} Hz with {n_channels} channels: {err.strerror or err}")
                    if err.errno == INVALID_RATE:  # another sample type will not change it, and PortAudio prints
                        break
                else:
                    return rate_hz, n_channels, sample_format, stream
        raise self._refused(wish, refusals)

    def _refused(self, wish: StreamWish, refusals: list[str]) -> AuEdgeError:
        device = self.device
        rates = working_rates(self._portaudio, device, Direction.INPUT)
        has = f"{device.n_channels} channels" + (f", {', '.join(map(str, rates))} Hz" if rates else "")
        asked = f"{wish.rate_hz} Hz" if wish.rate_hz else "a usual rate"
        channels = f" with {wish.n_channels} channels" if wish.n_channels else ""
        return ConfigurationError(
            f"microphone {device.name!r} at {asked}{channels}",
            f"the device has {has} ({refusals[0] if refusals else 'nothing to try'})",
            "Set audio.rate_hz = 0 and audio.channels = 0 to take what it has",
        )

    def _on_period(self, data: bytes, n_samples: int, times: Mapping[str, float], flags: int) -> tuple[None, int]:
        """Copy a period into the ring; PortAudio's thread, nothing here may wait or fail."""
        arrived_s = self._clock.monotonic_s()
        if not self.realtime_line:
            self.realtime_line = make_thread_realtime(CAPTURE_PRIORITY, "capture")
            self._thread_id = threading.get_native_id()
        if self._is_closing:
            return None, ABORT
        block = np.frombuffer(data, self._dtype).reshape(n_samples, self._columns)
        self._channel_health.inspect(block, self.rate_hz, self._scale)
        self.ring.push(block, times["input_buffer_adc_time"], arrived_s, bool(flags & INPUT_OVERFLOW))
        return None, CONTINUE


def select_pulse_source(wanted: str) -> str:
    """Point ALSA's `pulse` device at a source of the sound server, and return the device to open.

    Args:
        wanted: "pulse:SOURCE", as `au-edge devices` lists monitors; anything else is returned as it is.
    """
    source = wanted.removeprefix(PULSE_PREFIX)
    if source in ("", wanted):
        return wanted
    os.environ["PULSE_SOURCE"] = source  # libpulse reads it whenever a stream is opened
    return PULSE_DEVICE


def _unavailable(device: DeviceInfo, err: OSError) -> DeviceError:
    return DeviceError(
        f"microphone {device.name!r}",
        f"it cannot be opened now ({err.strerror or err})",
        "Is another program using it? `fuser -v /dev/snd/*` shows which",
    )
