"""A line drawing of a face that does what the channels say: mouth, lids, gaze, brows, and the turn of the head.

The face looks at the viewer: its left is on the viewer's right. x right, y up, z towards the viewer; the head is a ball
of radius 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edge.watch.canvas import Canvas

Points = NDArray[np.float64]
_ARC = np.linspace(-1.0, 1.0, 13)


def draw_face(
    values: Mapping[str, float], head_deg: Sequence[float], n_columns: int, n_rows: int, is_unicode: bool
) -> Sequence[str]:
    """Return the drawing, one text a row.

    Args:
        values: Activations by ARKit name; a missing one is 0.
        head_deg: Pitch, yaw, roll.
        n_columns: Width in characters.
        n_rows: Height in characters.
        is_unicode: Whether the terminal shows braille.
    """
    canvas = Canvas(n_columns, n_rows)
    turn = rotation(head_deg)
    canvas.polyline(_project(_outline(values), turn))
    canvas.polyline(_project(np.array([[0.0, 0.12, 0.9], [-0.07, -0.14, 1.05], [0.06, -0.16, 1.05]]), turn))
    for side in ("Left", "Right"):
        for line in (*_lids(values, side), _brow(values, side)):
            canvas.polyline(_project(line, turn))
        pupil = _pupil(values, side)
        if pupil is not None:
            canvas.disc(_project(pupil, turn)[0], 0.055)
    for line in _lips(values):
        canvas.polyline(_project(line, turn))
    return canvas.lines(is_unicode)


def rotation(head_deg: Sequence[float]) -> Points:
    """Return the matrix [3, 3] that turns the face.

    Args:
        head_deg: Pitch (up positive), yaw (to its own left positive), roll (to its own right shoulder positive).
    """
    pitch, yaw, roll = np.radians(np.asarray(head_deg, np.float64))
    nod = np.array([[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]])
    shake = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    tilt = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    turn: Points = tilt @ shake @ nod
    return turn


def _project(points: Points, turn: Points) -> Points:
    projected: Points = 0.92 * (points @ turn.T)[:, :2]
    return projected


def _outline(values: Mapping[str, float]) -> Points:
    """Return the outline of the head; the chin falls with the jaw."""
    angle = np.linspace(0.0, 2 * np.pi, 49)
    x, y = 0.8 * np.cos(angle), np.sin(angle)
    is_jaw = y < 0
    x = np.where(is_jaw, x * (1 - 0.18 * y**2) * (1 + 0.08 * values.get("cheekPuff", 0.0)), x)
    y = np.where(is_jaw, y * (0.94 + 0.12 * values.get("jawOpen", 0.0)), y)
    return np.stack([x, y, np.zeros_like(x)], axis=1)


def _pair(values: Mapping[str, float], name: str, side: str) -> float:
    return values.get(name + side, 0.0)


def _eye_opening(values: Mapping[str, float], side: str) -> float:
    """Return the half height of the opening."""
    opening = 1.0 - _pair(values, "eyeBlink", side) - 0.4 * _pair(values, "eyeSquint", side)
    return 0.1 * max(0.0, opening + 0.5 * _pair(values, "eyeWide", side))


def _centre_x(side: str) -> float:
    return 0.33 if side == "Left" else -0.33


def _lids(values: Mapping[str, float], side: str) -> tuple[Points, Points]:
    x = _centre_x(side) + 0.17 * _ARC
    bow = 1 - _ARC**2
    opening = _eye_opening(values, side)
    z = np.full_like(x, 0.8)
    upper = np.stack([x, 0.2 + opening * bow, z], axis=1)
    lower = np.stack([x, 0.2 - (0.6 * opening + 0.02) * bow, z], axis=1)
    return upper, lower


def _pupil(values: Mapping[str, float], side: str) -> Points | None:
    """Return where the eye looks, or None where the lid covers it."""
    if _eye_opening(values, side) < 0.035:
        return None
    outwards = _pair(values, "eyeLookOut", side) - _pair(values, "eyeLookIn", side)
    upwards = _pair(values, "eyeLookUp", side) - _pair(values, "eyeLookDown", side)
    x = _centre_x(side) + 0.1 * outwards * (1 if side == "Left" else -1)
    return np.array([[x, 0.21 + 0.05 * upwards, 0.82]])


def _brow(values: Mapping[str, float], side: str) -> Points:
    """Return a brow; its inner and its outer end move on their own."""
    sign = 1 if side == "Left" else -1
    outer_part = np.linspace(0.0, 1.0, 7)  # 0 at the nose
    x = sign * (0.14 + 0.4 * outer_part)
    inner = 0.14 * values.get("browInnerUp", 0.0) - 0.14 * _pair(values, "browDown", side)
    outer = 0.14 * _pair(values, "browOuterUp", side) - 0.06 * _pair(values, "browDown", side)
    y = 0.4 + 0.07 * np.sin(np.pi * (0.15 + 0.7 * outer_part)) + inner * (1 - outer_part) + outer * outer_part
    return np.stack([x, y, np.full_like(x, 0.8)], axis=1)


def _lips(values: Mapping[str, float]) -> tuple[Points, ...]:
    """Return the inner and the outer line of both lips."""
    get = values.get
    smile = (get("mouthSmileLeft", 0.0) + get("mouthSmileRight", 0.0)) / 2
    frown = (get("mouthFrownLeft", 0.0) + get("mouthFrownRight", 0.0)) / 2
    stretch = (get("mouthStretchLeft", 0.0) + get("mouthStretchRight", 0.0)) / 2
    raised = (get("mouthUpperUpLeft", 0.0) + get("mouthUpperUpRight", 0.0)) / 2
    lowered = (get("mouthLowerDownLeft", 0.0) + get("mouthLowerDownRight", 0.0)) / 2
    rounded = max(get("mouthPucker", 0.0), get("mouthFunnel", 0.0))
    width = 0.3 * (1 - 0.5 * rounded + 0.2 * smile + 0.25 * stretch)
    gap = max(0.0, get("jawOpen", 0.0) - get("mouthClose", 0.0)) * 0.42
    thickness = 0.05 * (1 + 0.8 * rounded) * (1 - 0.7 * max(get("mouthRollLower", 0.0), get("mouthRollUpper", 0.0)))
    x = width * _ARC + 0.1 * (get("mouthLeft", 0.0) - get("mouthRight", 0.0))
    bow = 1 - _ARC**2
    corners = (0.1 * smile - 0.1 * frown) * (1 - bow)
    middle = -0.44 + corners - 0.12 * get("jawOpen", 0.0) * get("mouthClose", 0.0)
    upper = middle + (0.1 * raised + 0.12 * gap) * bow
    lower = middle - (gap + 0.1 * lowered) * bow
    heights = (upper, upper + thickness * bow, lower, lower - 1.2 * thickness * bow)
    z = np.full_like(x, 0.85)
    return tuple(np.stack([x, y, z], axis=1) for y in heights)
