"""One opened stream: found, negotiated with the device, captured into a ring; used once and closed."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge.alsa.device_stream import DeviceStream, Way
from edge.alsa.devices import MANY_CHANNELS, PULSE_DEVICE, PULSE_PREFIX, USUAL_RATES_HZ
from edge.alsa.portaudio import ABORT, CONTINUE, FORMAT_SCALES, INPUT_OVERFLOW, DeviceInfo, Direction, PortAudio
from edge.contracts import Clock
from edge.machine.realtime import CAPTURE_PRIORITY, make_thread_normal, make_thread_realtime
from edge.sources.capture_ring import CaptureRing
from edge.sources.channel_health import ChannelHealth
from edge.sources.channels import ChannelChoice


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


class MicrophoneStream(DeviceStream):
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
        super().__init__(portaudio, device, "microphone")
        self._channel_health = channel_health
        self.realtime_line = ""
        self._clock = clock
        self._thread_id = 0
        self.rate_hz, self.n_channels, self.sample_format = self._negotiate(wish)

    def calm(self) -> None:
        """Take the capture thread out of real time: of an unplugged card it spins, and must not starve the others."""
        if self._thread_id:
            make_thread_normal(self._thread_id)

    def _negotiate(self, wish: StreamWish) -> Way:
        """Open the first combination that the device accepts."""
        wish.choice.check(wish.n_channels or self.device.n_channels, self._name)

        def open_it(way: Way) -> Any:
            scale = FORMAT_SCALES[way.sample_format]
            self.ring = CaptureRing(way.rate_hz, wish.period_samples, wish.choice, scale)
            self._dtype = np.dtype(way.sample_format)
            self._columns = way.n_channels
            self.rate_hz, self._scale = way.rate_hz, scale  # the first period may come at once
            return self._portaudio.open(Direction.INPUT, self.device.index, *way, wish.period_samples, self._on_period)

        counts = wish.channel_counts(self.device)
        way, refusals = self._first_that_opens(wish.rates(self.device), counts, FORMAT_SCALES, open_it)
        if way is not None:
            return way
        asked = f"{wish.rate_hz} Hz" if wish.rate_hz else "a usual rate"
        channels = f" with {wish.n_channels} channels" if wish.n_channels else ""
        remedy = "Set audio.rate_hz = 0 and audio.channels = 0 to take what it has"
        raise self._refused(f"{asked}{channels}", Direction.INPUT, refusals, remedy)

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
