"""From time stamps to the axis: each clock domain, drift, jitter, and losses of which nobody told."""

from __future__ import annotations

import numpy as np
import pytest

from edge.alsa.stream_clock import Domain, StreamClock, domain_of

RATE_HZ, PERIOD = 48_000, 256
PERIOD_S = PERIOD / RATE_HZ
UNIX_AHEAD_S = 1.7e9


class Device:
    """A device whose periods come 1 ms after they are complete."""

    def __init__(self, domain: Domain = Domain.MONOTONIC, ppm: float = 0.0, jitter_s: float = 0.0) -> None:
        self.now_s = 5000.0
        self.position = 0
        self._domain = domain
        self._period_s = PERIOD_S / (1 + ppm * 1e-6)
        self._jitter_s = jitter_s
        self._random = np.random.default_rng(1)

    def next_into(self, clock: StreamClock, is_overrun: bool = False, n_dropped: int = 0) -> int:
        begin_s = self.now_s
        self.now_s += self._period_s
        arrived_s = self.now_s + 1e-3
        stamp_s = begin_s + self._random.uniform(0.0, self._jitter_s)
        if self._domain is Domain.REALTIME:
            stamp_s += UNIX_AHEAD_S
        elif self._domain is Domain.ARRIVAL:
            stamp_s = 0.0
        self.position += n_dropped
        lost = clock.place(self.position, PERIOD, stamp_s, arrived_s, arrived_s + UNIX_AHEAD_S, is_overrun)
        self.position += PERIOD
        return lost


@pytest.mark.parametrize("domain", list(Domain))
def test_time_is_monotonic_time_whatever_clock_the_stamps_are_of(domain: Domain) -> None:
    clock, device = StreamClock(RATE_HZ), Device(domain)
    for _ in range(100):
        assert device.next_into(clock) == 0
    assert clock.domain is domain
    late_s = 1e-3 if domain is Domain.ARRIVAL else 0.0  # all that can be known then
    assert clock.end_time_s == pytest.approx(device.now_s + late_s, abs=1e-6)
    assert clock.next_index == 100 * PERIOD


@pytest.mark.parametrize(
    ("stamp_s", "domain"),
    [(5000.0, Domain.MONOTONIC), (5059.0, Domain.MONOTONIC), (UNIX_AHEAD_S + 5000.0, Domain.REALTIME),
     (0.0, Domain.ARRIVAL), (-1.0, Domain.ARRIVAL), (1e12, Domain.ARRIVAL)],
)  # fmt: skip
def test_the_domain_is_the_clock_that_is_near(stamp_s: float, domain: Domain) -> None:
    assert domain_of(stamp_s, 5000.0, UNIX_AHEAD_S + 5000.0) is domain


@pytest.mark.parametrize("ppm", [-200.0, 200.0])
def test_a_wrong_crystal_is_followed_for_hours(ppm: float) -> None:
    clock, device = StreamClock(RATE_HZ), Device(ppm=ppm)
    n_periods = 100_000  # nine minutes; the deviation settles within the first second
    lost = sum(device.next_into(clock) for _ in range(n_periods))
    assert lost == 0
    assert clock.next_index == n_periods * PERIOD
    assert clock.end_time_s == pytest.approx(device.now_s, abs=1e-4)


def test_jitter_of_stamps_is_smoothed_and_is_no_loss() -> None:
    clock, device = StreamClock(RATE_HZ), Device(jitter_s=0.001)
    steps_s = []
    for _ in range(2000):
        before_s = clock.end_time_s
        assert device.next_into(clock) == 0
        steps_s.append(clock.end_time_s - before_s)
    assert np.std(steps_s[100:]) < 0.02e-3


@pytest.mark.parametrize("lost_s", [0.0, 0.0001, 0.01, 3.0])
def test_an_overrun_is_as_long_as_the_stamps_say(lost_s: float) -> None:
    clock, device = StreamClock(RATE_HZ), Device()
    for _ in range(50):
        device.next_into(clock)
    device.now_s += lost_s
    assert device.next_into(clock, is_overrun=True) == round(lost_s * RATE_HZ)
    assert device.next_into(clock) == 0


def test_what_the_ring_dropped_is_counted_exactly() -> None:
    clock, device = StreamClock(RATE_HZ), Device()
    device.next_into(clock)
    device.now_s += 7 * PERIOD_S
    assert device.next_into(clock, n_dropped=7 * PERIOD) == 7 * PERIOD
    assert clock.next_index == 9 * PERIOD
    assert clock.end_time_s == pytest.approx(device.now_s, abs=1e-6)


def test_a_reopened_stream_goes_on_ahead_by_the_time_that_passed() -> None:
    clock, device = StreamClock(RATE_HZ), Device()
    device.next_into(clock)
    for _ in range(100):
        clock.restart()
        device.position = 0
        device.now_s += 0.7654321
        device.next_into(clock)
    assert clock.next_index == pytest.approx(100 * 0.7654321 * RATE_HZ + 101 * PERIOD, abs=1.0)  # rounding adds not up


def test_a_new_stream_that_overlaps_the_old_never_goes_back() -> None:
    clock, device = StreamClock(RATE_HZ), Device()
    for _ in range(10):
        device.next_into(clock)
    clock.restart()
    device.position = 0
    device.now_s -= 0.02
    assert device.next_into(clock) == 0
    assert clock.next_index == 11 * PERIOD
    assert clock.end_time_s == pytest.approx(device.now_s, abs=1e-6)


def test_a_loss_that_nobody_told_is_found_within_a_few_periods() -> None:
    clock, device = StreamClock(RATE_HZ), Device()
    for _ in range(100):
        device.next_into(clock)
    device.now_s += 0.5
    assert sum(device.next_into(clock) for _ in range(20)) == pytest.approx(0.5 * RATE_HZ, abs=2)
    assert clock.end_time_s == pytest.approx(device.now_s, abs=1e-4)


def test_one_wild_stamp_changes_nothing() -> None:
    clock, device = StreamClock(RATE_HZ), Device()
    for _ in range(100):
        device.next_into(clock)
    for wild_s in (-3.0, 50.0, 0.2):
        before_s = clock.end_time_s
        assert clock.place(device.position, PERIOD, device.now_s + wild_s, device.now_s + 6e-3, 0.0, False) == 0
        device.position += PERIOD
        device.now_s += PERIOD_S
        assert clock.end_time_s - before_s == pytest.approx(PERIOD_S, abs=1e-4)
