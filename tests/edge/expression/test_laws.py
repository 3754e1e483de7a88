"""Laws of moods, gaze and gestures over random speech: they stay in bounds, never jump and never part lips that meet.

The outside oracle of lips is the blendshape face on which the networks are judged (engine_build.labels.geometry).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.config.settings import ExpressionSettings, LifeSettings
from edge.contracts import GESTURES, MOODS
from edge.expression.expression import Expression
from edge.expression.moods import GAP_SLOPES_MM, is_of_mouth, mood_channels
from edge.frames import AUFrame, Float32Array, State
from edge.postprocess.life import Life
from edge.vocabulary import ARKIT_APPLE
from engine_build.evaluation.metrics import CLOSED_GAP_MM
from engine_build.labels.channels import CHANNELS
from engine_build.labels.geometry import face_geometry_mm
from engine_build.network.lip_seal import gap_slopes

EXAMPLES = settings(max_examples=30, deadline=None, derandomize=True)
TO_CHANNELS = [ARKIT_APPLE.index(name) for name in CHANNELS]
OF_MOUTH = np.array([is_of_mouth(name) for name in ARKIT_APPLE])
LIDS = [ARKIT_APPLE.index(f"eyeBlink{side}") for side in ("Left", "Right")]
LOOKS = np.array([name.startswith("eyeLook") for name in ARKIT_APPLE])
SECONDS = 8.0
RATES_HZ = (30.0, 60.0)


def gap_mm(activations: Float32Array) -> Float32Array:
    """Return the gap between the inner lips, [n_frames]."""
    gap: Float32Array = face_geometry_mm(activations[:, TO_CHANNELS])[:, 0]
    return gap


def random_speech(seed: int, n: int, rate_hz: float) -> tuple[Float32Array, Float32Array]:
    """Return a mouth that opens and meets four to seven times a second, float32 [n, 52], and where it speaks [n]."""
    random = np.random.default_rng(seed)
    times_s = np.arange(n) / rate_hz
    faces = np.zeros((n, 52), np.float32)
    syllables = np.abs(np.sin(np.pi * np.cumsum(random.uniform(4, 7, n) / rate_hz)))
    opening = np.clip(syllables * 1.3 - 0.3, 0.0, 1.0)  # shut for a part of each syllable
    size = np.interp(times_s, np.arange(0, SECONDS + 1), random.uniform(0.1, 0.5, round(SECONDS) + 1))
    faces[:, ARKIT_APPLE.index("jawOpen")] = size * opening
    for name, most in (("mouthFunnel", 0.15), ("mouthLowerDownLeft", 0.3), ("mouthLowerDownRight", 0.3),
                       ("mouthUpperUpLeft", 0.2), ("mouthUpperUpRight", 0.2)):  # fmt: skip
        faces[:, ARKIT_APPLE.index(name)] = random.uniform(0, most) * opening
    faces[:, ARKIT_APPLE.index("mouthPressLeft")] = 0.3 * (1 - opening)
    faces[:, ARKIT_APPLE.index("browInnerUp")] = 0.1 + 0.1 * np.sin(times_s)
    speaks = np.interp(times_s, np.arange(0, SECONDS + 1, 2), random.integers(0, 2, round(SECONDS / 2) + 1)) >= 0.5
    faces[~speaks] *= 0.0
    return faces, speaks.astype(np.float32)


def wishes() -> st.SearchStrategy[list[tuple[float, Callable[[Expression], None]]]]:
    """Return what an application may ask for, and when."""
    angle = st.floats(-90, 90)
    ask = st.one_of(
        st.builds(lambda name, amount: lambda e: e.mood(name, amount), st.sampled_from(MOODS), st.floats(0, 1)),
        st.builds(lambda yaw, pitch: lambda e: e.look(yaw, pitch), angle, angle),
        st.just(lambda e: e.look()),
        st.builds(lambda name: lambda e: e.gesture(name), st.sampled_from(GESTURES)),
    )
    return st.lists(st.tuples(st.floats(0, SECONDS), ask), max_size=12)


def played(
    speech: Float32Array,
    speaks: Float32Array,
    rate_hz: float,
    asked: list[tuple[float, Callable[[Expression], None]]],
    start: ExpressionSettings,
    limits: dict[str, float],
) -> tuple[Float32Array, Float32Array]:
    """Return what is shown, [n, 52] and [n, 3]."""
    face = Expression(start, ARKIT_APPLE, limits)
    waiting = sorted(asked, key=lambda item: item[0])
    shown = speech.copy()
    heads = np.zeros((len(shown), 3), np.float32)
    for index, (activations, head_deg) in enumerate(zip(shown, heads, strict=True)):
        while waiting and waiting[0][0] <= index / rate_hz:
            waiting.pop(0)[1](face)
        head_deg[:] = (2 * np.sin(index / rate_hz), 3 * np.cos(index / rate_hz), 0.0)
        face.apply(activations, head_deg, index / rate_hz, float(speaks[index]))
    return shown, heads


@EXAMPLES
@given(st.integers(0, 2**32 - 1), wishes(), st.sampled_from(RATES_HZ), st.sampled_from(MOODS), st.floats(0.2, 1.0))
def test_everything_stays_within_the_limits_of_the_rig(
    seed: int, asked: Any, rate_hz: float, mood: str, eye_limit: float
) -> None:
    speech, speaks = random_speech(seed, round(SECONDS * rate_hz), rate_hz)
    limits = {"default": 1.0, **{name: eye_limit for name in ARKIT_APPLE if name.startswith("eyeLook")}}
    start = ExpressionSettings(mood=mood, head_yaw_deg=25.0, head_pitch_deg=15.0)
    shown, heads = played(speech, speaks, rate_hz, asked, start, limits)
    assert np.isfinite(shown).all()
    assert np.isfinite(heads).all()
    assert shown.min() >= 0.0
    assert shown.max() <= 1.0 + 1e-6
    assert shown[:, LOOKS].max() <= eye_limit + 1e-5
    # speech 3, a look 25 and a shake 13 degrees; and so on
    assert np.all(np.abs(heads).max(axis=0) <= (2 + 15 + 11.01, 3 + 25 + 13.01, 9.01))


@EXAMPLES
@given(st.integers(0, 2**32 - 1), wishes(), st.sampled_from(RATES_HZ), st.sampled_from(MOODS))
def test_nothing_jumps(seed: int, asked: Any, rate_hz: float, mood: str) -> None:
    speech, speaks = random_speech(seed, round(SECONDS * rate_hz), rate_hz)
    shown, heads = played(speech, speaks, rate_hz, asked, ExpressionSettings(mood=mood), {"default": 1.0})
    own = np.abs(np.diff(speech, axis=0))
    added = np.abs(np.diff(shown, axis=0)) - own
    # A mood eases over a second (1.5 a second at most) and gives the mouth to speech within 60 ms. What parts the lips
    # follows the speech's own gap.
    gap_slopes_mm = np.array([abs(GAP_SLOPES_MM.get(name, 0.0)) for name in ARKIT_APPLE])
    follows = (own @ gap_slopes_mm)[:, None] / 3.8 * 0.36 / 3
    mouth = added[:, OF_MOUTH] - follows
    assert mouth.max() * rate_hz <= 1.5 + 0.7 * 2 / 3 / 0.06
    still = ~OF_MOUTH & ~LOOKS
    still[LIDS] = False
    lid_speed = np.pi / 2 / 0.048  # of a blink that shuts within 48 ms
    of_lids = np.array([name.startswith(("eyeWide", "eyeSquint", "cheek")) for name in ARKIT_APPLE])
    assert added[:, still & ~of_lids].max() * rate_hz <= 1.5 + 1e-3
    assert added[:, still & of_lids].max() * rate_hz <= 1.5 + 0.8 * lid_speed
    assert added[:, LIDS].max() * rate_hz <= lid_speed + 1e-3
    saccade = 1.875 * 180 / (0.021 + 0.0022 * 180) / 30  # the fastest, of channels that are 1 at 30 degrees
    assert added[:, LOOKS].max() * rate_hz <= saccade + 0.1 * 1 / 0.1 + 200 / 30
    # A look of 60 degrees to and fro (130 degrees a second) and a shake (150) at once.
    assert np.abs(np.diff(heads, axis=0)).max() * rate_hz <= 300


def test_the_slopes_of_the_gap_are_those_of_the_face() -> None:
    slopes, _ = gap_slopes(ARKIT_APPLE)
    own = np.array([GAP_SLOPES_MM.get(name, 0.0) for name in ARKIT_APPLE])
    assert np.allclose(own[OF_MOUTH], slopes[OF_MOUTH], atol=0.06)


@EXAMPLES
@given(st.integers(0, 2**32 - 1), wishes(), st.sampled_from(RATES_HZ), st.sampled_from(MOODS), st.floats(0, 1))
def test_closed_lips_stay_closed_and_open_ones_open(
    seed: int, asked: Any, rate_hz: float, mood: str, amount: float
) -> None:
    speech, speaks = random_speech(seed, round(SECONDS * rate_hz), rate_hz)
    start = ExpressionSettings(mood=mood, amount=amount)
    shown, _ = played(speech, speaks, rate_hz, asked, start, {"default": 1.0})
    said_mm, shown_mm = gap_mm(speech), gap_mm(shown)
    is_said = speaks > 0
    closed = is_said & (said_mm <= CLOSED_GAP_MM)
    if closed.sum() > 20:
        assert np.mean(shown_mm[closed] <= CLOSED_GAP_MM) >= 0.95
    wide = is_said & (said_mm >= 6.0)
    if wide.sum() > 20:
        assert np.mean(shown_mm[wide] >= 3.5) >= 0.95
        assert np.corrcoef(said_mm[is_said], shown_mm[is_said])[0, 1] > 0.95


@pytest.mark.parametrize("mood", MOODS)
def test_speech_leaves_a_third_of_the_mood_to_the_mouth_and_all_to_the_rest(mood: str) -> None:
    speech = np.zeros((90, 52), np.float32)
    speech[:, ARKIT_APPLE.index("jawOpen")] = 0.2  # 7 mm: open
    shown, _ = played(speech, np.ones(90, np.float32), 30.0, [], ExpressionSettings(mood=mood), {"default": 1.0})
    for name, amount in mood_channels(mood).items():
        expected = amount / 3 if is_of_mouth(name) else amount
        own = 0.2 if name == "jawOpen" else 0.0
        assert shown[-1, ARKIT_APPLE.index(name)] == pytest.approx(own + (1 - own) * expected, abs=1e-5)


@EXAMPLES
@given(st.integers(0, 2**31 - 1), wishes(), st.sampled_from(RATES_HZ))
def test_idle_life_yields(seed: int, asked: Any, rate_hz: float) -> None:
    """Lids shut whole and open whole: no second blink begins in a blink that was asked for, and none in a wink."""
    face = Expression(ExpressionSettings(), ARKIT_APPLE, {"default": 1.0})
    life = Life(LifeSettings(enabled=True), ARKIT_APPLE, seed)
    waiting = sorted(asked, key=lambda item: item[0])
    left, right = [], []
    for index in range(round(SECONDS * rate_hz)):
        while waiting and waiting[0][0] <= index / rate_hz:
            waiting.pop(0)[1](face)
        frame = AUFrame.neutral(52)
        frame.state, frame.capture_time_s = State.SILENCE, index / rate_hz
        life.apply(frame, frame.capture_time_s, not face.is_lids_busy)
        face.apply(frame.activations, frame.head_deg, frame.capture_time_s, 0.0)
        left.append(float(frame.activations[LIDS[0]]))
        right.append(float(frame.activations[LIDS[1]]))
    for lid in (left, right):
        # between two times that a lid is shut it opens: a valley that is not deep would be two blinks in a fight
        peaks = [i for i in range(1, len(lid) - 1) if lid[i] > 0.6 and lid[i] >= lid[i - 1] and lid[i] > lid[i + 1]]
        for one, other in itertools.pairwise(peaks):
            assert min(lid[one:other]) < 0.35


def test_eyes_that_are_held_on_something_stay_on_it_while_the_head_lives() -> None:
    face = Expression(ExpressionSettings(), ARKIT_APPLE, {"default": 1.0})
    life = Life(LifeSettings(enabled=True, sway_deg=5.0), ARKIT_APPLE, 3)
    face.look(10.0, 0.0)
    for index in range(600):
        frame = AUFrame.neutral(52)
        frame.state, frame.capture_time_s = State.LIVE, index / 30
        life.apply(frame, frame.capture_time_s, not face.is_lids_busy)
        face.apply(frame.activations, frame.head_deg, frame.capture_time_s, 1.0)
        if index > 30:
            out, inward = (frame.activations[ARKIT_APPLE.index(f"eyeLook{way}Left")] for way in ("Out", "In"))
            assert 30 * float(out - inward) + float(frame.head_deg[1]) == pytest.approx(10.0, abs=0.01)
