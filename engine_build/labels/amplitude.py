"""Bring the range of each speaker's lips to that of a common talker, so that a network learns when and not who.

People move their lips by very different amounts: over nine speakers of GRID the gap's 95th percentile is 0.10 to 0.23
eye distances. From the voice nobody hears which of them speaks. What a voice tells is when and how far of the speaker's
own range, so the labels carry that: displacements are multiplied until the speaker's range is the reference's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine_build.labels.blendshape_face import BlendshapeFace
from engine_build.labels.landmark_points import CHIN, CHIN_TIP, LIPS

Float64 = NDArray[np.float64]

# Range from the 5th to the 95th percentile of gap, width and chin, in eye distances: the medians of the nine speakers.
REFERENCE_RANGE = (0.150, 0.072, 0.111)
RANGE_PERCENTILES = (5.0, 95.0)
LEAST_SCALE, MOST_SCALE = 0.6, 1.7  # beyond this the estimate is doubted, not the speaker
LEAST_RANGE = 0.01  # a mouth that moves less than this did not speak


@dataclass(frozen=True)
class LipAmplitude:
    """Factors that bring a speaker's lips to the reference's range.

    Attributes:
        vertical: Of height and depth of lips and chin, from the ranges of gap and chin alike.
        horizontal: Of the width of the lips.
    """

    vertical: float = 1.0
    horizontal: float = 1.0


def measure_amplitude(geometry: Float64) -> LipAmplitude:
    """Estimate the factors from all frames of a speaker.

    Args:
        geometry: [n_frames, 3]: gap, width, chin in eye distances.

    Returns:
        Factors within `LEAST_SCALE` and `MOST_SCALE`; 1 where the mouth hardly moved.
    """
    low, high = np.percentile(geometry, RANGE_PERCENTILES, axis=0)
    span = high - low
    if span[0] < LEAST_RANGE:
        return LipAmplitude()
    gap, width, chin = np.asarray(REFERENCE_RANGE) / np.maximum(span, LEAST_RANGE)
    vertical, horizontal = np.clip([np.sqrt(gap * chin), width], LEAST_SCALE, MOST_SCALE)
    return LipAmplitude(float(vertical), float(horizontal))


def scaled(displacement_mm: Float64, amplitude: LipAmplitude, face: BlendshapeFace) -> Float64:
    """Return displacements [n_frames, n_landmarks, 3] with those of lips and chin brought to the common range."""
    result = displacement_mm.copy()
    rows = face.rows(tuple(dict.fromkeys((*LIPS, *CHIN, CHIN_TIP))))
    result[:, rows] *= np.array([amplitude.horizontal, amplitude.vertical, amplitude.vertical])
    return np.asarray(result)
