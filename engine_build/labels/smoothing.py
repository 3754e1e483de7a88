"""Fill short gaps and smooth curves without shifting them in time.

A Savitzky-Golay filter fits a parabola to a symmetric stretch around each frame (Savitzky and Golay, Analytical
Chemistry 36(8), 1964): its phase is zero, a closure of a /p/ stays where it was, and only frame-to-frame noise goes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

STRETCH_S = 0.2  # five frames at 25 a second: lips close for a /b/ in 60 to 100 ms and must not be smoothed away
LEAST_FRAMES = 5


def fill_gaps(values: Float64, is_known: NDArray[np.bool_]) -> Float64:
    """Interpolate over frames that are not known; hold the first and last known value at the ends.

    Args:
        values: [n_frames, ...].
        is_known: [n_frames]; at least one is true.
    """
    if is_known.all():
        return values
    known = np.flatnonzero(is_known)
    flat = values.reshape(len(values), -1)
    frames = np.arange(len(values))
    after = np.clip(np.searchsorted(known, frames), 0, len(known) - 1)
    before = np.clip(np.searchsorted(known, frames, side="right") - 1, 0, len(known) - 1)
    span = np.maximum(known[after] - known[before], 1)
    share = np.clip((frames - known[before]) / span, 0, 1)[:, None]
    filled = flat[known[before]] * (1 - share) + flat[known[after]] * share
    return np.asarray(filled.reshape(values.shape))


def smooth(values: Float64, fps: float, stretch_s: float = STRETCH_S) -> Float64:
    """Smooth along time without lag.

    Args:
        values: [n_frames, ...].
        fps: Frames per second.
        stretch_s: Length of the stretch that a parabola is fitted to.

    Returns:
        The same shape; a recording shorter than the stretch comes back unchanged.
    """
    from scipy.signal import savgol_filter

    n_frames = max(LEAST_FRAMES, 2 * int(stretch_s * fps / 2) + 1)
    if len(values) < n_frames:
        return values
    return np.asarray(savgol_filter(values, n_frames, 2, axis=0, mode="interp"))
