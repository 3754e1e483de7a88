"""Fit the blendshape face to the landmarks of one speaker's recordings.

In: landmarks of every frame (a camera's picture, MediaPipe's points). Out: 52 activations in [0, 1], head rotation, lip
geometry measured and fitted, a confidence per channel, and the residual in millimetres on a head of natural size.
Bounded least squares on displacements from the speaker's own neutral face, as the paper fits FaceWarehouse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine_build.labels.amplitude import LipAmplitude, measure_amplitude, scaled
from engine_build.labels.blendshape_face import BlendshapeFace, blendshape_face
from engine_build.labels.bounded_least_squares import solve_bounded
from engine_build.labels.channels import CHANNELS
from engine_build.labels.geometry import face_geometry, landmark_geometry
from engine_build.labels.landmark_points import LIPS
from engine_build.labels.observation import UNSEEN, Observation, observation_of
from engine_build.labels.smoothing import fill_gaps, smooth
from engine_build.labels.speaker import displacements, learn_speaker, with_lips_meeting

Float64 = NDArray[np.float64]

N_SKIN_POINTS = 468  # MediaPipe's points above are the irises
# Landmarks of one region err together: about this many of them carry one independent measurement.
POINTS_PER_MEASUREMENT = 4.0
QUIET_SD = 0.01  # a channel that varies less than this did not act in the recordings


@dataclass(frozen=True)
class LandmarkClip:
    """The landmarks of one recording.

    Attributes:
        name: What the recording is called.
        points: float64 [n_frames, n_landmarks, 3] in the order of the face's `landmarks`; picture axes and pixels: x to
            the right, y down, z away from the camera, on the scale of x.
        is_found: bool [n_frames]: whether the face was found.
        fps: Frames per second.
    """

    name: str
    points: Float64
    is_found: NDArray[np.bool_]
    fps: float


@dataclass(frozen=True)
class Residual:
    """Root mean square distance between fitted and measured landmarks, on a head of natural size.

    Attributes:
        face_mm: All skin landmarks that the fit observes.
        lips_mm: The landmarks of the lips.
        neutral_face_mm: The same for the face at rest: what there was to explain.
        neutral_lips_mm: The same for the lips.
    """

    face_mm: float
    lips_mm: float
    neutral_face_mm: float
    neutral_lips_mm: float


@dataclass(frozen=True)
class Labels:
    """Labels of all frames of all recordings, one after the other.

    Attributes:
        clips: Names, in order.
        n_frames: int [n_clips].
        fps: Frames per second.
        activations: float32 [n_frames, 52].
        confidence: float32 [52] in [0, 1]; 0: the recordings say nothing about the channel.
        head_deg: float32 [n_frames, 3]: pitch, yaw, roll relative to the speaker's median.
        geometry: float32 [n_frames, 3], measured, in eye distances.
        geometry_face: float32 [n_frames, 3], of the fitted blendshape face.
        is_valid: bool [n_frames]: the face was found.
        residual: How well the fit explains the landmarks.
        neutral_gap_mm: The speaker's lip gap at rest; over 3 mm says that the mouth never closed.
        amplitude: What the movement of lips and chin was multiplied by; 1 where it was left as it is.
    """

    clips: tuple[str, ...]
    n_frames: NDArray[np.int32]
    fps: float
    activations: NDArray[np.float32]
    confidence: NDArray[np.float32]
    head_deg: NDArray[np.float32]
    geometry: NDArray[np.float32]
    geometry_face: NDArray[np.float32]
    is_valid: NDArray[np.bool_]
    residual: Residual
    neutral_gap_mm: float
    amplitude: LipAmplitude = field(default_factory=LipAmplitude)


def to_face_axes(points: Float64) -> Float64:
    """Turn picture axes (x right, y down, z away) into the face's (x to the subject's left, y up, z to the camera)."""
    return np.asarray(points * np.array([1.0, -1.0, -1.0]))


def fit_clips(
    clips: Sequence[LandmarkClip], face: BlendshapeFace | None = None, has_common_range: bool = False
) -> Labels:
    """Fit all recordings of one speaker.

    Args:
        clips: Recordings of one speaker at one frame rate, each with at least one frame in which a face was found.
        face: The blendshape face; None: the one that ships.
        has_common_range: Bring the range of the speaker's lips to that of a common talker (see `amplitude`).

    Returns:
        Labels of every frame; frames without a face carry interpolated values and are not valid.
    """
    face = face or blendshape_face()
    observation = observation_of(face)
    found = np.concatenate([clip.is_found for clip in clips])
    points = to_face_axes(np.concatenate([fill_gaps(clip.points, clip.is_found) for clip in clips]))
    speaker = learn_speaker(points[found], face)
    measured, head = displacements(points, speaker, face)
    fps = clips[0].fps
    displacement = np.empty_like(measured)
    start = 0
    for clip in clips:
        span = slice(start, start + len(clip.points))
        displacement[span] = smooth(measured[span], fps)
        head[span] = smooth(head[span], fps)
        start = span.stop
    geometry = landmark_geometry(speaker.neutral_mm + displacement, face.landmarks)
    amplitude = measure_amplitude(geometry[found]) if has_common_range else LipAmplitude()
    if has_common_range:
        displacement = scaled(displacement, amplitude, face)
        geometry = landmark_geometry(face.landmark_neutral() + displacement, face.landmarks)
    target = with_lips_meeting(displacement, speaker, face)
    activations = solve_bounded(
        observation.design.T @ observation.design,
        observation.observe(target) @ observation.design,
        observation.ridge,
        observation.sparsity,
    )
    return Labels(
        clips=tuple(clip.name for clip in clips),
        n_frames=np.array([len(clip.points) for clip in clips], dtype=np.int32),
        fps=fps,
        activations=activations.astype(np.float32),
        confidence=channel_confidence(activations[found], target[found], observation),
        head_deg=(head - np.median(head[found], axis=0)).astype(np.float32),
        geometry=geometry.astype(np.float32),
        geometry_face=face_geometry(activations).astype(np.float32),
        is_valid=found,
        residual=residual_of(activations[found], displacement[found], face, observation),
        neutral_gap_mm=speaker.neutral_gap,
        amplitude=amplitude,
    )


def channel_confidence(activations: Float64, displacement_mm: Float64, observation: Observation) -> NDArray[np.float32]:
    """Say how far the landmarks inform each channel: its variance over its variance plus its uncertainty.

    The uncertainty is that of the (unbounded) least-squares estimate, given the fit's own residual. A channel that no
    landmark shows, or that did not act in these recordings, gets 0.

    Args:
        activations: [n_frames, 52].
        displacement_mm: [n_frames, n_landmarks, 3].
        observation: What was observed.

    Returns:
        float32 [52] in [0, 1].
    """
    design = observation.design
    error = observation.observe(displacement_mm) - activations @ design.T
    coordinates = error[:, : -len(observation.pairs)]  # the distances count many times over: no sample of the error
    row_variance = float(np.mean(coordinates**2)) * POINTS_PER_MEASUREMENT
    spread = row_variance * np.diag(np.linalg.inv(design.T @ design + np.diag(observation.ridge)))
    variance = activations.var(axis=0)
    confidence = variance / (variance + spread)
    confidence[activations.std(axis=0) < QUIET_SD] = 0
    confidence[[CHANNELS.index(name) for name in UNSEEN]] = 0
    return np.asarray(confidence.astype(np.float32))


def residual_of(
    activations: Float64, displacement_mm: Float64, face: BlendshapeFace, observation: Observation
) -> Residual:
    """Measure what the fit leaves unexplained, in millimetres."""
    seen = np.flatnonzero((observation.weights.sum(axis=1) > 0) & (face.landmarks < N_SKIN_POINTS))
    lips = face.rows(LIPS)
    offsets = face.landmark_offsets()

    def rms_mm(rows: NDArray[np.int64], is_fitted: bool) -> float:
        error = displacement_mm[:, rows]
        if is_fitted:
            error = error - np.tensordot(activations, offsets[:, rows], axes=1)
        return float(np.sqrt((error**2).sum(axis=2).mean()))

    return Residual(rms_mm(seen, True), rms_mm(lips, True), rms_mm(seen, False), rms_mm(lips, False))
