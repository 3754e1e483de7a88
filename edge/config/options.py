"""One configuration key: its type, range and meaning, and how its text becomes a value."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edge.errors import ConfigurationError, shortened

Value = bool | int | float | str
_NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")  # no name or path holds a control character
_LARGEST_INTEGER = 2**53  # beyond it a number that libraries take for a float is another one
_LONGEST_WORD = 100  # that is compared with what there is: the comparison takes the square of it
_FLAGS = {"yes": True, "true": True, "on": True, "1": True, "no": False, "false": False, "off": False, "0": False}


@dataclass(frozen=True)
class Option:
    """A key.

    Attributes:
        name: As written in the file.
        kind: "flag" (yes or no), "integer", "number" or "text".
        default: Text of the default.
        minimum: Smallest value, in the key's unit.
        maximum: Largest value.
        choices: The only texts allowed, if any.
        help: Meaning, unit and reason in one line.
    """

    name: str
    kind: str
    default: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    help: str = ""


def parse_value(where: str, option: Option, text: str) -> Value:
    """Turn a key's text into its value.

    Args:
        where: What a person searches for ("audio.rate_hz in /etc/au-edge/au-edge.conf").
        option: The key.
        text: As written.

    Raises:
        ConfigurationError: Wrong type, outside the range, or not among the choices.
    """
    text = text.strip()
    if _NO_TEXT.search(text):
        raise ConfigurationError(where, f"{_quoted(text)} holds a character that is no text", "Write it in plain UTF-8")
    if option.kind == "flag":
        if text.lower() not in _FLAGS:
            raise ConfigurationError(where, f"{_quoted(text)} is neither yes nor no", "Write yes or no")
        return _FLAGS[text.lower()]
    if option.kind in ("integer", "number"):
        return _parse_number(where, option, text)
    if option.choices and text not in option.choices:
        raise ConfigurationError(
            where,
            f"{_quoted(text)} is not one of {', '.join(option.choices)}",
            did_you_mean(text, option.choices) or "Choose one of these",
        )
    return text


def _parse_number(where: str, option: Option, text: str) -> int | float:
    try:
        value: int | float = int(text) if option.kind == "integer" else float(text)
    except ValueError as err:
        raise ConfigurationError(
            where,
            f"{_quoted(text)} is not {'a whole number' if option.kind == 'integer' else 'a number'}",
            f"Write a number such as {option.default}",
        ) from err
    most = _LARGEST_INTEGER if option.kind == "integer" else math.inf
    low = -most if option.minimum is None else option.minimum
    high = most if option.maximum is None else option.maximum
    # Compared as it is: an integer of 400 digits can be compared with a float, but not made one.
    if not low <= value <= high or value in (-math.inf, math.inf):
        raise ConfigurationError(
            where, f"{shortened(text, _LONGEST_WORD)} is outside {low:g} to {high:g}", "Choose a value in this range"
        )
    return value


def _quoted(text: str) -> str:
    return repr(shortened(text, _LONGEST_WORD))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return 'Did you mean X?' for the nearest known word, or an empty string."""
    if len(word) > _LONGEST_WORD:
        return ""
    near: Sequence[str] = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"Did you mean {near[0]!r}?" if near else ""
