"""A look is eyes first, then the head, and ends where it was asked to; a gesture ends where it began."""

from __future__ import annotations

import numpy as np
import pytest

from edge.config.settings import ExpressionSettings
from edge.contracts import GESTURES
from edge.expression.expression import Expression
from edge.expression.gaze import BLINK_FROM_DEG, EYES_ALONE_DEG
from edge.expression.gestures import DURATIONS_S, NOD_DEG, SHAKE_DEG, TILT_DEG
from edge.frames import Float32Array
from edge.vocabulary import ARKIT_APPLE
from tests.edge.expression.faces import Shown, at, play

FULL_DEG = 30.0
LIDS = [at("eyeBlinkLeft"), at("eyeBlinkRight")]


def expression(limits: dict[str, float] | None = None, **settings: float) -> Expression:
    return Expression(ExpressionSettings(**settings), ARKIT_APPLE, limits or {"default": 1.0})  # type: ignore[arg-type]


def eyes_deg(shown: Shown, full_deg: float = FULL_DEG) -> Float32Array:
    """Return pitch and yaw of both eyes, [n, 4], as a rig reads the channels."""
    a = shown.activations
    pitch = [a[:, at(f"eyeLookUp{side}")] - a[:, at(f"eyeLookDown{side}")] for side in ("Left", "Right")]
    left = a[:, at("eyeLookOutLeft")] - a[:, at("eyeLookInLeft")]
    right = a[:, at("eyeLookInRight")] - a[:, at("eyeLookOutRight")]
    return np.stack([*pitch, left, right], axis=1) * np.float32(full_deg)


@pytest.mark.parametrize("rate_hz", [30.0, 60.0])
@pytest.mark.parametrize(
    ("yaw_deg", "pitch_deg"), [(8, 0), (-8, 5), (35, 0), (-45, 0), (0, 25), (0, -28), (50, -20), (-55, 30)]
)
def test_eyes_and_head_together_end_where_they_were_asked_to(rate_hz: float, yaw_deg: float, pitch_deg: float) -> None:
    face = expression()
    face.look(yaw_deg, pitch_deg)
    shown = play(face, 4.0, rate_hz, head=(2.0, -3.0, 4.0))
    eyes = eyes_deg(shown)
    assert np.allclose(eyes[:, 0], eyes[:, 1], atol=1e-4), "both eyes look the same way"
    assert np.allclose(eyes[:, 2], eyes[:, 3], atol=1e-4)
    assert eyes[-1, 0] + shown.head_deg[-1, 0] == pytest.approx(pitch_deg, abs=0.1)
    assert eyes[-1, 2] + shown.head_deg[-1, 1] == pytest.approx(yaw_deg, abs=0.1)
    assert shown.head_deg[-1, 2] == 4.0


def test_small_shifts_are_the_eyes_alone_and_large_ones_the_head_too_but_later() -> None:
    small = expression()
    small.look(EYES_ALONE_DEG - 1, 0.0)
    assert not play(small, 2.0).head_deg.any()
    large = expression()
    large.look(28.0, 0.0)
    shown = play(large, 3.0, 120.0)
    eye, head = eyes_deg(shown)[:, 2], shown.head_deg[:, 1]
    eyes_there = int(np.argmax(eye >= 0.95 * eye.max()))
    head_there = int(np.argmax(head >= 0.5 * head[-1]))
    assert eyes_there / 120 < 0.12, "a saccade of 28 degrees takes 83 ms"
    assert head_there > eyes_there + 0.1 * 120
    assert head[eyes_there] < 0.1 * head[-1]
    assert head[-1] > 10.0
    assert eye[-1] < eye.max() - 10.0, "while the head comes the eyes go back"


def test_the_same_look_at_30_and_at_60_frames_a_second_is_the_same() -> None:
    faces = []
    for rate_hz in (30.0, 60.0):
        face = expression()
        play(face, 0.1, rate_hz)
        face.look(35.0, -15.0)
        face.gesture("nod")
        face.mood("afraid")
        face.gesture("wink")
        faces.append(play(face, 3.0, rate_hz))
    # The wish is taken with the next frame, whose step is the time since the one before: 17 ms apart.
    slow, fast = faces[0], Shown(faces[1].activations[1::2], faces[1].head_deg[1::2])
    settled = round(0.4 * 30)
    assert np.abs(slow.head_deg - fast.head_deg).max() < 1.0
    assert np.abs(slow.activations[settled:] - fast.activations[settled:]).max() < 0.08
    assert np.allclose(slow.activations[-1], fast.activations[-1], atol=0.01)


@pytest.mark.parametrize(("yaw_deg", "n_blinks"), [(BLINK_FROM_DEG - 1, 0), (BLINK_FROM_DEG + 1, 1), (60.0, 1)])
def test_a_large_shift_brings_a_blink_and_a_small_one_none(yaw_deg: float, n_blinks: int) -> None:
    face = expression()
    face.look(yaw_deg, 0.0)
    shut = play(face, 2.0).activations[:, LIDS[0]]
    assert int(np.sum((shut[1:] >= 0.9) & (shut[:-1] < 0.9))) == n_blinks


def test_a_shift_while_a_blink_goes_on_brings_no_second_one() -> None:
    face = expression()
    face.gesture("blink")
    play(face, 0.04)
    face.look(40.0, 0.0)
    shut = play(face, 2.0).activations[:, LIDS[0]]
    assert int(np.sum((shut[1:] >= 0.9) & (shut[:-1] < 0.9))) <= 1


def test_eyes_that_are_limited_let_the_head_go_further() -> None:
    limits = {"default": 1.0, "eyeLookOutLeft": 0.4, "eyeLookInRight": 0.4}
    free, limited = expression(), expression(limits)
    for face in (free, limited):
        face.look(40.0, 0.0)
    of_free, of_limited = play(free, 4.0), play(limited, 4.0)
    assert eyes_deg(of_limited)[:, 2].max() == pytest.approx(12.0, abs=1e-3)
    assert of_limited.head_deg[-1, 1] == pytest.approx(28.0, abs=0.1)
    assert of_free.head_deg[-1, 1] < 25.0


def test_what_is_out_of_reach_is_looked_at_as_far_as_the_rig_goes() -> None:
    face = expression(head_yaw_deg=10.0, head_pitch_deg=5.0)
    face.look(90.0, -90.0)
    shown = play(face, 4.0)
    assert shown.head_deg[-1].tolist() == pytest.approx([-5.0, 10.0, 0.0], abs=0.1)
    assert eyes_deg(shown)[-1].tolist() == pytest.approx([-30, -30, 30, 30], abs=1e-3)


def test_a_rig_with_other_eyes_gets_other_numbers_for_the_same_angle() -> None:
    face = expression(eye_full_deg=20.0)
    face.look(10.0, 0.0)
    assert eyes_deg(play(face, 2.0), full_deg=20.0)[-1, 2] == pytest.approx(10.0, abs=1e-3)


def test_without_angles_the_face_looks_freely_again() -> None:
    face = expression()
    own = np.zeros(52, np.float32)
    own[at("eyeLookUpLeft")] = own[at("eyeLookUpRight")] = 0.1
    face.look(40.0, -20.0)
    held = play(face, 3.0, speech=own)
    assert held.activations[-1, at("eyeLookUpLeft")] == 0.0, "a look is the eyes' only direction"
    face.look()
    back = play(face, 4.0, speech=own)
    assert np.allclose(back.activations[-1], own)
    assert np.allclose(back.head_deg[-1], 0.0)


def test_eyes_stay_on_their_target_through_a_nod() -> None:
    face = expression()
    face.look(5.0, 0.0)
    play(face, 1.0)
    face.gesture("nod")
    shown = play(face, 1.2)
    assert shown.head_deg[:, 0].min() < -9.0
    assert np.allclose(eyes_deg(shown)[:, 0] + shown.head_deg[:, 0], 0.0, atol=0.01)


@pytest.mark.parametrize("rate_hz", [30.0, 60.0])
@pytest.mark.parametrize("name", GESTURES)
def test_a_gesture_ends_where_it_began_in_its_time_at_any_frame_rate(name: str, rate_hz: float) -> None:
    face = expression()
    play(face, 0.1, rate_hz)
    face.gesture(name)
    shown = play(face, 3.0, rate_hz)
    moved = np.abs(shown.head_deg).max(axis=1) + shown.activations.max(axis=1)
    n = round(DURATIONS_S[name] * rate_hz)
    assert moved[: n - 1].max() > 0.9
    assert not moved[n + 1 :].any()


@pytest.mark.parametrize(
    ("name", "axis", "low", "high"),
    [("nod", 0, -NOD_DEG, 0.0), ("shake", 1, -SHAKE_DEG, SHAKE_DEG), ("tilt", 2, 0.0, TILT_DEG)],
)
def test_a_gesture_of_the_head_turns_one_axis_as_far_as_it_says(name: str, axis: int, low: float, high: float) -> None:
    face = expression()
    face.gesture(name)
    head = play(face, 3.0, 120.0).head_deg
    assert not np.delete(head, axis, axis=1).any()
    assert head[:, axis].min() == pytest.approx(low, abs=0.15 * SHAKE_DEG)
    assert head[:, axis].max() == pytest.approx(high, abs=0.15 * SHAKE_DEG)
    assert low - 0.01 <= head[:, axis].min()
    assert head[:, axis].max() <= high + 0.01


def test_a_blink_shuts_both_lids_whole_and_a_wink_the_left_one_alone() -> None:
    for rate_hz in (25.0, 30.0, 60.0):
        blinking, winking = expression(), expression()
        blinking.gesture("blink")
        winking.gesture("wink")
        assert play(blinking, 1.0, rate_hz).activations[:, LIDS].max(axis=0).tolist() == pytest.approx([1, 1], abs=0.02)
        wink = play(winking, 1.0, rate_hz).activations[:, LIDS]
        assert wink.max(axis=0).tolist() == [1.0, 0.0]


def test_a_gesture_asked_for_while_it_goes_on_follows_once() -> None:
    face = expression()
    for _ in range(5):
        face.gesture("nod")
    head = play(face, 4.0).head_deg[:, 0]
    n = round(DURATIONS_S["nod"] * 30)
    assert head[: n + 1].min() < -9
    assert head[n + 1 : 2 * n].min() < -9
    assert not head[2 * n + 2 :].any()


@pytest.mark.parametrize("mood", ["surprised", "afraid", "happy", "angry"])
def test_a_blink_shuts_wide_and_narrow_eyes(mood: str) -> None:
    face = Expression(ExpressionSettings(mood=mood), ARKIT_APPLE, {"default": 1.0})
    play(face, 0.5)
    face.gesture("blink")
    shown = play(face, 0.5).activations
    shut = shown[int(np.argmax(shown[:, LIDS[0]]))]
    assert shut[at("eyeWideLeft")] + shut[at("eyeSquintLeft")] < 0.02
