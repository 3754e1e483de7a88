"""When lips move against when they should: one number per program, from the same clips.

Each program's mouth opening, held until its next value, is compared with the opening that the phones ask for. The lag
at which the two agree best is its timing: positive is late. Twice: by the places in the sound that the program's
values belong to by its own account, and by how much sound it had heard when it gave them, which is
what a live head can show.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge.frames import Float32Array
from tests.benchmarks.clips import Clip

STEP_S = 0.005
MAX_LAG_S = 0.4


@dataclass(frozen=True)
class LipTiming:
    """How a program's lips agree with the phones.

    Attributes:
        lag_ms: Lag of best agreement; positive is late.
        correlation: Pearson's r there.
        correlation_at_zero: Pearson's r without shifting.
    """

    lag_ms: float
    correlation: float
    correlation_at_zero: float


def lip_timing(clips: list[Clip], curves: list[tuple[list[float], list[float]]]) -> LipTiming:
    """Compare openings with phones over all clips.

    Args:
        clips: The sentences.
        curves: For each the times in seconds, rising, and the opening from each of them on.
    """
    lags = np.arange(-round(MAX_LAG_S / STEP_S), round(MAX_LAG_S / STEP_S) + 1)
    sums = np.zeros(len(lags))
    for clip, (times_s, openings) in zip(clips, curves, strict=True):
        grid_s = np.arange(0, clip.duration_s, STEP_S)
        shown = _held(grid_s, np.array(times_s), np.array(openings))
        for i, lag in enumerate(lags):
            wanted = clip.aperture_at((grid_s - lag * STEP_S).astype(np.float32))
            sums[i] += _correlation(shown, wanted)
    means = sums / len(clips)
    best = int(np.argmax(means))
    return LipTiming(
        round(float(lags[best] * STEP_S * 1000), 1),
        round(float(means[best]), 3),
        round(float(means[len(lags) // 2]), 3),
    )


def _held(grid_s: Float32Array, times_s: Float32Array, values: Float32Array) -> Float32Array:
    """Return the value in force at each time; rest before the first."""
    places = np.searchsorted(times_s, grid_s, side="right") - 1
    return np.where(places >= 0, values[np.maximum(places, 0)], 0.0) if len(values) else np.zeros(len(grid_s))


def _correlation(a: Float32Array, b: Float32Array) -> float:
    if np.std(a) < 1e-9 or np.std(b) < 1e-9:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])
