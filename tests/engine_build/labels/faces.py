"""Recordings that never were: a speaker's face moved by known activations, seen by a camera while the head moves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from engine_build.labels.blendshape_face import blendshape_face
from engine_build.labels.channels import CHANNELS
from engine_build.labels.fit import LandmarkClip

FPS = 25.0
PIXELS_PER_MM = 0.8  # as in grid_s1


@dataclass(frozen=True)
class Spoken:
    """A rendered clip and the truth about it."""

    clip: LandmarkClip
    activations: NDArray[np.float64]
    head_deg: NDArray[np.float64]


def speech_curves(n_frames: int, shapes: dict[str, float], seed: int) -> NDArray[np.float64]:
    """Return activations [n_frames, 52]: rest, then random movement of the given shapes up to a peak, then rest."""
    random = np.random.default_rng(seed)
    activations = np.zeros((n_frames, len(CHANNELS)))
    envelope = np.clip(np.minimum(np.arange(n_frames) - 12, n_frames - 13 - np.arange(n_frames)) / 4, 0, 1)
    for name, peak in shapes.items():
        knots = random.uniform(0, 1, n_frames // 4 + 2)
        curve = np.interp(np.arange(n_frames), np.arange(len(knots)) * 4.0, knots)
        for column, channel in enumerate(CHANNELS):
            if channel in (name, f"{name}Left", f"{name}Right"):
                activations[:, column] = peak * curve * envelope
    return activations


def rendered(
    activations: NDArray[np.float64], seed: int = 0, jitter_px: float = 0.0, swing_deg: float = 4.0, name: str = "clip"
) -> Spoken:
    """Show the face with a head that turns, nods, tilts, drifts and comes nearer, in picture axes."""
    random = np.random.default_rng(seed)
    face = blendshape_face()
    points = face.landmark_neutral() + np.tensordot(activations, face.landmark_offsets(), axes=1)
    n_frames = len(points)
    time = np.arange(n_frames)[:, None] / FPS
    waves = np.sin(2 * np.pi * random.uniform(0.1, 0.4, 3) * time + random.uniform(0, 6, 3))
    head_deg = swing_deg * waves * random.uniform(0.3, 1.0, 3)
    # pitch up turns about the left axis backwards, yaw left about the up axis, roll right about the forward axis
    turn = Rotation.from_euler("YXZ", np.stack([head_deg[:, 1], -head_deg[:, 0], head_deg[:, 2]], axis=1), degrees=True)
    turned = np.einsum("nij,nlj->nli", turn.as_matrix(), points)
    scale = PIXELS_PER_MM * (1 + 0.03 * np.sin(time[:, :, None]))
    drift = 10 * np.sin(0.5 * time)
    picture = scale * turned * [1, -1, -1] + np.stack([180 + drift, 144 - drift, 0 * drift], axis=2)
    picture += random.normal(0, jitter_px, picture.shape) if jitter_px else 0
    clip = LandmarkClip(name, picture, np.ones(n_frames, dtype=np.bool_), FPS)
    return Spoken(clip, activations, head_deg)
