"""Write and read label files: one `.npz` per corpus, frames of all recordings one after the other.

Keys: version, clips [K], n_frames [K], fps, channels [52] (Apple's order), activations [N, 52] in [0, 1], confidence
[52] in [0, 1] (0: masked), head_deg [N, 3] (pitch up, yaw to the speaker's left, roll to the right), geometry [N, 3]
and geometry_face [N, 3] (inner-lip gap, mouth width, nose to chin, in eye distances; measured, and on the fitted face),
valid [N], residual_mm [4] (face, lips; the same of the face at rest). NaN stands for what was not measured; a corpus
without head rotation has no head_deg.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine_build.labels.channels import CHANNELS
from engine_build.labels.fit import Labels, Residual
from engine_build.labels.geometry import face_geometry

LABEL_VERSION = 3


def symmetrised(labels: Labels) -> Labels:
    """Average left and right, and drop what moves the face to one side.

    Speech is all but symmetric: what one speaker does on one side is habit, and noise. To first order lip gap, mouth
    width and chin stay as they are, since the face's left and right shapes mirror each other.
    """
    activations, confidence = labels.activations.copy(), labels.confidence.copy()
    for index, name in enumerate(CHANNELS):
        twin = name[:-4] + "Right" if name.endswith("Left") else ""
        if name in ("jawLeft", "mouthLeft"):
            for side in (index, CHANNELS.index(twin)):
                activations[:, side], confidence[side] = 0, 0
        elif twin and "Look" not in name:
            pair = [index, CHANNELS.index(twin)]
            activations[:, pair] = activations[:, pair].mean(axis=1, keepdims=True)
            confidence[pair] = confidence[pair].max()
    return replace(
        labels,
        activations=activations,
        confidence=confidence,
        geometry_face=face_geometry(activations).astype(np.float32),
    )


def masked(labels: Labels, prefixes: tuple[str, ...]) -> Labels:
    """Set the confidence of every channel whose name starts with one of the prefixes to 0."""
    confidence = labels.confidence.copy()
    confidence[[name.startswith(prefixes) for name in CHANNELS]] = 0
    return replace(labels, confidence=confidence)


def joined(parts: Sequence[Labels]) -> Labels:
    """Put the labels of several speakers one after the other; all have one frame rate.

    Confidence is the mean over speakers by the number of their frames, the residual its root mean square.
    """
    weight = np.array([part.is_valid.sum() for part in parts], dtype=np.float64)
    share = weight / weight.sum()
    residuals = np.sqrt(share @ (np.array([astuple(part.residual) for part in parts]) ** 2))
    return Labels(
        clips=tuple(clip for part in parts for clip in part.clips),
        n_frames=np.concatenate([part.n_frames for part in parts]),
        fps=parts[0].fps,
        activations=np.concatenate([part.activations for part in parts]),
        confidence=(share @ np.stack([part.confidence for part in parts])).astype(np.float32),
        head_deg=np.concatenate([part.head_deg for part in parts]),
        geometry=np.concatenate([part.geometry for part in parts]),
        geometry_face=np.concatenate([part.geometry_face for part in parts]),
        is_valid=np.concatenate([part.is_valid for part in parts]),
        residual=Residual(*residuals.tolist()),
        neutral_gap_mm=max(part.neutral_gap_mm for part in parts),
    )


def write_labels(path: Path, labels: Labels, more: Mapping[str, NDArray[np.generic]] | None = None) -> None:
    """Write a label file; it appears complete or not at all.

    Args:
        path: Where to (`.npz`).
        labels: What to write.
        more: Further arrays under their keys.

    Raises:
        OSError: The disk is full or the folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}.part.npz")
    arrays: dict[str, Any] = {
        "version": np.array(LABEL_VERSION),
        "clips": np.array(labels.clips),
        "n_frames": labels.n_frames,
        "fps": np.array(labels.fps),
        "channels": np.array(CHANNELS),
        "activations": labels.activations,
        "confidence": labels.confidence,
        "geometry": labels.geometry,
        "geometry_face": labels.geometry_face,
        "valid": labels.is_valid,
        "residual_mm": np.array(astuple(labels.residual)),
        **(more or {}),
    }
    if np.isfinite(labels.head_deg).any():
        arrays["head_deg"] = labels.head_deg
    try:
        np.savez_compressed(part, **arrays)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
