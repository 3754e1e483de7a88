"""How large the values of a tensor are: a histogram of magnitudes that widens as larger ones come."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

N_BINS = 2048


class MagnitudeHistogram:
    """Counts of absolute values in equal bins from 0; the range doubles as often as needed, no value is lost.

    Attributes:
        counts: int64 [N_BINS].
        bin_width: Width of each.
        largest: The largest absolute value seen.
    """

    def __init__(self) -> None:
        self.counts = np.zeros(N_BINS, np.int64)
        self.bin_width = 0.0
        self.largest = 0.0

    def add(self, values: NDArray[Any]) -> None:
        """Count values of any shape.

        Raises:
            ValueError: One is not finite.
        """
        magnitudes = np.abs(values, dtype=np.float32).ravel()
        largest = float(magnitudes.max(initial=0.0))
        if not np.isfinite(largest):
            raise ValueError("a value is not finite")
        self.largest = max(self.largest, largest)
        if self.bin_width == 0.0:
            if largest == 0.0:
                self.counts[0] += magnitudes.size  # zeros lie in the first bin of any width
                return
            self.bin_width = largest / N_BINS * 1.0001
        while largest >= self.bin_width * N_BINS:
            self.counts[: N_BINS // 2] = self.counts.reshape(-1, 2).sum(axis=1)
            self.counts[N_BINS // 2 :] = 0
            self.bin_width *= 2
        bins = np.minimum((magnitudes * (1 / self.bin_width)).astype(np.int64), N_BINS - 1)
        self.counts += np.bincount(bins, minlength=N_BINS)

    def share_above(self, magnitude: float) -> float:
        """Return which share of values lies in bins beyond a magnitude."""
        total = int(self.counts.sum())
        if total == 0 or self.bin_width == 0.0:
            return 0.0
        first = int(np.ceil(magnitude / self.bin_width - 1e-9))
        return float(self.counts[first:].sum() / total)
