"""The page of moods says what the program does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edge.contracts import GESTURES, MOODS
from edge.expression.moods import PROTOTYPES, mood_channels
from edge.vocabulary import FACS_NAMES

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "expression.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("mood", MOODS)
def test_the_table_of_moods_is_the_programs(mood: str) -> None:
    units = ", ".join(f"{unit} {FACS_NAMES[unit]}" for unit in PROTOTYPES[mood])
    channels: dict[str, float] = {}
    for name, amount in mood_channels(mood).items():
        channels[name.removesuffix("Left").removesuffix("Right")] = amount
    shown = ", ".join(f"{name} {amount:g}" for name, amount in channels.items())
    assert f"| `{mood}` | {units or 'none'} | {shown or 'none'} |" in PAGE


def test_every_gesture_is_named() -> None:
    assert all(f"`{name}`" in PAGE for name in GESTURES)


@pytest.mark.parametrize("room", ["backends", "features", "postprocess", "runtime"])
def test_nothing_that_hears_a_voice_knows_a_mood(room: str) -> None:
    """A mood is what the application sets: what works on sound neither names one nor sets one."""
    for path in (ROOT / "edge" / room).rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        words = set(re.findall(r"[a-z]+", text.lower()))
        assert not words & (set(MOODS) - {"neutral"}), path
        assert ".mood(" not in text, path
