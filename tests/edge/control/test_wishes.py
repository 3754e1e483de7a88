"""A wish as JSON: the same object on the WebSocket, on the page and behind OSC and ROS."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edge.contracts import GESTURES, MOODS, take_wish
from edge.errors import ConfigurationError
from tests.edge.control.test_osc_control import Face


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ('{"type": "mood", "mood": "happy", "amount": 0.5}', ("mood", "happy", 0.5)),
        ('{"type": "mood", "mood": "happy"}', ("mood", "happy", 1.0)),
        ('{"type": "mood", "mood": "happy", "amount": null}', ("mood", "happy", 1.0)),
        ('{"type": "mood", "mood": "sad", "amount": 0}', ("mood", "sad", 0.0)),
        ('{"type": "look", "yaw_deg": 10, "pitch_deg": -5.5, "more": []}', ("look", 10.0, -5.5)),
        ('{"type": "look"}', ("look", None, None)),
        ('{"type": "gesture", "gesture": "nod"}', ("gesture", "nod")),
        ('{"type": "rest"}', ("rest",)),
        ('{"type": "wake"}', ("wake",)),
    ],
)
def test_a_wish_is_taken(text: str, asked: tuple[Any, ...]) -> None:
    face = Face()
    take_wish(face, json.loads(text))
    assert face.asked == [asked]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}", "missing"),
        ('{"type": 7}', "mood, look, gesture, rest, wake"),
        ('{"type": "dance"}', "dance"),
        ('{"type": "mood"}', "missing"),
        ('{"type": "mood", "mood": ["happy"]}', "happy"),
        ('{"type": "mood", "mood": "grumpy"}', ", ".join(MOODS)),
        ('{"type": "mood", "mood": "happy", "amount": "much"}', "much"),
        ('{"type": "mood", "mood": "happy", "amount": true}', "True"),
        ('{"type": "look", "yaw_deg": "left", "pitch_deg": 0}', "left"),
        ('{"type": "gesture", "gesture": "wave"}', ", ".join(GESTURES)),
        ('{"type": "gesture", "gesture": null}', "missing"),
    ],
)
def test_what_is_no_wish_is_refused_with_the_reason(text: str, words: str) -> None:
    face = Face()
    with pytest.raises(ConfigurationError) as caught:
        take_wish(face, json.loads(text))
    assert words in str(caught.value)
    assert face.asked == []


def test_a_whole_number_of_any_length_is_no_amount() -> None:
    from edge.config.settings import ExpressionSettings
    from edge.expression.expression import Expression

    face = Expression(ExpressionSettings(), ("jawOpen",), {})
    for wish in (
        {"type": "mood", "mood": "happy", "amount": 10**400},
        {"type": "look", "yaw_deg": 10**400, "pitch_deg": 0},
    ):
        with pytest.raises(ConfigurationError):
            take_wish(face, wish)
