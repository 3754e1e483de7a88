"""Sound on its way through a device: what is taken when, and when each sample leaves the loudspeaker.

Two axes. The written one counts samples of the ring. The device's counts every sample time since the beginning, also
silence, lost periods and the time without a device, so that it runs evenly against CLOCK_MONOTONIC. A run of sound
without a pause is kept with the times of its begin and end: so what has left keeps its time over every underrun.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

import numpy as np

from edge.alsa.stream_clock import StreamClock
from edge.frames import Float32Array
from edge.playback.play_ring import PlayRing

UNDERRUN_S = 0.25  # sound that comes sooner after the ring had run dry belonged to what was before; later it is new
KEPT_RUNS = 32  # of which the true time is still known
SILENT_S = 0.12  # of digital silence, as stands behind every utterance: a ring that runs dry there is heard by nobody
_NO_RUN = -1


class Run(NamedTuple):
    """A stretch of sound without a pause, [begin, end) on the written axis and in time; and its end on the device's."""

    begin: int
    end: int
    begin_s: float
    end_s: float
    device_end: int


class Moment(NamedTuple):
    """What is known after a period, published as a whole.

    Attributes:
        next_sample: Written index of the first sample that has not been taken.
        next_index: Device index that the next period begins with.
        time_s: CLOCK_MONOTONIC time of that.
        sample_s: Seconds a sample of the device lasts.
        runs: Stretches of sound that have left, oldest first.
    """

    next_sample: int
    next_index: int
    time_s: float
    sample_s: float
    runs: tuple[Run, ...]


class PlayLine:
    """A ring, the device's clock, and the map between them.

    Args:
        ring: Is read by this object.
        rate_hz: The device's.
        now_s: CLOCK_MONOTONIC time of the beginning.
    """

    def __init__(self, ring: PlayRing, rate_hz: int, now_s: float) -> None:
        self.ring = ring
        self.rate_hz = rate_hz
        self.clock = StreamClock(rate_hz, is_playback=True)
        self.clock.pass_until(now_s)
        self._skipped = np.zeros(rate_hz, np.float32)
        self._dry_at = _NO_RUN
        self._n_silent = 0  # samples at the end of what was taken
        self._is_cleared = False
        self.n_starved = 0
        self.n_underruns = 0
        self.moment = Moment(0, 0, now_s, 1.0 / rate_hz, ())

    def feed(
        self, out: Float32Array, position: int, stamp_s: float, arrived_s: float, unix_s: float, is_underrun: bool
    ) -> None:
        """Give the device its next period; on the thread of its callback.

        Args:
            out: float32 [n], overwritten.
            position: Samples that this stream was given before.
            stamp_s: PortAudio's time at which the first will leave.
            arrived_s: CLOCK_MONOTONIC of the callback.
            unix_s: Unix time of the callback.
            is_underrun: The device says that it had run dry.
        """
        n = len(out)
        self.clock.place(position, n, stamp_s, arrived_s, unix_s, is_underrun)
        if self._take(out, self.clock.next_index - n):  # one that nobody hears is none
            self.n_underruns += is_underrun

    def pass_until(self, now_s: float) -> None:
        """Let sound go by that no device plays, up to a time."""
        n_samples = self.clock.pass_until(now_s)
        index = self.clock.next_index - n_samples
        while n_samples > 0:
            n = min(n_samples, len(self._skipped))
            self._take(self._skipped[:n], index)
            index += n
            n_samples -= n

    def time_of(self, sample: float) -> float:
        """Return when a sample of the ring leaves or left; one that was dropped: when the sound before it ended."""
        moment = self.moment
        if sample >= moment.next_sample or not moment.runs:
            return moment.time_s + (sample - moment.next_sample) * moment.sample_s
        run = moment.runs[max(0, bisect_right(moment.runs, sample, key=_begin_of) - 1)]
        return run.begin_s + min(1.0, (sample - run.begin) / (run.end - run.begin)) * (run.end_s - run.begin_s)

    def _take(self, out: Float32Array, index: int) -> int:
        """Take a period from the ring whose first sample has this device index, and publish the map."""
        first = self.ring.n_taken
        n = self.ring.take(out)
        taken, runs = self.ring.n_taken, self.moment.runs
        if n:
            begin_s, end_s = self.clock.time_of(index), self.clock.time_of(index + n)
            runs = self._extended(runs, Run(first, first + n, begin_s, end_s, index + n), index)
            self._n_silent = 0 if out[:n].any() else self._n_silent + n
        if self.ring.is_cleared or n:
            self._is_cleared = self.ring.is_cleared
        if self._is_cleared or self._n_silent >= SILENT_S * self.rate_hz:  # the silence is wanted
            self._dry_at = _NO_RUN
        elif n < len(out) and runs and runs[-1].device_end == index + n:
            self._dry_at = index + n
        clock = self.clock
        end_index = index + len(out)
        time_s = clock.time_of(end_index)
        self.moment = Moment(taken, end_index, time_s, (1.0 + clock.rate_error) / self.rate_hz, runs)
        return n

    def _extended(self, runs: tuple[Run, ...], new: Run, device_index: int) -> tuple[Run, ...]:
        """Return the runs with a period more, which goes on with the last one or begins its own."""
        if runs and new.begin == runs[-1].end and device_index == runs[-1].device_end:
            return (*runs[:-1], Run(runs[-1].begin, new.end, runs[-1].begin_s, new.end_s, new.device_end))
        if self._dry_at != _NO_RUN and device_index - self._dry_at < UNDERRUN_S * self.rate_hz:
            self.n_starved += 1
        self._dry_at = _NO_RUN
        return (*runs[-KEPT_RUNS + 1 :], new)


def _begin_of(run: Run) -> int:
    return run.begin
