"""A map means what it says, its mistakes are all named, and its mixes stay within the actuators' ranges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import ConfigurationError, ConfigurationMistakesError
from edge.robots import actuator_map as module
from edge.robots.actuator_map import Mixer, load_actuator_map
from edge.vocabulary import ARKIT_APPLE

EXAMPLES = sorted((Path(module.__file__).parent / "examples").glob("*.ini"))
ROBOT = "[robot]\ndriver = osc\n"
JAW = "[actuator.jaw]\noutput = 0\nmix = jawOpen 1.0\nneutral = 100\nminimum = 0\nmaximum = 200\n"


def load(tmp_path: Path, text: str) -> module.ActuatorMap:
    path = tmp_path / "map.ini"
    path.write_text(text)
    return load_actuator_map(path)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_shipped_example_loads_and_fits_the_arkit_channels(path: Path) -> None:
    loaded = load_actuator_map(path)
    assert loaded.actuators
    Mixer(loaded.actuators, ARKIT_APPLE)


@pytest.mark.parametrize(
    ("extra", "jaw_open", "yaw", "expected"),
    [
        ("mix = jawOpen 1.0", 0.0, 0, 100),
        ("mix = jawOpen 1.0", 1.0, 0, 200),
        ("mix = jawOpen 0.5", 1.0, 0, 150),
        ("mix = jawOpen -0.5", 1.0, 0, 50),
        ("mix = jawOpen 1.0\ninvert = yes", 1.0, 0, 0),
        ("mix = head_yaw 0.05", 0.0, 10, 150),
        ("mix = head_yaw 0.05", 0.0, -90, 0),
        ("mix = jawOpen 5", 1.0, 0, 200),
        ("mix = jawOpen 1.0", float("nan"), 0, 100),
        ("mix = head_yaw 0.05", 0.0, float("inf"), 100),
    ],
)
def test_a_mix_is_a_weighted_sum_between_the_ends(
    tmp_path: Path, extra: str, jaw_open: float, yaw: float, expected: float
) -> None:
    loaded = load(tmp_path, ROBOT + JAW.replace("mix = jawOpen 1.0", extra))
    mixer = Mixer(loaded.actuators, ["jawOpen"])
    head = np.array([0, yaw, 0], np.float32)
    assert mixer.targets(np.array([jaw_open], np.float32), head) == pytest.approx([expected])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(width=32), min_size=52, max_size=52), st.tuples(*[st.floats(width=32)] * 3))
def test_any_face_gives_positions_within_the_ranges(values: list[float], head: tuple[float, float, float]) -> None:
    loaded = load_actuator_map(EXAMPLES[0])
    mixer = Mixer(loaded.actuators, ARKIT_APPLE)
    targets = mixer.targets(np.array(values, np.float32), np.array(head, np.float32))
    for actuator, target in zip(loaded.actuators, targets, strict=True):
        assert actuator.limits.minimum <= target <= actuator.limits.maximum


def test_all_mistakes_of_a_map_are_named_at_once(tmp_path: Path) -> None:
    text = (
        "[robot]\ntick_hz = 5000\n[actuator.jaw]\noutput = x\nmix = jawOpen much\nneutrl = 5\n"
        "[actuator.lid]\noutput = 1\nmix = a 1\nneutral = 5\nminimum = 10\nmaximum = 20\nsafe = 30\n"
        "[actuator.brow]\noutput = 1\nmix = a 1\nneutral = 15\nminimum = 20\nmaximum = 20\n[servo]\n"
    )
    with pytest.raises(ConfigurationMistakesError) as caught:
        load(tmp_path, text)
    message = str(caught.value)
    for part in ("5000", "output", "jawOpen much", "neutrl", "Did you mean 'neutral'", "5 is outside", "30 is outside"):
        assert part in message
    assert "minimum is not below maximum" in message
    assert "[servo]" in message


@pytest.mark.parametrize(
    "text", ["", "[robot]\n", JAW, "jawOpen", "[robot]\n[robot]\n", ROBOT + JAW + JAW.replace("jaw]", "j]")]
)
def test_what_is_no_map_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError):
        load(tmp_path, text)


def test_a_mix_of_unknown_channels_is_refused_with_the_nearest(tmp_path: Path) -> None:
    loaded = load(tmp_path, ROBOT + JAW.replace("jawOpen 1.0", "jawOpn 1, head_jaw 1"))
    with pytest.raises(ConfigurationMistakesError, match=r"(?s)jawOpen.*head_yaw"):
        Mixer(loaded.actuators, ["jawOpen"])
