"""What a difference of activations means for the mouth that is seen: millimetres of lip gap, width and chin.

Source: the blendshape face that the labels were made with (MakeHuman, CC0, natural size); how far its inner-lip gap,
mouth width and nose-to-chin distance move, in mm, when one activation goes from 0 to 1. They add up nearly linearly.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge.frames import Float32Array

NAMES = ("lip_gap_mm", "mouth_width_mm", "nose_chin_mm")
_BOTH_SIDES = {
    "mouthSmile": (-1.4, 7.4, -0.28),
    "mouthFrown": (0.1, 1.1, 0.0),
    "mouthDimple": (0.25, 5.3, 0.0),
    "mouthStretch": (0.3, 5.3, 0.0),
    "mouthPress": (-1.2, 5.9, 0.09),
    "mouthLowerDown": (1.9, 0.1, -0.28),
    "mouthUpperUp": (2.5, -0.4, 0.0),
}
_MM_PER_ACTIVATION = {
    "jawForward": (1.4, 0.0, -1.68),
    "jawLeft": (0.0, 1.5, -0.85),
    "jawRight": (0.0, 1.5, -0.85),
    "jawOpen": (34.8, -4.4, 30.15),
    "mouthClose": (-34.8, 5.0, 0.0),
    "mouthFunnel": (13.1, -5.8, -2.13),
    "mouthPucker": (-2.4, -8.4, -0.74),
    "mouthLeft": (-1.4, -0.8, -0.28),
    "mouthRight": (-1.4, -0.8, -0.28),
    "mouthRollLower": (-3.2, 0.0, -1.5),
    "mouthRollUpper": (-1.2, 0.2, -2.11),
    "mouthShrugLower": (-5.0, -0.2, 0.09),
    "mouthShrugUpper": (3.5, 0.0, 0.0),
    "cheekPuff": (-1.2, -6.2, 0.0),
    **{f"{name}{side}": mm for name, mm in _BOTH_SIDES.items() for side in ("Left", "Right")},
}


def lip_geometry(activations: Float32Array, channels: Sequence[str]) -> Float32Array:
    """Return the mouth's measures relative to rest.

    Args:
        activations: float32 [n_frames, n_channels].
        channels: Their names; those that do not move the mouth count nothing.

    Returns:
        float32 [n_frames, 3], in the order of `NAMES`; the gap does not close beyond 0.
    """
    table = np.array([_MM_PER_ACTIVATION.get(name, (0.0, 0.0, 0.0)) for name in channels], np.float32)
    geometry: Float32Array = np.asarray(activations, np.float32) @ table
    geometry[:, 0] = np.maximum(geometry[:, 0], 0)
    return geometry
