"""Quantiles are durations that were measured; histograms lose none."""

from __future__ import annotations

import numpy as np
import pytest

from edge.bench.distribution import Distribution, bin_start_ms


def test_quantiles_of_a_thousand_known_durations() -> None:
    found = Distribution.of(np.arange(1, 1001) / 1000.0)  # 1 ms to 1000 ms
    assert (found.n, found.p50_ms, found.p90_ms, found.p99_ms, found.p99_9_ms, found.max_ms) == pytest.approx(
        (1000, 500, 900, 990, 999, 1000)
    )


@pytest.mark.parametrize("n", [1, 2, 7, 100])
def test_every_quantile_is_a_duration_that_was_measured(n: int) -> None:
    durations = np.random.default_rng(n).exponential(0.01, n)
    found = Distribution.of(durations)
    for value in (found.p50_ms, found.p90_ms, found.p99_ms, found.p99_9_ms, found.max_ms):
        assert np.min(np.abs(durations * 1000 - value)) < 1e-9


def test_numpy_agrees_on_the_inverted_distribution() -> None:
    durations = np.random.default_rng(1).gamma(2.0, 0.003, 4321)
    found = Distribution.of(durations)
    for name, share in (("p50_ms", 0.5), ("p90_ms", 0.9), ("p99_ms", 0.99), ("p99_9_ms", 0.999)):
        oracle = np.quantile(durations, share, method="inverted_cdf") * 1000
        assert getattr(found, name) == pytest.approx(oracle, rel=1e-9)


def test_a_histogram_holds_every_duration_within_its_bin() -> None:
    durations_ms = np.array([0.0002, 0.0011, 0.5, 0.5, 3.0, 33.0, 1e6, -1.0])
    found = Distribution.of(durations_ms / 1000)
    assert sum(count for _, count in found.histogram) == len(durations_ms)
    for number, _ in found.histogram:
        start, end = bin_start_ms(number), bin_start_ms(number + 1)
        is_edge = number in (0, found.histogram[-1][0])
        assert is_edge or np.any((durations_ms >= start * 0.999) & (durations_ms < end * 1.001))


def test_no_durations_are_no_error() -> None:
    assert Distribution.of([]).n == 0
