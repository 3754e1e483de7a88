"""Say which landmarks inform the fit, how strongly, and how far each shape may be trusted to explain them.

The fit compares displacements from the speaker's neutral face with those of the blendshape face, both in millimetres.
Here they become one row of numbers per frame: every landmark's coordinates, weighted, and the three distances a viewer
reads off a mouth (lip gap, mouth width, nose to chin), weighted so that the fit cannot trade them away.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine_build.labels.blendshape_face import BlendshapeFace
from engine_build.labels.channels import CHANNELS
from engine_build.labels.landmark_points import (
    CHIN,
    CHIN_TIP,
    LEFT_BROW,
    LEFT_EYE,
    LEFT_IRIS,
    LEFT_MOUTH_CORNER,
    LIP_RINGS,
    LIPS,
    LOWER_INNER_LIP,
    NOSE_TIP,
    RIGHT_BROW,
    RIGHT_EYE,
    RIGHT_IRIS,
    RIGHT_MOUTH_CORNER,
    UPPER_INNER_LIP,
)

Float64 = NDArray[np.float64]

DEPTH_TRUST = 0.4  # a single camera guesses depth: on grid_s1 it explains about a third of what height and width do
CHEEKS = (36, 50, 101, 187, 205, 266, 280, 330, 411, 425)
NOSTRILS = (48, 64, 98, 278, 294, 327)
# (points, weights of x, y, z). Later entries override earlier ones.
POINT_WEIGHTS: tuple[tuple[tuple[int, ...], tuple[float, float, float]], ...] = (
    (CHEEKS, (0.4, 0.4, 0.2)),
    (NOSTRILS, (0.6, 0.6, 0.2)),
    ((*LEFT_BROW, *RIGHT_BROW), (0.8, 0.8, 0.2)),
    (tuple(point for half in (*LEFT_EYE, *RIGHT_EYE) for point in half), (0.3, 1.0, 0.2)),
    ((*LEFT_IRIS, *RIGHT_IRIS), (1.0, 1.0, 0.0)),
    (CHIN, (0.8, 0.8, 0.8 * DEPTH_TRUST)),
    (LIPS, (1.0, 1.0, DEPTH_TRUST)),
    ((*LIP_RINGS[3][0], *LIP_RINGS[3][1]), (1.5, 1.5, 1.5 * DEPTH_TRUST)),
    ((RIGHT_MOUTH_CORNER, LEFT_MOUTH_CORNER, CHIN_TIP), (2.0, 2.0, 2.0 * DEPTH_TRUST)),
)
# (point, point, axis, weight): the difference along one axis counts by itself.
DISTANCES: tuple[tuple[int, int, int, float], ...] = (
    (UPPER_INNER_LIP, LOWER_INNER_LIP, 1, 20.0),
    (LEFT_MOUTH_CORNER, RIGHT_MOUTH_CORNER, 0, 8.0),
    (NOSE_TIP, CHIN_TIP, 1, 3.0),
)

RIDGE_MM2 = 30.0  # pull to zero, as mm^2 of weighted error at full activation: small against a mouth's 1e4 to 1e5
SPARSITY_MM2 = 5.0
# What landmarks cannot tell apart is explained as a talker does it: a shape that seldom acts in speech, or that noise
# imitates, pays this many times the usual price, and those that open the lips beside the jaw less. In an ARKit capture
# of a talker mouthClose, rolls, press and shrugs rest half of the time, LowerDown, UpperUp and Funnel reach 0.4.
CAUTION: dict[str, float] = {
    **dict.fromkeys(("jawLeft", "jawRight", "mouthLeft", "mouthRight", "jawForward"), 20.0),
    **dict.fromkeys(("mouthDimpleLeft", "mouthDimpleRight"), 20.0),
    **dict.fromkeys(("mouthShrugUpper", "mouthShrugLower", "mouthFrownLeft", "mouthFrownRight"), 10.0),
    **dict.fromkeys(("mouthPressLeft", "mouthPressRight"), 8.0),
    **dict.fromkeys(("cheekSquintLeft", "cheekSquintRight", "noseSneerLeft", "noseSneerRight"), 4.0),
    **dict.fromkeys(("mouthClose", "mouthRollUpper", "mouthRollLower"), 3.0),
    **dict.fromkeys(("mouthLowerDownLeft", "mouthLowerDownRight"), 0.5),
    "mouthFunnel": 0.3,
}
# No landmark shows these: the tongue has none, and puffed cheeks move in depth only.
UNSEEN = ("tongueOut", "cheekPuff")


@dataclass(frozen=True)
class Observation:
    """How a displaced face becomes a row of numbers, for the speaker and for the blendshape face alike.

    Attributes:
        weights: float64 [n_landmarks, 3].
        pairs: int [n_distances, 3]: landmark row, landmark row, axis.
        pair_weights: float64 [n_distances].
        design: float64 [n_rows, 52]: the observed offset of each shape.
        ridge: float64 [52].
        sparsity: float64 [52].
    """

    weights: Float64
    pairs: NDArray[np.int64]
    pair_weights: Float64
    design: Float64
    ridge: Float64
    sparsity: Float64

    def observe(self, displacement_mm: Float64) -> Float64:
        """Return the observed rows [n_frames, n_rows] of displacements [n_frames, n_landmarks, 3]."""
        return _observe(displacement_mm, self.weights, self.pairs, self.pair_weights)


def _observe(displacement_mm: Float64, weights: Float64, pairs: NDArray[np.int64], pair_weights: Float64) -> Float64:
    coordinates = (displacement_mm * weights).reshape(len(displacement_mm), -1)[:, weights.ravel() > 0]
    first, second, axis = pairs.T
    distances = displacement_mm[:, first, axis] - displacement_mm[:, second, axis]
    return np.concatenate([coordinates, distances * pair_weights], axis=1)


def observation_of(face: BlendshapeFace) -> Observation:
    """Build the observation of a blendshape face."""
    weights = np.zeros((len(face.landmarks), 3))
    for points, weight in POINT_WEIGHTS:
        weights[face.rows(points)] = weight
    pairs = np.array([[*face.rows((first, second)), axis] for first, second, axis, _ in DISTANCES])
    pair_weights = np.array([weight for *_, weight in DISTANCES])
    offsets = face.landmark_offsets()
    offsets[[CHANNELS.index(name) for name in UNSEEN]] = 0
    caution = np.array([CAUTION.get(name, 1.0) for name in CHANNELS])
    design = _observe(offsets, weights, pairs, pair_weights).T
    return Observation(weights, pairs, pair_weights, design, RIDGE_MM2 * caution, SPARSITY_MM2 * caution)
