"""Numbers that say how a predicted face follows a true one; pure functions of arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine_build.evaluation.predict import correlation

Float64 = NDArray[np.float64]

LIP_NAMES = ("inner_lip_gap", "mouth_width", "nose_chin")
CLOSING_PHONES = ("P", "B", "M")
OPEN_VOWELS = ("AA", "AE", "AO", "AW", "AY")
ROUND_PHONES = ("UW", "OW", "W", "UH")
CLOSURE_REACH_S = 0.060  # lips must meet at most this far from the closing phone
CLOSED_GAP_MM = 1.0  # lips this close count as met: a landmark's own noise
MAX_LAG_S = 0.2
SILENCE_MARGIN_S = 0.2  # what a face may take to come to rest


@dataclass(frozen=True)
class Span:
    """A phone or a word of one clip.

    Attributes:
        name: "AA", "SIL", or the word.
        start_s: Seconds from the start of the clip.
        end_s: Seconds from the start of the clip.
    """

    name: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class ClipFaces:
    """One clip: what was predicted and what is true, frame by frame.

    Attributes:
        name: Of the clip.
        predicted: [n_frames, n_channels].
        true: [n_frames, n_channels].
        known: [n_frames, n_channels], True where the label says something.
        lips_predicted_mm: [n_frames, 3], of the blendshape face.
        lips_true_mm: [n_frames, 3], of the landmarks, on a head of natural size; NaN where unknown.
        phones: In order; empty where unknown.
    """

    name: str
    predicted: NDArray[np.float32]
    true: NDArray[np.float32]
    known: NDArray[np.bool_]
    lips_predicted_mm: Float64
    lips_true_mm: Float64
    phones: tuple[Span, ...] = ()


def lag_ms(predicted: NDArray[Any], true: NDArray[Any], frame_rate: float) -> float:
    """Return how much later the prediction moves than the truth, by the peak of their correlation (parabola).

    Args:
        predicted: [n_frames].
        true: [n_frames]; NaN where unknown.
        frame_rate: Frames a second.
    """
    reach = round(MAX_LAG_S * frame_rate)
    n = len(true)
    scores = np.array(
        [
            correlation(predicted[max(0, k) : n + min(0, k)], true[max(0, -k) : n + min(0, -k)])
            for k in range(-reach, reach + 1)
        ]
    )
    if not np.isfinite(scores).all():
        return float("nan")
    best = int(scores.argmax())
    shift = 0.0
    if 0 < best < len(scores) - 1:
        before, at, after = scores[best - 1 : best + 2]
        bend = before - 2.0 * at + after
        shift = 0.5 * (before - after) / bend if bend < 0 else 0.0
    return float((best - reach + shift) * 1000.0 / frame_rate)


def lip_metrics(clips: Sequence[ClipFaces], frame_rate: float) -> dict[str, dict[str, float]]:
    """Return r, error in mm (each clip's mean removed, and not), and lag for gap, width and chin."""
    found = {}
    joined = {}
    for i, name in enumerate(LIP_NAMES):
        predicted = [clip.lips_predicted_mm[:, i] for clip in clips]
        true = [clip.lips_true_mm[:, i] for clip in clips]
        p, t = np.concatenate(predicted), np.concatenate(true)
        known = np.isfinite(t)
        if known.sum() < 3:
            continue
        pad = np.full(round(MAX_LAG_S * frame_rate) + 1, np.nan)
        joined = {
            "p": np.concatenate([part for clip in predicted for part in (clip, pad)]),
            "t": np.concatenate([part for clip in true for part in (clip, pad)]),
        }
        moved_p = np.concatenate([clip - clip[np.isfinite(other)].mean() for clip, other in _both(predicted, true)])
        moved_t = np.concatenate([other - np.nanmean(other) for _, other in _both(predicted, true)])
        found[name] = {
            "r": correlation(p, t),
            "error_mm": float(np.abs(p[known] - t[known]).mean()),
            "movement_error_mm": float(np.nanmean(np.abs(moved_p - moved_t))),
            "movement_mm": float(np.nanmean(np.abs(moved_t))),
            "lag_ms": lag_ms(joined["p"], joined["t"], frame_rate),
        }
    return found


def _both(one: Sequence[Float64], other: Sequence[Float64]) -> list[tuple[Float64, Float64]]:
    """Return the pairs of which something is known."""
    return [(a, b) for a, b in zip(one, other, strict=True) if np.isfinite(b).any()]


def channel_metrics(clips: Sequence[ClipFaces], channels: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return r, error, and jitter against the truth's for every channel whose label is known and moves."""
    found = {}
    for i, channel in enumerate(channels):
        p = np.concatenate([clip.predicted[clip.known[:, i], i] for clip in clips])
        t = np.concatenate([clip.true[clip.known[:, i], i] for clip in clips])
        if len(t) < 3 or t.std() < 1e-3:
            continue
        found[channel] = {
            "r": correlation(p, t),
            "rms_error": float(np.sqrt(np.mean((p - t) ** 2))),
            "true_std": float(t.std()),
            "jitter": jitter([clip.predicted[:, i] for clip in clips]),
            "true_jitter": jitter([clip.true[clip.known[:, i], i] for clip in clips]),
        }
    return found


def jitter(series: Sequence[NDArray[Any]]) -> float:
    """Return the mean absolute second difference."""
    parts = [np.abs(np.diff(values, n=2)) for values in series if len(values) > 2]
    return float(np.concatenate(parts).mean()) if parts else float("nan")


def phone_metrics(clips: Sequence[ClipFaces], frame_rate: float) -> dict[str, float]:
    """Return closures at /p b m/, opening at open vowels, rounding at /u o w/, predicted and true.

    Opening and rounding are mean deviations from the mean of all speech, in standard deviations of it.
    """
    counts = {"predicted": [0, 0], "true": [0, 0]}
    opening: dict[str, list[float]] = {"predicted": [], "true": []}
    rounding: dict[str, list[float]] = {"predicted": [], "true": []}
    stacks = {
        "predicted": np.concatenate([clip.lips_predicted_mm for clip in clips]),
        "true": np.concatenate([clip.lips_true_mm for clip in clips]),
    }
    with np.errstate(all="ignore"):
        mean = {side: np.nanmean(values, axis=0) for side, values in stacks.items()}
        spread = {side: np.nanstd(values, axis=0) + 1e-9 for side, values in stacks.items()}
    for clip in clips:
        times = (np.arange(len(clip.predicted)) + 1) / frame_rate
        for side, lips in (("predicted", clip.lips_predicted_mm), ("true", clip.lips_true_mm)):
            rest = np.nanpercentile(lips[:, 0], 5) if np.isfinite(lips[:, 0]).any() else np.nan
            for span in clip.phones:
                if span.name in CLOSING_PHONES:
                    near = (times >= span.start_s - CLOSURE_REACH_S) & (times <= span.end_s + CLOSURE_REACH_S)
                    gaps = lips[near, 0]
                    if np.isfinite(gaps).any():
                        counts[side][1] += 1
                        counts[side][0] += bool(np.nanmin(gaps) <= CLOSED_GAP_MM + (rest if side == "true" else 0.0))
                within = (times >= span.start_s) & (times < span.end_s)
                if span.name in OPEN_VOWELS:
                    opening[side] += list((lips[within, 0] - mean[side][0]) / spread[side][0])
                elif span.name in ROUND_PHONES:
                    rounding[side] += list((mean[side][1] - lips[within, 1]) / spread[side][1])
    found: dict[str, float] = {"n_closing_phones": counts["predicted"][1]}
    for side, (n_met, n) in counts.items():
        if n:
            found[f"closures_{side}"] = n_met / n
    for name, values in (("opening", opening), ("rounding", rounding)):
        for side, numbers in values.items():
            if numbers and np.isfinite(numbers).any():
                found[f"{name}_{side}"] = float(np.nanmean(numbers))
    return found


def silence_activity(clips: Sequence[ClipFaces], channels: Sequence[str], frame_rate: float) -> dict[str, float]:
    """Return the mean activation of mouth and jaw where nobody has spoken for `SILENCE_MARGIN_S`."""
    mouth = [i for i, name in enumerate(channels) if name.startswith(("mouth", "jaw"))]
    predicted, true = [], []
    for clip in clips:
        if not clip.phones:
            continue
        times = (np.arange(len(clip.predicted)) + 1) / frame_rate
        silent = np.zeros(len(times), bool)
        for span in clip.phones:
            if span.name == "SIL":
                silent |= (times >= span.start_s + SILENCE_MARGIN_S) & (times < span.end_s - SILENCE_MARGIN_S)
        predicted.append(clip.predicted[silent][:, mouth])
        true.append(clip.true[silent][:, mouth])
    if not predicted or not sum(len(part) for part in predicted):
        return {}
    return {
        "predicted": float(np.concatenate(predicted).mean()),
        "true": float(np.concatenate(true).mean()),
        "n_frames": float(sum(len(part) for part in predicted)),
    }


def precision_metrics(
    one: Sequence[NDArray[Any]], other: Sequence[NDArray[Any]], clips: Sequence[ClipFaces], channels: Sequence[str]
) -> dict[str, Any]:
    """Return how much a second precision of the same network differs: mean, and the largest loss of r."""
    a, b = np.concatenate(one), np.concatenate(other)
    true = np.concatenate([clip.true for clip in clips])
    known = np.concatenate([clip.known for clip in clips])
    losses: Mapping[str, float] = {
        channel: correlation(a[known[:, i], i], true[known[:, i], i])
        - correlation(b[known[:, i], i], true[known[:, i], i])
        for i, channel in enumerate(channels)
        if known[:, i].any() and true[known[:, i], i].std() > 1e-3
    }
    finite = {name: value for name, value in losses.items() if np.isfinite(value)}
    worst = max(finite, key=lambda name: finite[name]) if finite else ""
    return {
        "mean_difference": float(np.abs(a - b).mean()),
        "largest_difference": float(np.abs(a - b).max()),
        "largest_loss_of_r": finite.get(worst, float("nan")),
        "channel_of_largest_loss": worst,
    }
