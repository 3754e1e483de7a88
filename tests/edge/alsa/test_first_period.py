"""The wait for a new stream's first period: short for a quick device, long for a slow one, never too short for ever."""

from __future__ import annotations

import pytest

from edge.alsa.first_period import FirstPeriodWait


@pytest.mark.parametrize(
    ("seen_s", "limit_s"),
    [((), 2.0), ((0.0,), 0.5), ((0.01,), 0.5), ((0.125,), 0.5), ((0.3,), 1.2), ((1.6,), 2.0), ((0.3, 1.0), 1.2)],
)
def test_a_device_gets_four_times_what_it_has_needed_between_half_a_second_and_two(
    seen_s: tuple[float, ...], limit_s: float
) -> None:
    wait = FirstPeriodWait()
    for after_s in seen_s:
        wait.came(after_s)
    assert wait.limit_s == pytest.approx(limit_s)


def test_a_device_that_has_become_slow_is_waited_for_at_every_eighth_try() -> None:
    wait = FirstPeriodWait()
    wait.came(0.01)
    limits_s = []
    for _ in range(16):
        limits_s.append(wait.limit_s)
        wait.missed()
    assert limits_s == [*[0.5] * 7, 2.0] * 2
    wait.came(1.0)
    assert wait.limit_s == 0.5  # one late period may have been a stall that ended by itself
