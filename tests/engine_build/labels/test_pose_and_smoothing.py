"""The head's motion is found with its signs, and smoothing shifts nothing in time."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from engine_build.labels.pose import head_angles_deg, similarity_to
from engine_build.labels.smoothing import fill_gaps, smooth

CLOUD = np.random.default_rng(0).normal(size=(20, 3)) * [60, 80, 40]


def test_a_moved_cloud_is_carried_back_onto_itself() -> None:
    turns = Rotation.random(10, random_state=1)
    scales = np.linspace(0.5, 2.0, 10)
    moved = scales[:, None, None] * np.einsum("nij,lj->nli", turns.as_matrix(), CLOUD) + [5, -7, 100]
    found = similarity_to(moved, CLOUD)
    np.testing.assert_allclose(found.apply(moved), np.broadcast_to(CLOUD, moved.shape), atol=1e-9)
    np.testing.assert_allclose(found.scale, 1 / scales, rtol=1e-9)
    np.testing.assert_allclose(found.rotation, turns.as_matrix(), atol=1e-9)


@pytest.mark.parametrize(
    ("axis", "degrees", "component"),
    [
        ([1, 0, 0], -10.0, 0),  # about the axis to the subject's left, y towards -z: the face turns up
        ([0, 1, 0], 10.0, 1),  # about the axis upwards, z towards x: to the subject's left
        ([0, 0, 1], 10.0, 2),  # about the axis to the camera, y towards -x: the crown tilts to the subject's right
    ],
    ids=["pitch up", "yaw left", "roll right"],
)
def test_angles_are_positive_up_left_and_right(axis: list[float], degrees: float, component: int) -> None:
    turn = Rotation.from_rotvec(np.radians(degrees) * np.array(axis, dtype=float))
    angles = head_angles_deg(similarity_to(turn.apply(CLOUD)[None], CLOUD).rotation)[0]
    expected = np.zeros(3)
    expected[component] = 10.0
    np.testing.assert_allclose(angles, expected, atol=1e-6)


def test_a_symmetric_pulse_stays_symmetric_about_its_own_frame() -> None:
    pulse = np.exp(-(((np.arange(41) - 20) / 1.5) ** 2))
    after = smooth(pulse, 25.0)
    assert after.argmax() == 20
    np.testing.assert_allclose(after, after[::-1], atol=1e-12)


def test_the_lag_of_a_random_curve_is_zero() -> None:
    curve = np.cumsum(np.random.default_rng(2).normal(size=500))
    curve -= np.convolve(curve, np.ones(25) / 25, "same")
    after = smooth(curve, 25.0)
    correlation = [np.dot(curve[10:-10], after[10 + lag : len(after) - 10 + lag]) for lag in range(-5, 6)]
    assert int(np.argmax(correlation)) == 5


def test_a_parabola_passes_unchanged_up_to_the_ends() -> None:
    parabola = (np.arange(30.0) - 11) ** 2
    np.testing.assert_allclose(smooth(parabola, 25.0), parabola, atol=1e-9)


@pytest.mark.parametrize("n_frames", [0, 1, 4])
def test_what_is_shorter_than_the_stretch_comes_back(n_frames: int) -> None:
    values = np.arange(float(n_frames))
    np.testing.assert_array_equal(smooth(values, 25.0), values)


def test_gaps_are_bridged_and_ends_held() -> None:
    values = np.array([9.0, 1.0, 9.0, 9.0, 4.0, 9.0])
    known = np.array([False, True, False, False, True, False])
    np.testing.assert_allclose(fill_gaps(values, known), [1, 1, 2, 3, 4, 4])
