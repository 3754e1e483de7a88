"""Measure how much later than its sound a speaker's picture is, and take it away.

The gap of the lips in the picture is compared with the gap that the sound makes one expect (`gap_from_sound`), at every
lag within 0.2 s; the best correlation over all clips of a speaker is his lag. How sure it is, is told by drawing the
clips anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engine_build.labels.blendshape_face import blendshape_face
from engine_build.labels.fit import LandmarkClip
from engine_build.labels.gap_from_sound import COLUMNS_HZ, predict_gap, rows_at
from engine_build.labels.geometry import picture_geometry

Float64 = NDArray[np.float64]

FURTHEST = 20  # columns of 10 ms to each side
TOLERATED_MS = 10.0
LEAST_CORRELATION = 0.3  # below it the sound does not tell of these lips, or belongs to other ones
N_DRAWS = 200
SURE = 2.0  # standard errors


@dataclass(frozen=True)
class SoundLag:
    """How a speaker's picture lies to his sound.

    Attributes:
        lag_ms: How much later the picture is; as measured, also where it was taken away.
        error_ms: Standard error of it.
        correlation: Of the gap seen with the gap expected, at that lag.
        is_corrected: It was taken away.
    """

    lag_ms: float
    error_ms: float
    correlation: float
    is_corrected: bool = False

    @property
    def is_off(self) -> bool:
        """Whether the picture has to be moved: by more than is tolerated, and surely."""
        far = abs(self.lag_ms) > max(TOLERATED_MS, SURE * self.error_ms)
        return far and self.correlation >= LEAST_CORRELATION


def measure_lag(clips: Sequence[LandmarkClip], bands: Sequence[Float64]) -> SoundLag:
    """Measure one speaker.

    Args:
        clips: His clips.
        bands: The sound of each, see `gap_from_sound.speech_bands`.
    """
    lags = np.arange(-FURTHEST, FURTHEST + 1)
    sums = []
    for clip, sound in zip(clips, bands, strict=True):
        seen = picture_geometry(clip.points, blendshape_face().landmarks)[clip.is_found, 0]
        columns = np.flatnonzero(clip.is_found) / clip.fps * COLUMNS_HZ
        expected = predict_gap(sound)
        told = np.stack([rows_at(expected, columns - lag) for lag in lags], axis=1)
        own = [[len(seen), seen.sum(), (seen**2).sum()], told.sum(axis=0), (told**2).sum(axis=0), seen @ told]
        sums.append(np.concatenate(own))
    of_clips = np.array(sums)
    lag, correlation = _peak(of_clips.sum(axis=0))
    draw = np.random.default_rng(0).integers(0, len(clips), (N_DRAWS, len(clips)))
    low, high = np.percentile([_peak(of_clips[rows].sum(axis=0))[0] for rows in draw], (16, 84))
    to_ms = 1000.0 / COLUMNS_HZ
    return SoundLag(lag * to_ms, float(high - low) / 2 * to_ms, correlation)


def _peak(sums: Float64) -> tuple[float, float]:
    """Return the lag of the best correlation in columns, by a parabola, and that correlation."""
    n, seen, seen_squared = sums[:3]
    told, told_squared, both = np.split(sums[3:], 3)
    spread = (seen_squared / n - (seen / n) ** 2) * (told_squared / n - (told / n) ** 2)
    r = (both / n - seen / n * told / n) / np.sqrt(np.maximum(spread, 1e-18))
    best = int(r.argmax())
    shift = 0.0
    if 0 < best < len(r) - 1:
        bend = r[best - 1] - 2 * r[best] + r[best + 1]
        shift = 0.5 * (r[best - 1] - r[best + 1]) / bend if bend < 0 else 0.0
    return float(best - FURTHEST + shift), float(r[best])


def moved_earlier(clip: LandmarkClip, lag_ms: float) -> LandmarkClip:
    """Return a clip whose picture comes so much earlier; frames that it then lacks count as not found."""
    place = np.arange(len(clip.points)) + lag_ms / 1000.0 * clip.fps
    is_inside = (place >= 0) & (place <= len(clip.points) - 1)
    is_found = rows_at(clip.is_found.astype(np.float64), place) > 1.0 - 1e-6
    return replace(clip, points=rows_at(clip.points, place), is_found=is_found & is_inside)


def in_time(clips: Sequence[LandmarkClip], measured: SoundLag) -> tuple[list[LandmarkClip], SoundLag]:
    """Return a speaker's clips with the lag taken away where it is off, and what was done."""
    if not measured.is_off:
        return list(clips), measured
    return [moved_earlier(clip, measured.lag_ms) for clip in clips], replace(measured, is_corrected=True)
