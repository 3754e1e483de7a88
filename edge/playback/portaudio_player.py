"""The loudspeaker: any ALSA output through PortAudio, alive for months.

It is kept as the microphone is, and for the same reasons (see edge/sources/microphone.py): a watchdog on the time
since the last callback, `close()` and never `stop_stream()`, calls that may hang on a thread of their own, a new
PortAudio for every opening. While the device is away the sound goes by on the machine's time, so that the face, and
whoever waits for the end of a sentence, go on; a thread of its own opens the device again.

The library is one for a process: a player that is opened again while a microphone is open sees the list of devices of
that microphone's opening. The sources that are played (streams and files) have none.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Mapping, Sequence

from edge.alsa.bounded_call import BoundedCalls
from edge.alsa.device_stream import CLOSE_LIMIT_S, OPEN_LIMIT_S, STUCK_LIMIT_S, acquire_within
from edge.alsa.devices import DeviceIdentity
from edge.alsa.finding import look_for_device
from edge.alsa.first_period import FirstPeriodWait
from edge.alsa.portaudio import Direction
from edge.contracts import Clock, PlayPosition, Resampler
from edge.errors import AuEdgeError, BackendError, ConfigurationError, DeviceError
from edge.frames import Float32Array
from edge.playback.loudspeaker_stream import PERIOD_SAMPLES, LoudspeakerStream, OutputWish
from edge.playback.period_watch import PeriodWatch, wait_for_first_period
from edge.playback.playout import Playout

CLOSED, PLAYING, HELD = "closed", "playing", "held"
LOOK_S = 0.04  # between two looks at the device
FIRST_WAIT_S, LONGEST_WAIT_S, WAIT_FACTOR = 0.2, 0.7, 1.6  # between two tries, as for a microphone
_log = logging.getLogger("au-edge.player")


class PortAudioPlayer:
    """An audio output; see the contract `Player`.

    Args:
        device: Exact name, unique part of it, `hw:CARD`, ALSA card id; empty for the default.
        clock: The time.
        make_resampler: Called with the rate that is written and the device's.
        channels: Channels to open, all with the same sound; 0 for two, or one where there is only one.
        volume_db: Change of level; 0 leaves it.
        wait_for_device: Begin also without the device, in state "held".
    """

    def __init__(
        self,
        device: str = "",
        *,
        clock: Clock,
        make_resampler: Callable[[int, int], Resampler],
        channels: int = 0,
        volume_db: float = 0.0,
        wait_for_device: bool = False,
    ) -> None:
        self._wanted = device
        self._clock = clock
        self._make_resampler = make_resampler
        self._n_channels = channels
        self._gain = 10.0 ** (volume_db / 20.0)
        self._waits_for_device = wait_for_device
        self._calls = BoundedCalls("loudspeaker-opener")
        self._identity: DeviceIdentity | None = None
        self._stream: LoudspeakerStream | None = None
        self._playout: Playout | None = None
        self._earlier: Playout | None = None
        self._rate_hz = 0
        self._handover = threading.Lock()  # of who takes the sound: the device, or time that passes without one
        self._first_period = FirstPeriodWait()
        self._stop = threading.Event()
        self._keeper: threading.Thread | None = None
        self._watch = PeriodWatch(clock, LOOK_S)
        self._failure: AuEdgeError | None = None
        self._said_realtime = False
        self._past = {"underruns": 0, "dropped_samples": 0}
        self._n_opened = 0

    @property
    def description(self) -> str:
        """Return one line that tells a person what plays."""
        stream = self._stream
        if stream is None:
            return f"loudspeaker {self._identity.name if self._identity else self._wanted or 'default'}"
        n = stream.n_channels
        channels = "mono" if n == 1 else f"the same on {n} channels"
        return f"loudspeaker {stream.device.name}, {stream.rate_hz} Hz, {stream.sample_format}, {channels}"

    @property
    def state(self) -> str:
        """Return "closed", "playing", or "held" while the device is away."""
        if self._playout is None:
            return CLOSED
        return PLAYING if self._stream is not None else HELD

    def open(self, rate_hz: int) -> None:
        """Find and start the device, within `OPEN_LIMIT_S`; samples are counted from 0 again.

        Raises:
            DeviceError: It is busy, gone or does not answer; to be tried again.
            ConfigurationError: It is unknown, ambiguous, or cannot do what is asked.
            BackendError: The audio library is stuck for good, which only a new process can mend.
        """
        self.close()
        self._rate_hz = rate_hz
        self._failure = None
        self._stop = threading.Event()  # the keeper of an earlier opening has its own
        try:
            self._start(self._stop)
        except DeviceError as err:
            if not self._waits_for_device:
                raise
            _log.warning("%s; it is waited for, in silence", err)
            self._playout = self._new_playout(rate_hz, 0)
        self._keeper = threading.Thread(target=self._keep, args=(self._stop,), name="loudspeaker-keeper", daemon=True)
        self._keeper.start()

    def write(self, samples: Float32Array) -> int:
        """Take sound; return how many samples were taken."""
        return self._opened().write(samples)

    def room(self) -> int:
        """Return how many samples `write` would take now."""
        return self._opened().room

    def clear(self) -> int:
        """Drop what has not left yet, with a fade; return about how many samples, `counters` has it exactly."""
        return self._opened().clear()

    def mute(self, first: int, end: int) -> None:
        """Play silence in place of samples that have not left."""
        self._opened().mute(first, end)

    def position(self) -> PlayPosition:
        """Return the next sample to leave and when."""
        return self._opened().position()

    def time_of(self, sample_index: int) -> float:
        """Return the CLOCK_MONOTONIC time at which a sample leaves or left."""
        playout, earlier = self._opened(), self._earlier
        if earlier is not None and sample_index < playout.first_index:
            return min(earlier.time_of(sample_index), playout.time_of(playout.first_index))
        return playout.time_of(sample_index)

    def counters(self) -> Mapping[str, int]:
        """Return counts since the program started.

        underruns: the device ran dry, or sound came later than it was due; dropped_samples: by `clear`, or since the
        device came back at another rate; reopened.
        """
        return {**self._counted(), "reopened": max(0, self._n_opened - 1)}

    def warnings(self) -> Sequence[str]:
        """Return the line that tells the playback thread's rank, once; losses of the device are logged at once."""
        line = self._stream.realtime_line if self._stream else ""
        if not line or self._said_realtime:
            return ()
        self._said_realtime = True
        return (line,)

    def close(self) -> None:
        """Stop playing at once; may be called twice; returns within `CLOSE_LIMIT_S` or a little more."""
        self._stop.set()
        keeper, self._keeper = self._keeper, None
        if keeper is not None and keeper is not threading.current_thread():
            keeper.join(CLOSE_LIMIT_S)
        self._past = self._counted()
        with self._handover:
            stream, self._stream = self._stream, None
            self._playout = self._earlier = None
        if stream is not None:
            with contextlib.suppress(TimeoutError):  # it goes on by itself; `open` waits for it
                self._calls.call(stream.close, CLOSE_LIMIT_S, lambda _: None)

    def _counted(self) -> dict[str, int]:
        found = dict(self._past)
        if self._playout is not None:
            line = self._playout.line
            found["underruns"] += line.n_underruns + line.n_starved
            found["dropped_samples"] += self._playout.n_dropped
        return found

    def _opened(self) -> Playout:
        if self._failure is not None:
            raise self._failure
        if self._stream is None:
            self._let_pass()
        playout = self._playout
        if playout is None:
            raise DeviceError(self.description, "the loudspeaker is closed", "Open it again")
        return playout

    def _let_pass(self) -> None:
        """Let the sound go by that no device has taken."""
        with self._handover:
            if self._stream is None and self._playout is not None:
                self._playout.line.pass_until(self._clock.monotonic_s())

    def _new_playout(self, device_rate_hz: int, first_index: int) -> Playout:
        return Playout(
            self._rate_hz, device_rate_hz, self._make_resampler, self._gain, first_index, self._clock.monotonic_s()
        )

    def _acquire(self) -> LoudspeakerStream:
        """Initialise PortAudio, find the device and start it; on a thread of its own."""
        rates_hz = (self._rate_hz,) if self._playout is None else (self._playout.line.rate_hz, self._rate_hz)
        try:
            found = look_for_device(self._wanted, self._identity, Direction.OUTPUT)
            stream = LoudspeakerStream(found, OutputWish(rates_hz, self._n_channels), self._clock)
        except ConfigurationError as err:
            if self._identity is not None or self._waits_for_device:
                raise DeviceError(err.asked, err.found, err.remedy) from err
            raise
        self._identity = found.identity
        return stream

    def _start(self, stop: threading.Event) -> None:
        """Open the device and play through it from now on.

        Raises:
            AuEdgeError: See `open`.
        """
        asked = f"loudspeaker {self._wanted or 'default'!r}"
        stream = acquire_within(self._calls, self._acquire, LoudspeakerStream.close, asked, OPEN_LIMIT_S, STUCK_LIMIT_S)
        name = stream.device.name
        wrong = wait_for_first_period(stream, stop, self._clock, self._first_period)
        with self._handover:
            if not wrong and not stop.is_set():
                self._play_through(stream)
                return
        self._calls.start(stream.close)
        raise DeviceError(f"loudspeaker {name!r}", wrong, "It is opened again as soon as it is back")

    def _play_through(self, stream: LoudspeakerStream) -> None:
        playout = self._playout
        if playout is None:
            playout = self._new_playout(stream.rate_hz, 0)
        playout.line.pass_until(self._clock.monotonic_s())
        if playout.line.rate_hz != stream.rate_hz:
            playout = self._at_another_rate(playout, stream.rate_hz)
        line = playout.line
        line.clock.restart()
        line.clock.latency_s = stream.latency_s

        def feed(out: Float32Array, position: int, stamp_s: float, arrived_s: float, is_underrun: bool) -> None:
            unix_s = self._clock.unix_s() - (self._clock.monotonic_s() - arrived_s)
            line.feed(out, position, stamp_s, arrived_s, unix_s, is_underrun)

        self._playout, self._stream = playout, stream
        self._n_opened += 1
        stream.start(feed)

    def _at_another_rate(self, playout: Playout, device_rate_hz: int) -> Playout:
        """Go on at the rate that the device has now; what waited in the ring is dropped."""
        self._past = self._counted()
        self._past["dropped_samples"] += max(0, playout.end_index - playout.position().sample_index)
        self._earlier = playout
        self._playout = None  # counted above
        return self._new_playout(device_rate_hz, playout.end_index)

    def _keep(self, stop: threading.Event) -> None:
        """Watch the device and bring it back; on a thread of its own until `close`."""
        wait_s, next_try_s, is_loss_said = FIRST_WAIT_S, self._clock.monotonic_s(), self._stream is None
        while not stop.wait(LOOK_S):
            stream = self._stream
            if stream is not None:
                found = self._watch.fault_of(stream, PERIOD_SAMPLES / stream.rate_hz)
                if not found:
                    continue
                if not is_loss_said:
                    is_loss_said, wait_s = True, FIRST_WAIT_S
                    _log.warning("%s: %s; sound goes by unheard while it is opened again", self.description, found)
                self._give_up(stream)
            elif self._clock.monotonic_s() >= next_try_s:
                try:
                    self._start(stop)
                except BackendError as err:
                    self._failure = err
                    return
                except AuEdgeError as err:
                    _log.debug("still no loudspeaker: %s", err)
                    next_try_s = self._clock.monotonic_s() + wait_s
                    wait_s = min(wait_s * WAIT_FACTOR, LONGEST_WAIT_S)
                else:
                    is_loss_said = False
                    _log.warning("the loudspeaker is there: %s", self.description)

    def _give_up(self, stream: LoudspeakerStream) -> None:
        with self._handover:
            if self._stream is stream:
                self._stream = None
        stream.abandon()
        self._calls.start(stream.close)  # at once: an unplugged card makes PortAudio spin on a core
