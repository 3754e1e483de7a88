"""The map from samples to times, on a simulated device whose every sample has a true time."""

from __future__ import annotations

import bisect
from dataclasses import dataclass

import numpy as np
import pytest

from edge.playback.play_line import KEPT_RUNS, PlayLine
from edge.playback.play_ring import PlayRing

RATE_HZ, PERIOD = 48_000, 256
BUFFER_PERIODS = 10
UNIX_AHEAD_S = 1.7e9


@dataclass
class Truth:
    """When the first sample of a period truly left, and which of the ring it was."""

    first: int
    n: int
    begin_s: float


class Device:
    """Takes periods into a buffer of ten, plays them by its own clock, and stamps with jitter."""

    def __init__(
        self, line: PlayLine, now_s: float, ppm: float = 0.0, jitter_s: float = 0.0, period: int = PERIOD
    ) -> None:
        self.line = line
        self._period = period
        self._sample_s = 1.0 / (RATE_HZ * (1.0 + ppm * 1e-6))
        self._jitter_s = jitter_s
        self._random = np.random.default_rng(5)
        self._position = 0
        self.now_s = now_s
        self._next_s = now_s + BUFFER_PERIODS * PERIOD * self._sample_s
        self._out = np.empty(period, np.float32)
        self.truths: list[Truth] = []
        line.clock.restart()

    def take(self, is_underrun: bool = False) -> None:
        """Let one period pass."""
        stamp_s = self._next_s + self._random.uniform(-0.5, 0.5) * self._jitter_s
        first = self.line.ring.n_taken
        self.line.feed(self._out, self._position, stamp_s, self.now_s, self.now_s + UNIX_AHEAD_S, is_underrun)
        n = int(np.count_nonzero(self._out))
        if n:
            self.truths.append(Truth(first, n, self._next_s))
        self._position += self._period
        self._next_s += self._period * self._sample_s
        self.now_s += self._period * self._sample_s

    def run_dry(self, seconds: float) -> None:
        """Stand still; the next period is told as an underrun and comes behind a full buffer of silence."""
        self.now_s += seconds
        self._next_s = self.now_s + BUFFER_PERIODS * PERIOD * self._sample_s
        self.take(is_underrun=True)

    def time_of(self, sample: int) -> float:
        """Return the true time of a sample that has been taken."""
        truth = self.truths[bisect.bisect_right(self.truths, sample, key=lambda t: t.first) - 1]
        assert truth.first <= sample < truth.first + truth.n
        return truth.begin_s + (sample - truth.first) * self._sample_s


def keep_full(line: PlayLine, n: int = 2000) -> None:
    ring = line.ring
    missing = n - ring.n_waiting
    if missing > 0:
        ring.put(ring.n_put, np.ones(missing, np.float32))
        ring.publish(ring.n_put + missing)


def make(ppm: float = 0.0, jitter_s: float = 0.0, period: int = PERIOD) -> tuple[PlayLine, Device]:
    line = PlayLine(PlayRing(20_000, RATE_HZ), RATE_HZ, 5000.0)
    return line, Device(line, 5000.0, ppm, jitter_s, period)


@pytest.mark.parametrize("ppm", [-200.0, 0.0, 200.0])
def test_times_are_true_for_an_hour_whatever_the_crystal(ppm: float) -> None:
    line, device = make(ppm, jitter_s=0.002, period=2048)
    errors_s, ahead_s = [], []
    asked: dict[int, float] = {}
    for period in range(3600 * RATE_HZ // 2048):
        keep_full(line, 5000)
        device.take()
        if period % 100 == 99:
            sample = line.ring.n_taken - 100
            errors_s.append(line.time_of(sample) - device.time_of(sample))
            for sample, told_s in asked.items():
                ahead_s.append(told_s - device.time_of(sample))
            asked = {line.ring.n_taken + 1500: line.time_of(line.ring.n_taken + 1500)}  # not taken yet
            del device.truths[:-50]
    settled = errors_s[2:]  # the first 5 s lean on few stamps
    assert np.max(np.abs(settled)) < 0.5e-3
    assert np.max(np.abs(ahead_s[2:])) < 0.5e-3
    assert abs(np.mean(settled)) < 0.1e-3
    assert line.clock.rate_error * 1e6 == pytest.approx(-ppm, abs=15.0)


def test_one_stamp_that_is_far_away_moves_nothing() -> None:
    line, device = make()
    for _ in range(500):
        keep_full(line)
        device.take()
    before_s = line.time_of(line.ring.n_taken) - device.now_s
    device._next_s += 0.3
    keep_full(line)
    device.take()
    device._next_s -= 0.3
    assert line.time_of(line.ring.n_taken) - device.now_s == pytest.approx(before_s, abs=1e-4)


def test_what_has_left_keeps_its_time_over_underruns_and_what_comes_next_has_its_own() -> None:
    line, device = make(ppm=150.0)
    told: dict[int, float] = {}
    for round_ in range(10):
        for _ in range(200):
            keep_full(line)
            device.take()
            told[line.ring.n_taken - 1] = line.time_of(line.ring.n_taken - 1)
        device.run_dry(0.03 + 0.01 * round_)
    for sample, told_s in told.items():
        assert told_s == pytest.approx(device.time_of(sample), abs=1e-3)
        assert line.time_of(sample) == pytest.approx(device.time_of(sample), abs=1e-3)
    assert line.n_underruns == 10
    assert line.n_starved == 0


def test_a_writer_that_is_late_makes_a_pause_that_the_map_knows() -> None:
    line, device = make()
    for _ in range(20):
        keep_full(line, 300)
        device.take()
    for _ in range(10):  # 53 ms without a word
        device.take()
    for _ in range(20):
        keep_full(line, 300)
        device.take()
    for sample in range(0, line.ring.n_taken, 37):
        assert line.time_of(sample) == pytest.approx(device.time_of(sample), abs=1e-3)
    assert line.n_starved == 1


def test_a_pause_between_sentences_and_a_clear_are_no_underruns() -> None:
    line, device = make()
    for _ in range(5):
        keep_full(line)
        for _ in range(70):  # 0.37 s: more than what waits
            device.take()
    for _ in range(5):
        keep_full(line)
        device.take()
        line.ring.clear()
        device.take()
        device.take()
    assert line.n_starved == 0


def test_on_a_fast_card_whose_period_is_shorter_than_the_fade_a_clear_is_no_click_and_no_underrun() -> None:
    line = PlayLine(PlayRing(96_000, 96_000), 96_000, 0.0)
    line.ring.put(0, np.ones(20_000, np.float32))
    line.ring.publish(20_000)
    out, heard = np.empty(PERIOD, np.float32), []
    for k in range(60):
        if k == 5:
            line.ring.clear()
        if k == 10:  # the next utterance
            line.ring.put(20_000, np.ones(10_000, np.float32))
            line.ring.publish(30_000)
        line.feed(out, k * PERIOD, 0.05 + k * PERIOD / 96_000, k * PERIOD / 96_000, 0.0, False)
        heard.append(out.copy())
    assert np.abs(np.diff(np.concatenate(heard)[: 10 * PERIOD])).max() < 0.02
    assert line.n_starved == 0


def test_time_never_goes_back_from_sample_to_sample() -> None:
    chance = np.random.default_rng(9)
    line, device = make(ppm=-300.0, jitter_s=0.004)
    for _ in range(2000):
        if chance.random() < 0.5:
            keep_full(line, int(chance.integers(10, 3000)))
        if chance.random() < 0.01:
            line.ring.clear()
        if chance.random() < 0.01:
            device.run_dry(float(chance.uniform(0.0, 0.1)))
        device.take()
        samples = np.arange(max(0, line.ring.n_taken - 3000), line.ring.n_taken + 3000, 97)
        assert np.all(np.diff([line.time_of(sample) for sample in samples]) >= 0.0)
    assert len(line.moment.runs) <= KEPT_RUNS


def test_without_a_device_sound_goes_by_at_its_own_speed() -> None:
    line = PlayLine(PlayRing(200_000, RATE_HZ), RATE_HZ, 100.0)
    keep_full(line, 96_000)
    line.pass_until(101.0)
    assert line.ring.n_taken == RATE_HZ
    assert line.time_of(0) == pytest.approx(100.0)
    assert line.time_of(RATE_HZ) == pytest.approx(101.0)
    assert line.time_of(2 * RATE_HZ) == pytest.approx(102.0)


def test_a_device_that_comes_back_goes_on_where_the_time_is() -> None:
    line, device = make()
    for _ in range(100):
        keep_full(line, 6000)
        device.take()
    lost = line.ring.n_taken
    line.pass_until(device.now_s + 0.1)
    back = Device(line, device.now_s + 0.1)
    keep_full(line, 6000)
    first = line.ring.n_taken
    assert first > lost
    for _ in range(10):
        back.take()
    assert line.time_of(first) == pytest.approx(back.time_of(first), abs=1e-4)
    assert line.time_of(lost - 1) == pytest.approx(device.time_of(lost - 1), abs=1e-3)
