"""How a mouth follows a filmed one: agreement, lag, closures, silence. Pure functions; none knows whose mouth it is.

Nothing here depends on the unit of a curve: programs differ in it. Lips count as met where a curve has come down to a
small part of what it opens in speech; which part is chosen on the filmed lips, where it tells closures from other
places best, and is then the same for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

CLOSING = ("P", "B", "M")
NEAR_CLOSING = (*CLOSING, "F", "V", "W", "SIL")  # where lips come together without meeting, or may do as they like
CLOSURE_REACH_S = 0.040
OPEN_PERCENTILE = 90
LOW_PERCENTILE = 1
MET_SHARES = tuple(round(0.05 * step, 2) for step in range(1, 9))
SILENCE_MARGIN_S = 0.2
SHIFTS_S = tuple(round(0.01 * step, 2) for step in range(-20, 31))
CURVES = ("gap", "width", "chin")


@dataclass(frozen=True)
class Phone:
    """A phone, or SIL, with its times in the clip."""

    name: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class TrueClip:
    """A filmed clip.

    Attributes:
        name: Of the clip.
        speaker: Who speaks.
        times_s: [n], of the pictures.
        lips: [n, 3]: gap, width, chin; NaN where no face was found.
        phones: All phones, silences included.
    """

    name: str
    speaker: str
    times_s: Float64
    lips: Float64
    phones: tuple[Phone, ...]

    @property
    def is_spoken(self) -> NDArray[np.bool_]:
        """Return [n]: whether a picture lies within words."""
        spoken = np.zeros(len(self.times_s), bool)
        for phone in self.phones:
            if phone.name != "SIL":
                spoken |= (self.times_s >= phone.start_s) & (self.times_s < phone.end_s)
        return spoken

    @property
    def is_silent(self) -> NDArray[np.bool_]:
        """Return [n]: whether nobody has spoken for a while, nor does at once."""
        silent = np.zeros(len(self.times_s), bool)
        for phone in self.phones:
            if phone.name == "SIL":
                silent |= (self.times_s >= phone.start_s + SILENCE_MARGIN_S) & (
                    self.times_s < phone.end_s - SILENCE_MARGIN_S
                )
        return silent

    def closures(self) -> list[tuple[float, float]]:
        """Return where lips must meet: /p b m/ after another sound, from reach to reach."""
        return [
            (phone.start_s - CLOSURE_REACH_S, phone.end_s + CLOSURE_REACH_S)
            for before, phone in zip(self.phones, self.phones[1:], strict=False)
            if phone.name in CLOSING and before.name not in ("SIL", *CLOSING)
        ]

    def other_places(self) -> list[tuple[float, float]]:
        """Return where lips need not meet: stretches as long, around phones with no closing one near."""
        found = []
        for phone in self.phones:
            stretch = (phone.start_s - CLOSURE_REACH_S, phone.end_s + CLOSURE_REACH_S)
            near = [other for other in self.phones if other.end_s > stretch[0] and other.start_s < stretch[1]]
            if not any(other.name in NEAR_CLOSING for other in near):
                found.append(stretch)
        return found


def agreement(true: Sequence[Float64], shown: Sequence[Float64]) -> float:
    """Return Pearson's r over clips that are joined, where the truth is known; NaN where something does not move."""
    a, b = np.concatenate(true), np.concatenate(shown)
    known = np.isfinite(a) & np.isfinite(b)
    a, b = a[known], b[known]
    if len(a) < 3 or a.std() < 1e-9 or b.std() < 1e-9:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def resampled_agreement(true: Sequence[Float64], shown: Sequence[Float64], draws: NDArray[np.int64]) -> Float64:
    """Return r, [n_draws], for clips that are drawn again.

    Args:
        true: One curve a clip.
        shown: The same.
        draws: [n_draws, n_clips], how often each clip is taken.
    """
    sums = []
    for a, b in zip(true, shown, strict=True):
        known = np.isfinite(a) & np.isfinite(b)
        a, b = a[known], b[known]
        sums.append([len(a), a.sum(), b.sum(), (a * a).sum(), (b * b).sum(), (a * b).sum()])
    n, sum_a, sum_b, sum_aa, sum_bb, sum_ab = (draws.astype(np.float64) @ np.array(sums)).T
    with np.errstate(all="ignore"):
        together = sum_ab - sum_a * sum_b / n
        r: Float64 = together / np.sqrt((sum_aa - sum_a**2 / n) * (sum_bb - sum_b**2 / n))
    return r


def met_share(curve: Float64, low: float, open_: float) -> float:
    """Return how far a stretch stays open at its least, of what it opens in speech; 0 where it comes to its least."""
    return float((np.min(curve) - low) / max(open_ - low, 1e-9))


def openness(clips: Sequence[TrueClip], gaps: Sequence[Float64]) -> tuple[float, float]:
    """Return what counts as shut and as open: two percentiles of a speaker's gap within words."""
    spoken = np.concatenate([gap[clip.is_spoken] for clip, gap in zip(clips, gaps, strict=True)])
    spoken = spoken[np.isfinite(spoken)]
    return float(np.percentile(spoken, LOW_PERCENTILE)), float(np.percentile(spoken, OPEN_PERCENTILE))


def least_openings(clips: Sequence[TrueClip], gaps: Sequence[Float64]) -> tuple[list[float], list[float]]:
    """Return the least opening at each closure and at each other place, as shares (see `met_share`)."""
    low, open_ = openness(clips, gaps)
    found: tuple[list[float], list[float]] = ([], [])
    for clip, gap in zip(clips, gaps, strict=True):
        for into, stretches in zip(found, (clip.closures(), clip.other_places()), strict=True):
            for start_s, end_s in stretches:
                part = gap[(clip.times_s >= start_s) & (clip.times_s <= end_s)]
                part = part[np.isfinite(part)]
                if len(part):
                    into.append(met_share(part, low, open_))
    return found


def best_met_share(closures: Sequence[float], others: Sequence[float]) -> float:
    """Return the share below which filmed lips count as met: where closures and other places differ most."""
    return max(MET_SHARES, key=lambda share: np.mean(np.array(closures) <= share) - np.mean(np.array(others) <= share))


def silence_left(clips: Sequence[TrueClip], gaps: Sequence[Float64]) -> float:
    """Return the mean opening in silence, of what the mouth opens in speech."""
    low, open_ = openness(clips, gaps)
    silent = np.concatenate([gap[clip.is_silent] for clip, gap in zip(clips, gaps, strict=True)])
    silent = silent[np.isfinite(silent)]
    return float(np.mean(silent - low) / max(open_ - low, 1e-9)) if len(silent) else float("nan")


def fit_table(clips: Sequence[TrueClip], weights: Sequence[Float64], ridge: float = 1.0) -> Float64:
    """Return the table, [n_shapes + 1, 3], that brings weights of shapes nearest to filmed lips within words.

    Args:
        clips: The truth.
        weights: [n, n_shapes] at the times of each clip's pictures.
        ridge: Pull towards zero, in frames: for shapes that hardly occur.
    """
    rows = np.concatenate([part[clip.is_spoken] for clip, part in zip(clips, weights, strict=True)])
    true = np.concatenate([clip.lips[clip.is_spoken] for clip in clips])
    known = np.isfinite(true).all(axis=1)
    rows, true = rows[known], true[known]
    middle, wanted = rows.mean(axis=0), true.mean(axis=0)
    moved = rows - middle
    table = np.linalg.solve(moved.T @ moved + ridge * np.eye(rows.shape[1]), moved.T @ (true - wanted))
    return np.concatenate([table, (wanted - middle @ table)[None]])
