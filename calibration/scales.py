"""From a histogram of magnitudes to the largest value that int8 shall hold: several ways, compared by what they do.

Source: the entropy method is Migacz, "8-bit inference with TensorRT", GTC 2017: of all thresholds, the one whose
quantised distribution loses least information (Kullback-Leibler) against the original.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from calibration.histogram import MagnitudeHistogram

LEVELS = 127  # of an activation, symmetric int8: -127 to 127, so that zero is exact and no offset is needed
_MIN_THRESHOLD = 1e-6  # of a tensor that is always zero
_N_ENTROPY_LEVELS = 128
_ENTROPY_STEP_BINS = 16


def minmax_threshold(histogram: MagnitudeHistogram) -> float:
    """Return the largest magnitude seen: nothing saturates, outliers cost resolution."""
    return max(histogram.largest, _MIN_THRESHOLD)


def percentile_threshold(histogram: MagnitudeHistogram, percent: float) -> float:
    """Return the magnitude below which this share of all values lies."""
    total = int(histogram.counts.sum())
    if total == 0 or histogram.bin_width == 0.0:
        return _MIN_THRESHOLD
    reached = int(np.searchsorted(np.cumsum(histogram.counts), total * percent / 100.0))
    return max(min((reached + 1) * histogram.bin_width, histogram.largest), _MIN_THRESHOLD)


def entropy_threshold(histogram: MagnitudeHistogram) -> float:
    """Return the threshold that keeps most information."""
    if histogram.bin_width == 0.0:
        return _MIN_THRESHOLD
    counts = histogram.counts.astype(np.float64)
    n_used = int(np.flatnonzero(counts)[-1]) + 1
    best_loss, best_end = np.inf, n_used
    for end in [*range(_N_ENTROPY_LEVELS, n_used, _ENTROPY_STEP_BINS), n_used]:
        kept = counts[:end].copy()
        kept[-1] += counts[end:].sum()  # what saturates
        loss = _lost_information(kept, counts[:end])
        if loss < best_loss:
            best_loss, best_end = loss, end
    return max(min(best_end * histogram.bin_width, histogram.largest), _MIN_THRESHOLD)


def mean_square_threshold(histogram: MagnitudeHistogram) -> float:
    """Return the threshold with the least mean square error: of rounding below it, of saturation above."""
    if histogram.bin_width == 0.0:
        return _MIN_THRESHOLD
    counts = histogram.counts.astype(np.float64)
    middles = (np.arange(len(counts)) + 0.5) * histogram.bin_width
    n_used = int(np.flatnonzero(counts)[-1]) + 1
    ends = np.arange(min(_N_ENTROPY_LEVELS, n_used), n_used + 1)
    thresholds = ends * histogram.bin_width
    # Sums over the bins from `end` on, of (middle - threshold)^2, by the sums of 1, middle and its square.
    n_above, first, second = (
        np.append(np.cumsum((counts * middles**power)[::-1])[::-1], 0.0)[ends] for power in (0, 1, 2)
    )
    saturation = second - 2 * thresholds * first + thresholds**2 * n_above
    rounding = (counts.sum() - n_above) * (thresholds / LEVELS) ** 2 / 12
    best = float(thresholds[int(np.argmin(saturation + rounding))])
    return max(min(best, histogram.largest), _MIN_THRESHOLD)


def _lost_information(reference: NDArray[np.float64], counts: NDArray[np.float64]) -> float:
    """Return the divergence of a distribution from itself in 128 levels."""
    starts = np.arange(_N_ENTROPY_LEVELS) * len(counts) // _N_ENTROPY_LEVELS
    if len(counts) < _N_ENTROPY_LEVELS:
        return 0.0
    is_used = counts > 0
    sums = np.add.reduceat(counts, starts)
    widths = np.maximum(np.add.reduceat(is_used.astype(np.float64), starts), 1)
    level = np.repeat(np.arange(_N_ENTROPY_LEVELS), np.diff([*starts, len(counts)]))
    quantised = np.where(is_used, (sums / widths)[level], 0.0)
    p, q = reference / reference.sum(), quantised / max(quantised.sum(), 1e-30)
    is_known = p > 0
    return float(np.sum(p[is_known] * np.log(p[is_known] / np.maximum(q[is_known], 1e-12))))


METHODS: dict[str, Callable[[MagnitudeHistogram], float]] = {
    "minmax": minmax_threshold,
    "percentile": lambda histogram: percentile_threshold(histogram, 99.99),
    "percentile_99.9": lambda histogram: percentile_threshold(histogram, 99.9),
    "entropy": entropy_threshold,
    "mean_square": mean_square_threshold,
}


def step_of(threshold: float) -> float:
    """Return what one step of int8 means when this is the largest value."""
    return threshold / LEVELS
