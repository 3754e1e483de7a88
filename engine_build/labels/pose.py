"""Remove the rigid motion of the head from face landmarks, and say what it was.

In: landmarks [n_frames, n_landmarks, 3], x to the subject's left, y up, z to the camera, any unit. Out: the same in the
axes and size of a template, and each frame's scale and rotation. Rests on the orthogonal Procrustes solution (Umeyama,
IEEE PAMI 13(4), 1991) over points that expression hardly moves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Similarity:
    """Per frame: template = scale * (points - centre) @ rotation + target.

    Attributes:
        scale: float64 [n_frames]; n_frames may be 1: the same for every frame.
        rotation: float64 [n_frames, 3, 3]; its columns are the head's left, up and forward axes seen by the camera.
        centre: float64 [n_frames, 3], in the unit of the points.
        target: float64 [3], in the unit of the template.
    """

    scale: Float64
    rotation: Float64
    centre: Float64
    target: Float64

    def apply(self, points: Float64) -> Float64:
        """Carry points [n_frames, n, 3] to the template's axes and unit."""
        turned = np.matmul(points - self.centre[:, None], self.rotation)
        return np.asarray(self.scale[:, None, None] * turned + self.target)


def similarity_to(points: Float64, template: Float64, weights: Float64 | None = None) -> Similarity:
    """Find the rotation, scale and shift that carry each frame's points best to a template.

    Args:
        points: [n_frames, n, 3].
        template: [n, 3].
        weights: [n], how much each point counts; None: all alike.
    """
    weight = np.ones(len(template)) if weights is None else weights
    share = (weight / weight.sum())[:, None]
    centre, target = (points * share).sum(axis=1), (template * share).sum(axis=0)
    from_centre = points - centre[:, None]
    cross = np.matmul(np.swapaxes(from_centre, 1, 2), (template - target) * share)
    left, size, right = np.linalg.svd(cross)
    mirror = np.ones((len(points), 3))
    mirror[:, 2] = np.sign(np.linalg.det(np.matmul(left, right)))
    rotation = np.matmul(left * mirror[:, None], right)
    scale = (size * mirror).sum(axis=1) / np.maximum((from_centre**2 * share).sum(axis=(1, 2)), 1e-12)
    return Similarity(scale, rotation, centre, target)


def mean_shape(points: Float64, rows: NDArray[np.int64], rounds: int = 3) -> Float64:
    """Return the mean of all points with the head held still at the pose of the mean frame.

    Args:
        points: [n_frames, n, 3].
        rows: The points that are rigid with the head.
        rounds: How often to align to the mean of the last round.
    """
    mean = np.asarray(points.mean(axis=0))
    for _ in range(rounds):
        mean = np.asarray(similarity_to(points[:, rows], mean[rows]).apply(points).mean(axis=0))
    return mean


def head_angles_deg(rotation: Float64) -> Float64:
    """Return pitch, yaw and roll of the head as the camera sees it.

    Args:
        rotation: [n_frames, 3, 3] as in `Similarity`.

    Returns:
        float64 [n_frames, 3] degrees: pitch positive: the face turns up; yaw positive: to the subject's left; roll
        positive: the head tilts to the subject's right. The signs of `edge.frames.AUFrame.head_deg`.
    """
    up, forward = rotation[:, :, 1], rotation[:, :, 2]
    pitch = np.arctan2(forward[:, 1], np.hypot(forward[:, 0], forward[:, 2]))
    yaw = np.arctan2(forward[:, 0], forward[:, 2])
    level = np.cross(np.array([0.0, 1.0, 0.0]), forward)
    level /= np.maximum(np.linalg.norm(level, axis=1, keepdims=True), 1e-12)
    roll = -np.arcsin(np.clip(np.einsum("ni,ni->n", up, level), -1, 1))
    return np.asarray(np.degrees(np.stack([pitch, yaw, roll], axis=1)))
