"""The lag of lips that are known to be late is found."""

from __future__ import annotations

import numpy as np
import pytest

from tests.benchmarks.clips import Clip
from tests.benchmarks.lip_timing import lip_timing

RANDOM = np.random.default_rng(3)
PHONES = tuple(RANDOM.choice(["p", "aa", "m", "iy", "t", "ae", "s", "uw"], 60))
ENDS_S = tuple(np.cumsum(RANDOM.uniform(0.05, 0.15, 60)))
CLIP = Clip("", np.zeros(int(ENDS_S[-1] * 44_100), np.float32), ENDS_S, PHONES)


@pytest.mark.parametrize("late_s", [-0.1, 0.0, 0.05, 0.2])
def test_the_lag_of_a_shifted_curve_is_its_shift(late_s: float) -> None:
    times = np.arange(0.0, CLIP.duration_s, 0.01)
    openings = CLIP.aperture_at((times - late_s).astype(np.float32))
    found = lip_timing([CLIP], [(list(times), list(openings))])
    assert found.lag_ms == pytest.approx(late_s * 1000, abs=10)  # values are held for 10 ms
    assert found.correlation > 0.95


def test_lips_that_do_not_move_agree_with_nothing() -> None:
    assert lip_timing([CLIP], [([0.0], [0.5])]).correlation == 0.0
