"""The shipped maps use a rig's whole way in speech: judged by the range of an ARKit capture of one talker.

Its 99th percentiles in 20 s of speech: jawOpen .42, mouthLowerDown .44, mouthUpperUp .44, mouthFunnel .42,
mouthPucker .52, mouthStretch .25, mouthSmile .59; a closure has jaw and mouthClose alike.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge import robots
from edge.frames import AUFrame, State
from edge.outputs.retarget import load_retarget
from edge.robots.actuator_map import load_actuator_map
from edge.robots.controller import Controller
from edge.vocabulary import ARKIT_ALPHABETICAL

OPEN = {"jawOpen": 0.42, "mouthLowerDown": 0.3, "mouthUpperUp": 0.2}
SPREAD = {"jawOpen": 0.05, "mouthStretch": 0.25, "mouthSmile": 0.3, "mouthLowerDown": 0.2}
ROUND = {"jawOpen": 0.05, "mouthPucker": 0.52}
FUNNEL = {"jawOpen": 0.2, "mouthFunnel": 0.42}
CLOSED = {"jawOpen": 0.08, "mouthClose": 0.08}


def _face(values: dict[str, float]) -> np.ndarray:
    return np.array(
        [values.get(name.removesuffix("Left").removesuffix("Right"), 0.0) for name in ARKIT_ALPHABETICAL], np.float32
    )


def _shown(rig: str, values: dict[str, float]) -> dict[str, float]:
    retarget = load_retarget(rig, ARKIT_ALPHABETICAL)
    return dict(zip(retarget.targets, np.clip(retarget.apply(_face(values)), 0, 1).tolist(), strict=True))


@pytest.mark.parametrize(
    ("values", "oculus", "vrm"),
    [(OPEN, "viseme_aa", "A"), (SPREAD, "viseme_I", "I"), (ROUND, "viseme_U", "U"), (FUNNEL, "viseme_O", "O")],
)
def test_a_talkers_widest_vowel_is_most_of_a_viseme_and_the_largest(
    values: dict[str, float], oculus: str, vrm: str
) -> None:
    for rig, name in (("oculus", oculus), ("vrm", vrm)):
        shown = _shown(rig, values)
        assert shown[name] >= 0.6, rig
        assert max(shown, key=lambda target: shown[target]) == name, rig


def test_lips_that_meet_are_pp_and_no_vowel() -> None:
    shown = _shown("oculus", CLOSED)
    assert max(shown, key=lambda target: shown[target]) in ("viseme_PP", "viseme_sil")
    assert shown["viseme_PP"] >= 0.5
    assert max(_shown("vrm", CLOSED).values()) <= 0.05


def test_a_smile_of_speech_is_no_joy_and_a_mood_is() -> None:
    assert _shown("vrm", {"mouthSmile": 0.25})["Joy"] == 0.0
    assert _shown("vrm", {"mouthSmile": 0.6})["Joy"] >= 0.5


def test_the_example_jaw_uses_its_stroke_and_shuts_where_lips_meet() -> None:
    actuators = load_actuator_map(Path(robots.__file__).parent / "examples" / "animatronic.ini")
    strokes = {}
    for name, values in (("open", OPEN), ("closed", CLOSED), ("rest", {})):
        controller = Controller(actuators, ARKIT_ALPHABETICAL)
        controller.begin([actuator.safe for actuator in actuators.actuators])
        frame = AUFrame(_face(values), np.zeros(3, np.float32), state=State.LIVE)
        for tick in range(100):
            controller.take(frame, tick * actuators.tick_s)
            positions = controller.advance(tick * actuators.tick_s)
        index = [actuator.name for actuator in actuators.actuators].index("jaw")
        jaw = actuators.actuators[index]
        strokes[name] = (positions[index] - jaw.neutral) / (jaw.limits.maximum - jaw.neutral)
    assert 0.6 <= strokes["open"] <= 0.9
    assert abs(strokes["closed"]) <= 0.02
    assert abs(strokes["rest"]) <= 0.02
