"""Solve many small least-squares problems whose unknowns lie in [0, 1], all at once.

Minimises, per frame, |A x - y|^2 / 2 + sum(ridge * x^2) / 2 + sum(sparsity * x) over 0 <= x <= 1. It is convex, so
cyclic coordinate descent (steps clipped to the bounds) reaches the minimum; each step is done for all frames at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

TOLERANCE = 5e-4  # largest change of any activation in the last round; far below what a face shows
MOST_ROUNDS = 200


def solve_bounded(normal: Float64, right: Float64, ridge: Float64, sparsity: Float64) -> Float64:
    """Solve for all frames.

    Args:
        normal: A^T A, [n_unknowns, n_unknowns].
        right: A^T y of each frame, [n_frames, n_unknowns].
        ridge: [n_unknowns], at least zero.
        sparsity: [n_unknowns], at least zero: the pull to exactly zero.

    Returns:
        float64 [n_frames, n_unknowns] in [0, 1]; an unknown that nothing informs (zero diagonal) stays 0.
    """
    hessian = normal + np.diag(ridge)
    slope = np.ascontiguousarray((right - sparsity).T)
    x = np.zeros_like(slope)
    informed = np.flatnonzero(np.diag(normal) > 1e-9)
    moving = np.arange(slope.shape[1])
    for _ in range(MOST_ROUNDS):
        part, part_slope = x[:, moving], slope[:, moving]
        largest = np.zeros(len(moving))
        for unknown in informed:
            new = np.clip(part[unknown] + part_slope[unknown] / hessian[unknown, unknown], 0.0, 1.0)
            step = new - part[unknown]
            part[unknown] = new
            part_slope -= hessian[:, unknown, None] * step
            np.maximum(largest, np.abs(step), out=largest)
        x[:, moving], slope[:, moving] = part, part_slope
        moving = moving[largest > TOLERANCE]
        if not len(moving):
            break
    return np.asarray(x.T)
