"""An application's wish as a JSON object, the same on every wire: WebSocket, page, and what OSC and ROS make of it.

{"type": "mood", "mood": "happy", "amount": 0.5}            amount: 0 to 1, 1 where it is left out
{"type": "look", "yaw_deg": 10, "pitch_deg": -5}            without angles: freely again
{"type": "gesture", "gesture": "nod"}
{"type": "rest"}, {"type": "wake"}
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from edge.contracts.expression import Expressive
from edge.errors import ConfigurationError

WISHES: tuple[str, ...] = ("mood", "look", "gesture", "rest", "wake")


def take_wish(face: Expressive, message: Mapping[str, object]) -> None:
    """Do what a message asks of a face.

    Args:
        face: Whose wish it is.
        message: As above; further keys are not looked at.

    Raises:
        ConfigurationError: It is no wish, or asks for what there is not; says what there is. The face is as before.
    """
    kind = message.get("type")
    if kind == "mood":
        amount = _number(message, "amount")
        face.mood(_text(message, "mood"), 1.0 if amount is None else amount)
    elif kind == "look":
        face.look(_number(message, "yaw_deg"), _number(message, "pitch_deg"))
    elif kind == "gesture":
        face.gesture(_text(message, "gesture"))
    elif kind == "rest":
        face.rest()
    elif kind == "wake":
        face.wake()
    else:
        raise ConfigurationError("a wish", f"its type is {_short(kind)}", f"Types are {', '.join(WISHES)}")


def _text(message: Mapping[str, object], key: str) -> str:
    value = message.get(key)
    if not isinstance(value, str):
        raise ConfigurationError(f"{key} of a wish", f"it is {_short(value)}", "Give a name")
    return value[:64]


def _number(message: Mapping[str, object], key: str) -> float | None:
    value = message.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigurationError(f"{key} of a wish", f"it is {_short(value)}", "Give a number")
    try:
        return float(value)
    except OverflowError:  # JSON has whole numbers of any length
        return math.inf


def _short(value: object) -> str:
    return "missing" if value is None else repr(value)[:64]
