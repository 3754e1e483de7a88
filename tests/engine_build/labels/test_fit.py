"""The fit finds what a face was made to do, whoever's face it is and however the head moves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine_build.labels.channels import CHANNELS
from engine_build.labels.fit import Labels, fit_clips
from engine_build.labels.geometry import eye_distance_mm, face_geometry_mm
from tests.engine_build.labels.faces import PIXELS_PER_MM, Spoken, rendered, speech_curves

SPEECH = {"jawOpen": 0.5, "mouthPucker": 0.6, "mouthUpperUp": 0.4, "mouthLowerDown": 0.4, "mouthSmile": 0.3}
GAP, WIDTH, CHIN = range(3)


@pytest.fixture(scope="module")
def spoken() -> list[Spoken]:
    return [rendered(speech_curves(75, SPEECH, seed), seed, jitter_px=0.05, name=f"clip{seed}") for seed in range(8)]


@pytest.fixture(scope="module")
def labels(spoken: list[Spoken]) -> Labels:
    return fit_clips([one.clip for one in spoken])


def truth(spoken: list[Spoken]) -> np.ndarray:
    return np.concatenate([one.activations for one in spoken])


def test_activations_are_in_the_unit_interval_and_head_is_finite(labels: Labels) -> None:
    assert labels.activations.dtype == np.float32
    assert labels.activations.shape == (600, 52)
    assert labels.activations.min() >= 0
    assert labels.activations.max() <= 1
    assert np.isfinite(labels.head_deg).all()


@pytest.mark.parametrize(
    ("name", "least_r", "most_error"),
    # jaw and pucker are the shapes with a signature of their own; lips' raising and lowering share it with the jaw
    [("jawOpen", 0.98, 0.06), ("mouthPucker", 0.9, 0.12), ("mouthUpperUpLeft", 0.85, 0.12)],
)
def test_shapes_that_moved_are_found(
    labels: Labels, spoken: list[Spoken], name: str, least_r: float, most_error: float
) -> None:
    column = CHANNELS.index(name)
    true, found = truth(spoken)[:, column], labels.activations[:, column]
    assert np.corrcoef(true, found)[0, 1] > least_r
    assert np.abs(true - found).mean() < most_error


def test_lip_geometry_of_the_fit_is_that_of_the_true_face(labels: Labels, spoken: list[Spoken]) -> None:
    true, found = face_geometry_mm(truth(spoken)), labels.geometry_face * eye_distance_mm()
    for part, name in enumerate(("gap", "width", "chin")):
        assert np.corrcoef(true[:, part], found[:, part])[0, 1] > 0.97, name


def test_measured_geometry_agrees_with_the_fitted_face(labels: Labels) -> None:
    for part, name in enumerate(("gap", "width", "chin")):
        assert np.corrcoef(labels.geometry[:, part], labels.geometry_face[:, part])[0, 1] > 0.97, name


def test_the_face_at_rest_is_fitted_as_rest(labels: Labels) -> None:
    starts = np.cumsum([0, *labels.n_frames[:-1]])
    at_rest = np.concatenate([labels.activations[start : start + 8] for start in starts])
    mouth = [index for index, name in enumerate(CHANNELS) if name.startswith(("mouth", "jaw"))]
    assert at_rest[:, mouth].mean() < 0.01


def test_head_rotation_is_found_with_its_signs(labels: Labels, spoken: list[Spoken]) -> None:
    true = np.concatenate([one.head_deg for one in spoken])
    error = labels.head_deg - (true - np.median(true, axis=0))
    assert np.abs(error).mean() < 0.5  # degrees, of swings to 4


def test_the_fit_explains_most_of_the_movement(labels: Labels) -> None:
    assert labels.residual.lips_mm < 0.4 * labels.residual.neutral_lips_mm
    assert labels.residual.face_mm < 0.5 * labels.residual.neutral_face_mm


def test_confidence_follows_what_moved_and_what_can_be_seen(labels: Labels) -> None:
    by_name = dict(zip(CHANNELS, labels.confidence, strict=True))
    assert labels.confidence.min() >= 0
    assert labels.confidence.max() <= 1
    assert by_name["jawOpen"] > 0.8
    assert by_name["tongueOut"] == by_name["cheekPuff"] == by_name["mouthDimpleLeft"] == 0
    assert by_name["jawOpen"] > by_name["mouthLowerDownLeft"]


def test_a_gap_that_the_landmarks_leave_between_closed_lips_is_closed() -> None:
    jaw = rendered(speech_curves(150, {"jawOpen": 0.5}, seed=3), seed=3)
    closing = slice(70, 75)
    shut = jaw.activations.copy()
    shut[closing] = 0
    ajar = rendered(shut, seed=3)
    lips = [index for index, point in enumerate(_landmarks()) if point in (13, 82, 81, 312, 311)]
    ajar.clip.points[closing, lips, 1] -= 0.9 * PIXELS_PER_MM  # picture axes: the upper lip stays up by 0.9 mm
    labels = fit_clips([ajar.clip])
    middle = slice(71, 74)
    assert (labels.geometry[middle, GAP] * eye_distance_mm()).min() > 0.6
    assert (labels.geometry_face[middle, GAP] * eye_distance_mm()).max() < 0.5


def _landmarks() -> list[int]:
    from engine_build.labels.landmark_points import LANDMARKS

    return list(LANDMARKS)


def test_frames_without_a_face_are_bridged_and_marked(spoken: list[Spoken]) -> None:
    first = spoken[0].clip
    found = first.is_found.copy()
    found[30:34] = False
    holed = replace(first, is_found=found, points=np.where(found[:, None, None], first.points, 0.0))
    labels = fit_clips([holed, *(one.clip for one in spoken[1:])])
    assert (labels.is_valid[:75] == found).all()
    assert np.isfinite(labels.activations).all()
    jaw = CHANNELS.index("jawOpen")
    assert np.abs(np.diff(labels.activations[28:37, jaw])).max() < 0.3


def test_another_size_of_picture_gives_the_same_labels(spoken: list[Spoken], labels: Labels) -> None:
    larger = [replace(one.clip, points=one.clip.points * 3) for one in spoken]
    np.testing.assert_allclose(fit_clips(larger).activations, labels.activations, atol=2e-3)
