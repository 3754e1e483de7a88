"""The microphone: any ALSA input through PortAudio, alive for months.

What was measured about PortAudio on ALSA, and is built in here: an unplugged card stays "active" for ever and spins a
core, so that only the time since the last callback tells (watchdog); `stop_stream()` hangs on a stalled one, `close()`
does not; the list of devices is that of the initialisation, so a reopened source initialises anew and finds its card
by name. All calls that may hang are made beside the engine's thread, see `bounded_call`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edge.alsa.bounded_call import BoundedCalls
from edge.alsa.device_stream import CLOSE_LIMIT_S, OPEN_LIMIT_S, STUCK_LIMIT_S, acquire_within
from edge.alsa.devices import DeviceIdentity
from edge.alsa.finding import look_for_device
from edge.alsa.first_period import FirstPeriodWait
from edge.alsa.portaudio import Direction
from edge.alsa.stream_clock import StreamClock
from edge.contracts import Clock
from edge.errors import ConfigurationError, DeviceError
from edge.frames import AudioChunk
from edge.sources.capture_ring import Period
from edge.sources.channel_health import ChannelHealth
from edge.sources.channels import ChannelChoice
from edge.sources.microphone_stream import MicrophoneStream, StreamWish, select_pulse_source
from edge.sources.signal_health import SignalHealth

WATCHDOG_S = 0.25  # without a callback; more than any hiccup, less than a pause in a face would be noticed
WATCHDOG_PERIODS = 8
DEAD_LOOK_S = 0.04  # silence after which PortAudio is asked whether it stopped


class Microphone:
    """An audio input, mono, on its own axis across every loss and replug.

    Args:
        device: Exact name, unique part of it, `hw:CARD`, ALSA card id, `pulse:SOURCE`; empty for the default.
        clock: The time.
        rate_hz: Rate to open it at; 0 for the preferred one if the device has it, else the device's own.
        channels: Channels to open; 0 for what the choice needs.
        channel: Channel to listen to, counted from 1, or "mix".
        period_samples: Samples a callback: smaller is sooner, larger is cheaper.
        preferred_rate_hz: The model's rate.
        wait_for_device: Take an unknown device for one that is not plugged in yet (DeviceError, to be tried again)
            instead of a mistake (ConfigurationError).

    Attributes:
        arrived_s: CLOCK_MONOTONIC time of the callback that brought the newest chunk; 0 before the first.

    Raises:
        ConfigurationError: The channel is not one.
    """

    def __init__(
        self,
        device: str = "",
        *,
        clock: Clock,
        rate_hz: int = 0,
        channels: int = 0,
        channel: str = "1",
        period_samples: int = 256,
        preferred_rate_hz: int = 44_100,
        wait_for_device: bool = False,
    ) -> None:
        self._wanted = device
        self._clock = clock
        self._wish = StreamWish(rate_hz, preferred_rate_hz, channels, ChannelChoice.parse(channel), period_samples)
        self._waits_for_device = wait_for_device
        self._calls = BoundedCalls("microphone-opener")
        self._stream: MicrophoneStream | None = None
        self._identity: DeviceIdentity | None = None
        self._stream_clock: StreamClock | None = None
        self._rate_hz = 0
        self._health = SignalHealth()
        self._channel_health = ChannelHealth(self._wish.choice)
        self._samples = np.zeros(period_samples, np.float32)
        self.arrived_s = 0.0
        self._first_period = FirstPeriodWait()
        self._opened_s = 0.0
        self._silent_s = 0.0
        self._looked_s = 0.0
        self._said_realtime = False
        self._n_opened = 0
        self._n_lost = 0
        self._n_overruns = 0

    @property
    def rate_hz(self) -> int:
        """Return the rate; it stays the same over every reopening."""
        return self._rate_hz

    @property
    def description(self) -> str:
        """Return one line that tells a person what is heard."""
        stream = self._stream
        if stream is None:
            return f"microphone {self._identity.name if self._identity else self._wanted or 'default'}"
        heard = self._wish.choice.describe(stream.n_channels)
        return f"microphone {stream.device.name}, {stream.rate_hz} Hz, {stream.sample_format}, {heard}"

    @property
    def clock_domain(self) -> str:
        """Return the name of the clock that the device's time stamps are of; empty before the first period."""
        domain = self._stream_clock.domain if self._stream_clock else None
        return domain.value if domain else ""

    def open(self) -> None:
        """Find and start the device, within `OPEN_LIMIT_S`.

        Raises:
            DeviceError: It is busy, gone or does not answer; to be tried again.
            ConfigurationError: It is unknown, ambiguous, or cannot do what is asked.
            BackendError: The audio library is stuck for good, which only a new process can mend: PortAudio 19.6 and
                19.7 spin for ever on a card that is pulled out while they recover from an overrun.
        """
        self.close()
        asked = f"microphone {self._wanted or 'default'!r}"
        stream = acquire_within(self._calls, self._acquire, MicrophoneStream.close, asked, OPEN_LIMIT_S, STUCK_LIMIT_S)
        if self._stream_clock is None:
            self._stream_clock = StreamClock(stream.rate_hz)
        self._stream_clock.restart()
        self._rate_hz = stream.rate_hz
        self._silent_s = 0.0
        self._opened_s = self._looked_s = self._clock.monotonic_s()
        self._n_opened += 1
        self._stream = stream

    def read(self, timeout_s: float) -> AudioChunk | None:
        """Return the next period, or None when none came within the time.

        Args:
            timeout_s: Longest wait.

        Returns:
            A chunk whose samples are overwritten by the next call.

        Raises:
            DeviceError: The device has given nothing for too long, or the source is closed.
        """
        stream = self._stream
        if stream is None:
            raise DeviceError(self.description, "the microphone is closed", "Open it again")
        stream.ring.wait(timeout_s)
        period = stream.ring.take(self._samples)
        if period is not None and period.is_overrun:
            self._skip(period)
            period = stream.ring.take(self._samples)
        now_s = self._clock.monotonic_s()
        if period is None:
            # Only time in which others could run counts: a program that stood still does not accuse the device.
            self._silent_s += min(now_s - self._looked_s, timeout_s + DEAD_LOOK_S)
            self._looked_s = now_s
            self._watch(stream)
            return None
        self._silent_s = 0.0
        self._looked_s = now_s
        self.arrived_s = period.arrived_s
        if period.position == 0:
            self._first_period.came(period.arrived_s - self._opened_s)
        end_index, end_time_s = self._place(period)
        samples = self._samples[: period.n_samples]
        self._health.inspect(samples, self._rate_hz)
        return AudioChunk(samples, end_index - period.n_samples, end_time_s)

    def counters(self) -> Mapping[str, int]:
        """Return lost_samples, reopened, overruns and what `SignalHealth` and `ChannelHealth` count."""
        return {
            "lost_samples": self._n_lost,
            "reopened": max(0, self._n_opened - 1),
            "overruns": self._n_overruns,
            **self._health.counters(),
            **self._channel_health.counters(),
        }

    def warnings(self) -> list[str]:
        """Return the lines that have not been returned before, with the one that tells the capture thread's rank."""
        lines = self._health.warnings() + self._channel_health.warnings()
        line = self._stream.realtime_line if self._stream else ""
        if line and not self._said_realtime:
            self._said_realtime = True
            lines.insert(0, line)
        return lines

    def close(self) -> None:
        """Stop capturing; may be called twice and from another thread; returns within `CLOSE_LIMIT_S`."""
        stream, self._stream = self._stream, None
        if stream is None:
            return
        try:
            self._calls.call(stream.close, CLOSE_LIMIT_S, lambda _: None)
        except TimeoutError:
            pass  # it goes on by itself; `open` waits for it

    def _acquire(self) -> MicrophoneStream:
        """Initialise PortAudio, find the device and start it; on a thread of its own."""
        wish = self._wish
        if self._rate_hz:  # whoever listens counts in samples of this rate
            wish = StreamWish(self._rate_hz, self._rate_hz, wish.n_channels, wish.choice, wish.period_samples)
        try:
            found = look_for_device(select_pulse_source(self._wanted), self._identity, Direction.INPUT)
            try:
                stream = MicrophoneStream(found.portaudio, found.device, wish, self._clock, self._channel_health)
            except BaseException:
                found.portaudio.terminate()
                raise
        except ConfigurationError as err:
            if self._identity is not None or self._waits_for_device:
                raise DeviceError(err.asked, err.found, err.remedy) from err
            raise
        self._identity = found.identity
        return stream

    def _watch(self, stream: MicrophoneStream) -> None:
        """Give the device up where it has been silent for too long."""
        limit_s = self._first_period.limit_s
        if stream.ring.n_periods:
            limit_s = max(WATCHDOG_S, WATCHDOG_PERIODS * self._wish.period_samples / self._rate_hz)
        if self._silent_s < DEAD_LOOK_S:
            return
        if self._stream is not stream:
            raise DeviceError(self.description, "the microphone is closed", "Open it again")
        if stream.is_dead():
            found = "its stream has ended (is the sound server gone?)"
        elif self._silent_s > limit_s:
            found = f"it has given no sound for {self._silent_s:.2f} s (unplugged or stalled?)"
        else:
            return
        if not stream.ring.n_periods:
            self._first_period.missed()
        name = self.description
        self._stream = None
        stream.calm()
        self._calls.start(stream.close)  # at once: an unplugged card makes PortAudio spin on a core
        raise DeviceError(name, found, "It is opened again as soon as it is back")

    def _skip(self, period: Period) -> None:
        """Count a period in which the driver lost sound: PortAudio joins what was before and after in one."""
        self._place(period)
        self._n_lost += period.n_samples
        self._n_overruns += 1
        self._silent_s = 0.0

    def _place(self, period: Period) -> tuple[int, float]:
        """Return the index and the time of a period's end."""
        stream_clock = self._stream_clock
        if stream_clock is None:
            raise DeviceError(self.description, "the microphone is closed", "Open it again")
        unix_s = self._clock.unix_s() - (self._clock.monotonic_s() - period.arrived_s)
        self._n_lost += stream_clock.place(
            period.position, period.n_samples, period.stamp_s, period.arrived_s, unix_s, period.is_overrun
        )
        return stream_clock.next_index, stream_clock.end_time_s
