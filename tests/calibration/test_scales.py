"""Histograms and thresholds against numpy and against distributions whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.histogram import N_BINS, MagnitudeHistogram
from calibration.scales import (
    METHODS,
    entropy_threshold,
    mean_square_threshold,
    minmax_threshold,
    percentile_threshold,
    step_of,
)


def histogram_of(*parts: np.ndarray) -> MagnitudeHistogram:
    histogram = MagnitudeHistogram()
    for part in parts:
        histogram.add(part)
    return histogram


def test_no_value_is_lost_however_the_range_grows() -> None:
    rng = np.random.default_rng(0)
    parts = [np.zeros(10)] + [rng.standard_normal(1000) * 10.0**k for k in range(-3, 4)] + [np.zeros((3, 4))]
    histogram = histogram_of(*parts)
    values = np.abs(np.concatenate([p.ravel() for p in parts])).astype(np.float32)
    assert histogram.counts.sum() == len(values)
    assert histogram.largest == values.max()
    for edge in (100, N_BINS // 2, N_BINS - 1):
        assert histogram.share_above(edge * histogram.bin_width) == pytest.approx(
            np.mean(values >= edge * histogram.bin_width), abs=2e-3
        )


def test_a_value_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        MagnitudeHistogram().add(np.array([1.0, np.nan]))


@pytest.mark.parametrize("percent", [50.0, 99.0, 99.9])
def test_the_percentile_is_numpys(percent: float) -> None:
    values = np.random.default_rng(1).standard_normal(200_000).astype(np.float32)
    found = percentile_threshold(histogram_of(values), percent)
    assert found == pytest.approx(np.percentile(np.abs(values), percent), rel=0.01)


def test_min_max_lets_nothing_saturate() -> None:
    histogram = histogram_of(np.array([0.5, -3.0, 1.0]))
    assert minmax_threshold(histogram) == 3.0
    assert histogram.share_above(127.5 * step_of(3.0)) == 0.0


def test_entropy_cuts_a_lone_outlier_off_and_keeps_a_full_range_whole() -> None:
    rng = np.random.default_rng(2)
    body = rng.standard_normal(100_000)
    assert 2.0 < entropy_threshold(histogram_of(body, np.array([60.0]))) < 12.0
    flat = rng.uniform(-1, 1, 100_000)
    assert entropy_threshold(histogram_of(flat)) > 0.95


@pytest.mark.parametrize("kind", ["normal", "laplace", "uniform"])
def test_the_mean_square_threshold_is_the_best_of_all_that_can_be_tried(kind: str) -> None:
    rng = np.random.default_rng(3)
    draw = {"normal": rng.standard_normal, "laplace": rng.laplace, "uniform": rng.uniform}[kind]
    values = draw(size=100_000)

    def error(threshold: float) -> float:
        step = step_of(threshold)
        return float(np.mean((np.clip(np.rint(values / step), -127, 127) * step - values) ** 2))

    found = error(mean_square_threshold(histogram_of(values)))
    assert found <= 1.01 * min(error(t) for t in np.linspace(0.3, 1.0, 60) * np.abs(values).max())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("values", [np.zeros(5), np.ones(1), np.zeros(0)], ids=["zeros", "one", "none"])
def test_a_tensor_that_says_little_still_gets_a_step(method: str, values: np.ndarray) -> None:
    threshold = METHODS[method](histogram_of(values))
    assert np.isfinite(threshold)
    assert threshold > 0
