"""Laws of the judge of docs/compare.md: what is known beforehand is found."""

from __future__ import annotations

import numpy as np
import pytest

from tests.benchmarks.compare import judge
from tests.benchmarks.compare.judge import Phone, TrueClip
from tests.benchmarks.compare.shapes import OCULUS, Mouth, Shapes, low_passed, one_hot

PHONES = (
    Phone("SIL", 0.0, 1.0), Phone("AA", 1.0, 1.3), Phone("B", 1.3, 1.4), Phone("IY", 1.4, 1.7), Phone("S", 1.7, 1.9),
    Phone("AE", 1.9, 2.2), Phone("T", 2.2, 2.3), Phone("SIL", 2.3, 3.2),
)  # fmt: skip
TIMES_S = np.arange(80) / 25.0


def clip_of(gap: np.ndarray) -> TrueClip:
    return TrueClip("a", "s", TIMES_S, np.stack([gap, gap, gap], axis=1), PHONES)


def mouth_that_closes() -> np.ndarray:
    gap = np.where((TIMES_S >= 1.0) & (TIMES_S < 2.3), 1.0, 0.0)
    gap[(TIMES_S >= 1.3) & (TIMES_S <= 1.4)] = 0.0
    return gap


def test_a_closure_counts_after_another_sound_only_and_other_places_have_none_near() -> None:
    clip = clip_of(mouth_that_closes())
    assert clip.closures() == [pytest.approx((1.26, 1.44))]
    assert all(start_s > 1.44 and end_s < 2.3 for start_s, end_s in clip.other_places())


def test_a_mouth_that_closes_and_one_that_flutters_are_told_apart() -> None:
    closing = mouth_that_closes()
    flutter = np.where(np.arange(80) % 2 == 0, 0.0, 1.0)
    found = [judge.least_openings([clip_of(gap)], [gap]) for gap in (closing, flutter)]
    assert found[0][0] == [pytest.approx(0.0)]
    assert min(found[0][1]) > 0.9
    assert max(found[1][1]) == pytest.approx(0.0)


@pytest.mark.parametrize("unit", [0.001, 1.0, 40.0])
def test_no_measure_depends_on_the_unit_of_a_curve(unit: float) -> None:
    gap = mouth_that_closes()
    clip = clip_of(gap)
    assert judge.least_openings([clip], [gap * unit])[0] == pytest.approx(judge.least_openings([clip], [gap])[0])
    assert judge.silence_left([clip], [gap * unit + 3]) == pytest.approx(0.0)
    assert judge.agreement([gap], [gap * unit]) == pytest.approx(1.0)


def test_a_mouth_that_does_not_move_agrees_with_nothing() -> None:
    assert np.isnan(judge.agreement([mouth_that_closes()], [np.ones(80)]))


def test_clips_drawn_again_agree_as_joined_clips_do() -> None:
    random = np.random.default_rng(1)
    true = [random.random(30) for _ in range(3)]
    shown = [curve + 0.3 * random.random(30) for curve in true]
    shown[1][4] = np.nan
    drawn = judge.resampled_agreement(true, shown, np.array([[1, 1, 1], [2, 0, 1]]))
    assert drawn[0] == pytest.approx(judge.agreement(true, shown))
    assert drawn[1] == pytest.approx(judge.agreement([true[0], true[0], true[2]], [shown[0], shown[0], shown[2]]))


def test_an_open_mouth_in_silence_is_seen() -> None:
    gap = mouth_that_closes()
    gap[TIMES_S < 1.0] = 0.5
    assert 0.1 < judge.silence_left([clip_of(mouth_that_closes())], [gap]) < 0.5


def test_the_fitted_table_finds_the_table_that_made_the_lips() -> None:
    random = np.random.default_rng(0)
    weights = random.random((80, 3))
    table = np.array([[1.0, 0.0, 2.0], [0.0, 1.0, 0.0], [0.5, -1.0, 0.0], [3.0, 2.0, 1.0]])
    lips = weights @ table[:3] + table[3]
    clip = TrueClip("a", "s", TIMES_S, lips, PHONES)
    found = judge.fit_table([clip], [weights], ridge=1e-9)
    assert found == pytest.approx(table, abs=1e-6)
    assert Shapes(TIMES_S, weights).fitted(found).lips == pytest.approx(lips, abs=1e-6)


def test_the_low_pass_never_looks_ahead() -> None:
    step = Shapes(TIMES_S, one_hot([-1] * 40 + [0] * 40, len(OCULUS)))
    smooth = low_passed(step).weights[:, 0]
    assert np.all(smooth[:40] == 0.0)
    assert smooth[40] == pytest.approx(1 - np.exp(-0.04 / 0.06))


def test_visemes_become_lips_by_the_table() -> None:
    weights = one_hot([list(OCULUS).index("aa"), list(OCULUS).index("U"), list(OCULUS).index("PP")], len(OCULUS))
    mouth = Shapes(TIMES_S[:3], weights).mouth(OCULUS)
    assert mouth.lips[:, 0].tolist() == [1.0, 0.35, 0.0]
    assert mouth.lips[1, 1] == -1.0
    assert isinstance(mouth, Mouth)
