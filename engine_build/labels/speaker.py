"""Learn what one speaker's face is like at rest, and express every frame as displacement from it in millimetres.

In: landmarks of all frames of one speaker. Out: displacements on a head of natural size, without head motion, in the
axes of the blendshape face. The neutral face is the median of frames in which the lips are together and hardly move.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine_build.labels.blendshape_face import BlendshapeFace
from engine_build.labels.channels import CHANNELS
from engine_build.labels.landmark_points import (
    LEFT_EYE,
    LEFT_IRIS,
    LIP_RINGS,
    LIPS,
    LOWER_INNER_LIP,
    RIGHT_EYE,
    RIGHT_IRIS,
    RIGID,
    UPPER_INNER_LIP,
)
from engine_build.labels.pose import Similarity, head_angles_deg, mean_shape, similarity_to

Float64 = NDArray[np.float64]

NEUTRAL_GAP_PERCENTILE = 25.0  # speech and its pauses hold the lips together for more than a quarter of the time
# Lips that measure closer than this are together. On grid_s1 (a pixel is 1.25 mm) the landmarks keep 0.4 to 0.9 mm
# (median; 90th percentile 1.2 mm) between the lips at the /p b/ of bin, place, blue, please, by.
LIPS_MEET_MM = 1.2
# Who is never seen with lips closer than this at rest speaks with parted lips: then the narrowest frames are the rest.
PARTED_MM = 3.0
PARTED_GAP_PERCENTILE = 5.0
EYES = ((LEFT_EYE, LEFT_IRIS, "eyeBlinkLeft"), (RIGHT_EYE, RIGHT_IRIS, "eyeBlinkRight"))


@dataclass(frozen=True)
class Speaker:
    """One speaker's face at rest.

    Attributes:
        template: float64 [n_landmarks, 3], the mean shape in the recordings' unit.
        to_face: The similarity that carries the template's axes to those of the blendshape face, millimetres.
        neutral_mm: float64 [n_landmarks, 3], the face at rest in the axes of the blendshape face.
        lid_scale: float64 [2], left and right: lid travel of a full blink over this speaker's open eye.
        neutral_gap: The lip gap of the face at rest, in millimetres; large where the mouth never closed.
    """

    template: Float64
    to_face: Similarity
    neutral_mm: Float64
    lid_scale: Float64
    neutral_gap: float

    @property
    def lips_meet_mm(self) -> float:
        """Gap at which this speaker's lips count as met: that of the landmarks, or of who never closes them."""
        return max(LIPS_MEET_MM, self.neutral_gap)


def learn_speaker(points: Float64, face: BlendshapeFace) -> Speaker:
    """Learn a speaker from all frames in which the face was found.

    Args:
        points: [n_frames, n_landmarks, 3], x to the subject's left, y up, z to the camera; frames in the order of time.
        face: The blendshape face.
    """
    rigid = face.rows(RIGID)
    template = mean_shape(points, rigid)
    still = similarity_to(points[:, rigid], template[rigid]).apply(points)
    upper, lower = face.rows((UPPER_INNER_LIP, LOWER_INNER_LIP))
    gap = np.linalg.norm(still[:, upper] - still[:, lower], axis=1)
    lips = still[:, face.rows(LIPS)]
    speed = np.zeros(len(points))
    speed[1:] = np.linalg.norm(np.diff(lips, axis=0), axis=2).mean(axis=1)
    together = gap <= np.percentile(gap, NEUTRAL_GAP_PERCENTILE)
    at_rest = together & (speed <= np.median(speed[together]))
    for seen in (at_rest, gap <= np.percentile(gap, PARTED_GAP_PERCENTILE)):
        rest = np.median(still[seen], axis=0)
        to_face = similarity_to(rest[None], face.landmark_neutral())
        neutral = to_face.apply(rest[None])[0]
        neutral_gap = float(np.linalg.norm(neutral[upper] - neutral[lower]))
        if neutral_gap <= PARTED_MM:
            break
    return Speaker(template, to_face, neutral, _lid_scale(neutral, face), neutral_gap)


def _lid_scale(neutral_mm: Float64, face: BlendshapeFace) -> Float64:
    """Compare a full blink's travel with the speaker's open eye; people's eyes differ more than their faces."""
    offsets = face.landmark_offsets()
    scales = []
    for (over, under), _, blink in EYES:
        upper, lower = face.rows(over)[2:-2], face.rows(under)[2:-2]
        open_mm = (neutral_mm[upper, 1] - neutral_mm[lower, 1]).mean()
        travel = offsets[CHANNELS.index(blink)][:, 1]
        scales.append((travel[lower] - travel[upper]).mean() / max(open_mm, 2.0))
    return np.array(scales)


def displacements(points: Float64, speaker: Speaker, face: BlendshapeFace) -> tuple[Float64, Float64]:
    """Express frames as displacement from the speaker's neutral face.

    Args:
        points: [n_frames, n_landmarks, 3], axes as in `learn_speaker`.
        speaker: Who speaks.
        face: The blendshape face.

    Returns:
        displacement [n_frames, n_landmarks, 3] in millimetres, and the head's pitch, yaw, roll [n_frames, 3] in degrees
        towards the camera. Lids are scaled so that a closed eye is a full blink; irises are relative to their eye.
    """
    rigid = face.rows(RIGID)
    pose = similarity_to(points[:, rigid], speaker.template[rigid])
    displacement = speaker.to_face.apply(pose.apply(points)) - speaker.neutral_mm
    for (eye, iris, _), scale in zip(EYES, speaker.lid_scale, strict=True):
        corners = displacement[:, face.rows((eye[0][0], eye[0][-1]))].mean(axis=1, keepdims=True)
        margin = face.rows(tuple({*eye[0], *eye[1]}))
        displacement[:, margin] = (displacement[:, margin] - corners) * scale
        displacement[:, face.rows(iris)] -= corners
    towards_face = np.matmul(pose.rotation, speaker.to_face.rotation)
    return displacement, head_angles_deg(towards_face)


def with_lips_meeting(displacement_mm: Float64, speaker: Speaker, face: BlendshapeFace) -> Float64:
    """Take the landmarks' residual gap out of the inner lips, half from above and half from below.

    Args:
        displacement_mm: [n_frames, n_landmarks, 3].
        speaker: Who speaks.
        face: The blendshape face.

    Returns:
        A copy in which the inner lips open from zero, `Speaker.lips_meet_mm` later than measured.
    """
    closed = displacement_mm.copy()
    upper, lower = (face.rows(half[1:-1]) for half in LIP_RINGS[-1])
    opening = displacement_mm[:, upper, 1] - displacement_mm[:, lower, 1]
    gap = opening + speaker.neutral_mm[upper, 1] - speaker.neutral_mm[lower, 1]
    excess = opening - np.maximum(gap - speaker.lips_meet_mm, 0.0)
    closed[:, upper, 1] -= excess / 2
    closed[:, lower, 1] += excess / 2
    return np.asarray(closed)
