"""From PortAudio's time stamps to the sample axis: when each period is at the converter, and what is missing.

PortAudio does not say how much an overrun lost, nor on which clock it stamps: CLOCK_MONOTONIC for sound cards,
CLOCK_REALTIME for the PulseAudio plug-in, 0 for others (measured). Both are decided here, by comparison. Between two
periods the time is the number of samples; the stamps only steer it, since they jitter by more than the sample clock.

The same for a microphone and for a loudspeaker: there a stamp is in the future, and what is missing is a pause.
"""

from __future__ import annotations

import enum

SAME_CLOCK_S = 60.0  # stamps of one clock differ by less, two clocks of one machine by far more
GAIN = 0.02  # of a stamp's deviation, per period: 100 ppm of clock error leave 27 us at 48 kHz and 256 samples
JUMP_S = 0.1  # a deviation beyond any jitter of a stamp (35 ms with PulseAudio)...
JUMP_PERIODS = 8  # ...for this many periods on end: sound was lost without being said, or time was set wrong before
MAX_AGE_S = 2.0  # an older stamp (for a loudspeaker: one further ahead) is none
RATE_ERROR_S = 30.0  # over which the clock's error is learnt: 1 ms of jitter leaves a few ppm
SETTLED_PERIODS = 200  # the corrections before are of the first stamp, not of the clock


class Domain(enum.Enum):
    """The clock that a stream's stamps are of."""

    MONOTONIC = "CLOCK_MONOTONIC"
    REALTIME = "CLOCK_REALTIME"
    ARRIVAL = "time of arrival"


def domain_of(stamp_s: float, monotonic_s: float, unix_s: float) -> Domain:
    """Return the clock that a stamp of this moment is of."""
    if abs(stamp_s - monotonic_s) < SAME_CLOCK_S:
        return Domain.MONOTONIC
    if abs(stamp_s - unix_s) < SAME_CLOCK_S:
        return Domain.REALTIME
    return Domain.ARRIVAL


class StreamClock:
    """Places periods on the axis; lives as long as the source, across reopened streams.

    Args:
        rate_hz: Samples a second.
        is_playback: Stamps say when sound will leave.

    Attributes:
        next_index: Of the sample after the newest period.
        end_time_s: CLOCK_MONOTONIC time of that sample.
        rate_error: Playback: how much longer a second of the stream lasts than one of CLOCK_MONOTONIC, as a fraction.
        latency_s: Playback without usable stamps: from the callback to the converter.
    """

    def __init__(self, rate_hz: int, is_playback: bool = False) -> None:
        self._rate_hz = rate_hz
        self._is_playback = is_playback
        self._domain: Domain | None = None
        self._is_first = True
        self._is_new_stream = True
        self._next_position = 0
        self._n_far = 0
        self._least_far_s = 0.0
        self._n_steered = 0
        self.next_index = 0
        self.end_time_s = 0.0
        self.rate_error = 0.0
        self.latency_s = 0.0

    def time_of(self, index: float) -> float:
        """Return the CLOCK_MONOTONIC time of a sample near the newest period."""
        return self.end_time_s + (index - self.next_index) / self._rate_hz * (1.0 + self.rate_error)

    def pass_until(self, now_s: float) -> int:
        """Let time pass for which there is no stream; return the number of whole samples that it was."""
        if self._is_first:
            self._is_first = False
            self.end_time_s = now_s
        n_samples = max(0, int((now_s - self.end_time_s) * self._rate_hz))
        self.next_index += n_samples
        self.end_time_s += n_samples / self._rate_hz
        return n_samples

    @property
    def domain(self) -> Domain | None:
        """Return the present stream's clock, once its first period has come."""
        return self._domain

    def restart(self) -> None:
        """Expect a new stream; what passes until its first period is missing."""
        self._domain = None
        self._is_new_stream = True
        self._next_position = 0
        self._n_far = 0
        self._n_steered = 0

    def place(
        self, position: int, n_samples: int, stamp_s: float, arrived_s: float, unix_s: float, is_overrun: bool
    ) -> int:
        """Place the next period; then `next_index` and `end_time_s` are those of its end.

        Args:
            position: Samples that this stream captured before it.
            n_samples: Its length.
            stamp_s: PortAudio's time of its first sample.
            arrived_s: CLOCK_MONOTONIC of its callback.
            unix_s: Unix time of its callback.
            is_overrun: The driver says that sound was lost before it.

        Returns:
            How many samples are missing before it.
        """
        begin_s = self._begin_of(stamp_s, n_samples, arrived_s, unix_s)
        if self._is_first:
            self._is_first = self._is_new_stream = False
            self.end_time_s = begin_s
            self._next_position = position
        dropped = position - self._next_position
        self.end_time_s += dropped / self._rate_hz
        deviation_s = begin_s - self.end_time_s
        missing = 0
        if self._is_new_stream or is_overrun:
            missing = max(0, round(deviation_s * self._rate_hz))
            self._n_steered = 0
            self.end_time_s += missing / self._rate_hz  # whole samples: rounding must not add up over many losses
            if begin_s < self.end_time_s - 1.0 / self._rate_hz:
                self.end_time_s = begin_s
            self._is_new_stream = False
            self._n_far = 0
        else:
            missing = self._steer(deviation_s)
        self.end_time_s += n_samples / self._rate_hz * (1.0 + self.rate_error)
        if not self._is_playback:
            self.end_time_s = min(self.end_time_s, arrived_s)  # no sound comes before it was
        self.next_index += dropped + missing + n_samples
        self._next_position = position + n_samples
        return dropped + missing

    def _steer(self, deviation_s: float) -> int:
        """Follow the stamps slowly, or at once where they stay far away; return the samples found missing."""
        if abs(deviation_s) < JUMP_S:
            self._n_far = 0
            self._n_steered += 1
            # Sound that is captured is late already; of sound to be played the first stamp must not rule for long.
            gain = max(GAIN, 1.0 / (1.0 + self._n_steered)) if self._is_playback else GAIN
            self.end_time_s += gain * deviation_s
            if self._is_playback and self._n_steered > SETTLED_PERIODS:
                self.rate_error += gain * deviation_s / RATE_ERROR_S
            return 0
        is_nearer = self._n_far == 0 or abs(deviation_s) < abs(self._least_far_s)
        self._least_far_s = deviation_s if is_nearer else self._least_far_s
        self._n_far += 1
        if self._n_far < JUMP_PERIODS:
            return 0
        self._n_far = 0
        self.end_time_s += self._least_far_s
        return max(0, round(self._least_far_s * self._rate_hz))

    def _begin_of(self, stamp_s: float, n_samples: int, arrived_s: float, unix_s: float) -> float:
        """Return the CLOCK_MONOTONIC time of a period's first sample."""
        if self._domain is None:
            self._domain = domain_of(stamp_s, arrived_s, unix_s)
        if self._is_playback:
            begin_s = stamp_s - (unix_s - arrived_s) if self._domain is Domain.REALTIME else stamp_s
            is_none = self._domain is Domain.ARRIVAL or abs(begin_s - arrived_s) > MAX_AGE_S
            return arrived_s + self.latency_s if is_none else begin_s
        latest_s = arrived_s - n_samples / self._rate_hz  # it was complete when it arrived
        if self._domain is Domain.ARRIVAL:
            return latest_s
        begin_s = stamp_s - (unix_s - arrived_s) if self._domain is Domain.REALTIME else stamp_s
        return latest_s if begin_s > latest_s or arrived_s - begin_s > MAX_AGE_S else begin_s
