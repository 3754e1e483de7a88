"""Measure lips and chin: on the blendshape face from activations, and on landmarks from a picture.

Three distances say what a viewer reads off a mouth: the gap between the inner lips, the mouth's width and the distance
from the tip of the nose to the chin. Both sides of a comparison are measured here, at the same points.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from engine_build.labels.blendshape_face import blendshape_face
from engine_build.labels.landmark_points import (
    CHIN_TIP,
    LEFT_EYE_OUTER,
    LEFT_MOUTH_CORNER,
    LOWER_INNER_LIP,
    NOSE_TIP,
    RIGHT_EYE_OUTER,
    RIGHT_MOUTH_CORNER,
    UPPER_INNER_LIP,
)

Float64 = NDArray[np.float64]

GEOMETRY_NAMES = ("inner_lip_gap", "mouth_width", "nose_chin")
_PAIRS = ((UPPER_INNER_LIP, LOWER_INNER_LIP), (RIGHT_MOUTH_CORNER, LEFT_MOUTH_CORNER), (NOSE_TIP, CHIN_TIP))
_POINTS = tuple(point for pair in _PAIRS for point in pair)


@dataclass(frozen=True)
class _LipReadout:
    neutral_mm: Float64  # [6, 3]
    offsets_mm: Float64  # [52, 6, 3]
    eye_distance_mm: float


@cache
def _readout() -> _LipReadout:
    face = blendshape_face()
    rows = face.rows(_POINTS)
    neutral = face.landmark_neutral()
    right, left = neutral[face.rows((RIGHT_EYE_OUTER, LEFT_EYE_OUTER))]
    return _LipReadout(neutral[rows], face.landmark_offsets()[:, rows], float(np.linalg.norm(left - right)))


def eye_distance_mm() -> float:
    """Return the distance between the outer corners of the eyes of the blendshape face."""
    return _readout().eye_distance_mm


def face_geometry_mm(activations: NDArray[np.floating]) -> Float64:
    """Measure the blendshape face.

    Args:
        activations: [n_frames, 52] in the order of `CHANNELS`, each in [0, 1].

    Returns:
        float64 [n_frames, 3]: inner-lip gap (vertical; 0 where the lips meet or would pass through each other), mouth
        width, nose to chin; millimetres on a head of natural size.
    """
    readout = _readout()
    moved = readout.neutral_mm + np.tensordot(np.asarray(activations, dtype=np.float64), readout.offsets_mm, axes=1)
    upper, lower, right, left, nose, chin = np.moveaxis(moved, 1, 0)
    gap = np.maximum(upper[:, 1] - lower[:, 1], 0.0)
    return np.stack([gap, np.linalg.norm(left - right, axis=1), np.linalg.norm(chin - nose, axis=1)], axis=1)


def face_geometry(activations: NDArray[np.floating]) -> Float64:
    """Return `face_geometry_mm` in distances between the outer eye corners, the unit of landmarks from pictures."""
    return face_geometry_mm(activations) / eye_distance_mm()


def landmark_geometry(points: NDArray[np.floating], landmarks: NDArray[np.integer]) -> Float64:
    """Measure landmarks of a picture.

    Args:
        points: [n_frames, n_landmarks, 3]; with the head's scale removed, or of one size throughout.
        landmarks: [n_landmarks], MediaPipe's number of each.

    Returns:
        float64 [n_frames, 3]: inner-lip gap, mouth width, nose to chin, in median distances of the outer eye corners.
    """
    place = {int(point): row for row, point in enumerate(landmarks)}
    at = {point: np.asarray(points[:, place[point]], dtype=np.float64) for point in _POINTS}
    eyes = np.linalg.norm(points[:, place[LEFT_EYE_OUTER]] - points[:, place[RIGHT_EYE_OUTER]], axis=1)
    return np.stack([np.linalg.norm(at[a] - at[b], axis=1) for a, b in _PAIRS], axis=1) / float(np.median(eyes))


def picture_geometry(points: NDArray[np.floating], landmarks: NDArray[np.integer]) -> Float64:
    """Measure landmarks in the plane of the picture, frame by frame, with the head as it is held.

    The plainest measure: nodding shortens the chin in it, which `landmark_geometry` on aligned points does not show.

    Args:
        points: [n_frames, n_landmarks, 2 or 3] in pixels.
        landmarks: [n_landmarks], MediaPipe's number of each.

    Returns:
        float64 [n_frames, 3]: inner-lip gap, mouth width, nose to chin, in the frame's own distance of the eye corners;
        NaN where no face was found.
    """
    place = {int(point): row for row, point in enumerate(landmarks)}

    def apart(first: int, second: int) -> Float64:
        return np.asarray(np.linalg.norm(points[:, place[first], :2] - points[:, place[second], :2], axis=1))

    eyes = apart(LEFT_EYE_OUTER, RIGHT_EYE_OUTER)
    distances = np.stack([apart(first, second) for first, second in _PAIRS], axis=1)
    return np.where(eyes[:, None] > 0, distances / np.maximum(eyes, 1e-9)[:, None], np.nan)
