"""The object that an application talks to: what it takes, what it refuses, when the face follows."""

from __future__ import annotations

import sys
import threading
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from edge.config.settings import ExpressionSettings, section_options
from edge.contracts import GESTURES, MOODS, Expressive, FrameStage, LidsKept
from edge.errors import ConfigurationError
from edge.expression.expression import REST_S, WAKE_S, Expression
from edge.expression.moods import EASE_S, mood_channels
from edge.expression.stage import Expressing
from edge.frames import AUFrame, Float32Array, State
from edge.vocabulary import ARKIT_APPLE
from tests.edge.expression.faces import at, play


def expression(**settings: object) -> Expression:
    return Expression(ExpressionSettings(**settings), ARKIT_APPLE, {"default": 1.0})  # type: ignore[arg-type]


def test_it_is_what_the_contracts_promise() -> None:
    face = expression()
    assert isinstance(face, Expressive)
    assert isinstance(face, LidsKept)
    assert isinstance(Expressing(face), FrameStage)
    assert section_options(ExpressionSettings)["mood"].choices == MOODS


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda face: face.mood("hapy"), ["'hapy'", "Did you mean 'happy'", *MOODS]),
        (lambda face: face.mood(""), list(MOODS)),
        (lambda face: face.mood("happy", 1.01), ["1.01", "0 to 1"]),
        (lambda face: face.mood("happy", -0.1), ["0 to 1"]),
        (lambda face: face.mood("happy", float("nan")), ["nan"]),
        (lambda face: face.gesture("nodd"), ["Did you mean 'nod'", *GESTURES]),
        (lambda face: face.look(10.0), ["pitch is None"]),
        (lambda face: face.look(91.0, 0.0), ["yaw is 91", "90"]),
        (lambda face: face.look(0.0, float("nan")), ["pitch is nan"]),
        (lambda face: face.look(float("inf"), 0.0), ["yaw is inf"]),
    ],
    ids=["near", "empty", "much", "negative", "nan", "gesture", "half a look", "far", "nan look", "inf look"],
)
def test_what_there_is_not_is_refused_with_what_there_is_and_changes_nothing(
    ask: Callable[[Expression], None], words: list[str]
) -> None:
    face = expression()
    with pytest.raises(ConfigurationError) as caught:
        ask(face)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert not play(face, 1.5).activations.any()


@pytest.mark.parametrize("rate_hz", [25.0, 30.0, 60.0, 120.0])
@pytest.mark.parametrize("mood", MOODS)
def test_a_mood_is_there_after_a_second_and_stays_at_any_frame_rate(mood: str, rate_hz: float) -> None:
    face = expression()
    play(face, 0.1, rate_hz)
    face.mood(mood, 0.5)
    shown = play(face, 3.0, rate_hz).activations
    wanted = np.array([0.5 * mood_channels(mood).get(name, 0.0) for name in ARKIT_APPLE])
    after = round((EASE_S + 0.05) * rate_hz)
    assert np.allclose(shown[after:], wanted, atol=1e-5)
    half = shown[round(EASE_S / 2 * rate_hz)]
    assert np.allclose(half, wanted / 2, atol=0.03), "half of it after half the time, whatever the rate"


def test_the_mood_of_the_configuration_is_there_from_the_first_frame() -> None:
    first = play(expression(mood="happy", amount=0.5), 0.04).activations[0]
    assert first[at("mouthSmileLeft")] == pytest.approx(0.5 * mood_channels("happy")["mouthSmileLeft"])


def test_rest_is_neutral_speech_too_and_stays_until_wake() -> None:
    face = expression()
    face.mood("surprised")
    face.look(40.0, 10.0)
    speech = np.full(52, 0.3, np.float32)
    play(face, 2.0, speech=speech, head=(3.0, 4.0, 5.0))
    face.gesture("nod")
    face.rest()
    eased = play(face, 1.0, speech=speech, head=(3.0, 4.0, 5.0))
    n = round(REST_S * 30) + 2
    assert not eased.activations[n:].any()
    assert not eased.head_deg[n:].any()
    face.mood("happy")
    face.gesture("shake")
    assert not play(face, 2.0, speech=speech).activations.any(), "nothing but `wake` ends a rest"
    face.wake()
    woken = play(face, 2.0, speech=speech, gate=1.0)
    assert np.all(woken.activations[round(WAKE_S * 30) + 2] >= 0.3 - 1e-6)
    assert woken.activations[-1][at("cheekSquintLeft")] > 0.5, "a mood that was set meanwhile comes now"
    assert not woken.head_deg.any(), "a gesture that was asked for in a rest does not"


def test_rest_ends_moods_looks_and_gestures() -> None:
    face = expression()
    face.mood("angry")
    face.look(30.0, 0.0)
    play(face, 2.0)
    face.rest()
    play(face, 1.0)
    face.wake()
    after = play(face, 2.0)
    assert not after.activations.any()
    assert not after.head_deg.any()


def test_wishes_of_many_threads_are_taken_while_frames_flow() -> None:
    face, stop, failures = expression(), threading.Event(), []

    def wish(seed: int) -> None:
        random = np.random.default_rng(seed)
        try:
            while not stop.is_set():
                face.mood(MOODS[random.integers(len(MOODS))], float(random.random()))
                face.look(*(float(angle) for angle in random.uniform(-90, 90, 2)))
                face.gesture(GESTURES[random.integers(len(GESTURES))])
        except Exception as err:
            failures.append(err)

    threads = [threading.Thread(target=wish, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    shown = play(face, 60.0)
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert np.isfinite(shown.activations).all()
    assert shown.activations.min() >= 0.0
    assert shown.activations.max() <= 1.0


def test_nothing_is_allocated_per_frame() -> None:
    face = expression()
    activations, head_deg = np.zeros(52, np.float32), np.zeros(3, np.float32)

    def frames(start: int, n: int) -> None:
        for index in range(start, start + n):
            activations.fill(0.2)
            head_deg.fill(0.0)
            face.apply(activations, head_deg, index / 30, float(index % 40 > 20))
            if index % 50 == 0:
                face.gesture("nod")
                face.look(float(index % 60), 5.0)
                face.mood(MOODS[index // 50 % len(MOODS)], 0.7)

    frames(0, 500)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        frames(500, 3000)
        assert tracemalloc.get_traced_memory()[0] - before < 4096
    finally:
        tracemalloc.stop()


def calls_of_a_frame(face: Expression) -> int:
    """Return how many calls of Python and of C one frame makes, counted by the interpreter itself."""
    activations, head_deg, n_calls = np.full(52, 0.2, np.float32), np.zeros(3, np.float32), 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal n_calls
        n_calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    face.apply(activations, head_deg, 1e6, 1.0)
    sys.setprofile(before)
    return n_calls


def test_a_face_of_which_nothing_is_asked_costs_next_to_nothing_also_after_a_wish() -> None:
    face = expression()
    play(face, 2.0)
    never_asked = calls_of_a_frame(face)
    assert never_asked <= 10
    face.mood("happy")
    play(face, 2.0)
    assert calls_of_a_frame(face) > 2 * never_asked, "or the count counts nothing"
    face.mood("neutral")
    face.look(30.0, 0.0)
    face.gesture("nod")
    play(face, 2.0)
    face.look()
    play(face, 6.0)
    assert calls_of_a_frame(face) == never_asked
    face.rest()
    play(face, 1.0)
    face.wake()
    play(face, 1.0)
    assert calls_of_a_frame(face) == never_asked


def test_a_face_that_idled_follows_a_wish_as_one_that_never_did() -> None:
    idle, awake = expression(), expression()
    play(idle, 5.0, gate=1.0)
    for _ in range(150):
        awake._is_idle = False
        play(awake, 1 / 30, gate=1.0)
    for face in (idle, awake):
        face.mood("surprised")
        face.look(35.0, -10.0)
        face.gesture("wink")
    speech = np.full(52, 0.1, np.float32)
    for one, other in zip(
        play(idle, 2.0, speech=speech, gate=1.0), play(awake, 2.0, speech=speech, gate=1.0), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_a_face_without_the_channels_is_left_alone() -> None:
    face = Expression(ExpressionSettings(), ("jawOpen", "somethingElse"), {"default": 1.0})
    for name in MOODS:
        face.mood(name)
        face.look(20.0, 10.0)
        face.gesture("wink")
        activations: Float32Array = np.zeros(2, np.float32)
        for index in range(60):
            activations.fill(0.0)
            face.apply(activations, np.zeros(3, np.float32), index / 30, 0.0)
            assert activations[1] == 0.0


def test_the_stage_takes_speech_from_the_state() -> None:
    face = expression(mood="happy")
    stage, shown = Expressing(face), {}
    for start_s, state in ((0.0, State.SILENCE), (3.0, State.LIVE), (6.0, State.HELD), (9.0, State.NEUTRAL)):
        for index in range(60):
            frame = AUFrame.neutral(52)
            frame.state, frame.capture_time_s = state, start_s + index / 30
            stage.apply(frame, np.zeros(0, np.float32))
        shown[state] = float(frame.activations[at("mouthSmileLeft")])
    full = mood_channels("happy")["mouthSmileLeft"]
    assert shown == {
        State.SILENCE: pytest.approx(full), State.LIVE: pytest.approx(full / 3), State.HELD: pytest.approx(full / 3),
        State.NEUTRAL: pytest.approx(full),
    }  # fmt: skip
