"""What many durations say: exact quantiles, and a histogram to look at.

A quantile is one of the durations that were measured (the smallest that at least this share of all does not exceed),
never a value between two: a p99.9 of 100 frames is then their maximum, and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

QUANTILES = {"p50_ms": 0.5, "p90_ms": 0.9, "p99_ms": 0.99, "p99_9_ms": 0.999}
BINS_PER_DECADE = 20  # 12 % wide: a change that matters moves a bar
_FIRST_BIN_MS = 1e-3
_N_BINS = 7 * BINS_PER_DECADE  # up to 10 s


@dataclass(frozen=True)
class Distribution:
    """Durations of one stage.

    Attributes:
        n: How many.
        mean_ms: Their mean.
        p50_ms: Median; the others are named alike.
        p90_ms: Of nine in ten.
        p99_ms: Of 99 in 100.
        p99_9_ms: Of 999 in 1000.
        max_ms: The longest.
        histogram: Pairs (bin, count) of the bins that are not empty; bin k begins at `bin_start_ms(k)`.
    """

    n: int
    mean_ms: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p99_9_ms: float
    max_ms: float
    histogram: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, durations_s: Sequence[float] | NDArray[np.float64]) -> Distribution:
        """Describe durations.

        Args:
            durations_s: Seconds, in any order; may be negative (a clock that runs ahead) and may be none.
        """
        if len(durations_s) == 0:
            return cls(0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, ())
        ordered = np.sort(np.asarray(durations_s, np.float64)) * 1e3
        n = len(ordered)
        quantiles = {name: float(ordered[max(0, ceil(share * n) - 1)]) for name, share in QUANTILES.items()}
        with np.errstate(divide="ignore", invalid="ignore"):
            bins = np.floor(np.log10(np.maximum(ordered, _FIRST_BIN_MS) / _FIRST_BIN_MS) * BINS_PER_DECADE + 1e-9)
        numbers, counts = np.unique(np.minimum(bins, _N_BINS - 1).astype(int), return_counts=True)
        histogram = tuple((int(number), int(count)) for number, count in zip(numbers, counts, strict=True))
        return cls(n, float(ordered.mean()), max_ms=float(ordered[-1]), histogram=histogram, **quantiles)

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values, rounded to 0.1 microseconds."""
        return {name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(self).items()}


def bin_start_ms(number: int) -> float:
    """Return where a bin of the histograms begins; the first one also holds all that is shorter."""
    return float(_FIRST_BIN_MS * 10 ** (number / BINS_PER_DECADE))
