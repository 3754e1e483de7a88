"""The words that an agent sends as JSON text, taken apart and checked; docs/talking.md lists them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from edge.contracts.wishes import WISHES
from edge.sources.pcm_decoder import MAX_RATE_HZ, MIN_RATE_HZ, PcmLayout

LONGEST_ID = 64
FORMATS = ("s16le", "f32le")
MOST_CHANNELS = 2
MOST_KEYS = 32
PLAIN = PcmLayout("s16le", 1)
_ABOUT_UTTERANCES = ("start", "end", "clear")
_WISHES = tuple(word for word in WISHES if word != "wake")  # a start wakes


class NoWordError(ValueError):
    """The text is no JSON object at all: whoever sends it speaks something else."""


class RefusedWordError(ValueError):
    """A word that cannot be followed.

    Attributes:
        what: The word.
        utterance_id: Whose it is, where it says so.
    """

    def __init__(self, what: str, why: str, utterance_id: str | None = None) -> None:
        super().__init__(why)
        self.what = what
        self.utterance_id = utterance_id


@dataclass(frozen=True)
class Word:
    """A word.

    Attributes:
        kind: "start", "end", "clear", or a wish: "rest", "mood", "look", "gesture".
        utterance_id: Of start (empty: none given) and end; of a wish, what its answer shall bear.
        rate_hz: Of start.
        layout: Of start.
        is_for_all: Of clear.
        message: The whole object, for wishes.
    """

    kind: str
    utterance_id: str = ""
    rate_hz: int = 0
    layout: PcmLayout = PLAIN
    is_for_all: bool = False
    message: Mapping[str, object] = field(default_factory=dict)


def read_word(text: str) -> Word:
    """Take a text frame apart.

    Args:
        text: As it came; its length is bounded by whoever received it.

    Raises:
        NoWordError: It is not a JSON object.
        RefusedWordError: It is one, but nothing that can be followed; says why.
    """
    try:
        message = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as err:
        raise NoWordError(f"not JSON: {str(err)[:100]}") from err
    if not isinstance(message, dict) or len(message) > MOST_KEYS:
        raise NoWordError(f"not a JSON object of at most {MOST_KEYS} keys")
    kind = message.get("type")
    if kind in _WISHES:
        return Word(str(kind), _id(message, str(kind)), message=message)
    if kind == "start":
        return _start(message)
    if kind == "end":
        return Word("end", utterance_id=_id(message, "end"))
    if kind == "clear":
        is_for_all = message.get("all", False)
        if not isinstance(is_for_all, bool):
            raise RefusedWordError("clear", f"all is {_short(is_for_all)}, neither true nor false")
        return Word("clear", is_for_all=is_for_all)
    known = ", ".join((*_ABOUT_UTTERANCES, *_WISHES))
    raise RefusedWordError(
        str(kind)[:32] if isinstance(kind, str) else "?", f"type is {_short(kind)}; types are {known}"
    )


def _start(message: Mapping[str, Any]) -> Word:
    utterance_id = _id(message, "start")
    rate_hz, sample_format = message.get("rate_hz"), message.get("format", "s16le")
    n_channels = message.get("channels", 1)
    why = ""
    if isinstance(rate_hz, bool) or not isinstance(rate_hz, int) or not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        why = f"rate_hz is {_short(rate_hz)}; give a whole number of {MIN_RATE_HZ} to {MAX_RATE_HZ}"
    elif sample_format not in FORMATS:
        why = f"format is {_short(sample_format)}; formats are {', '.join(FORMATS)}"
    elif isinstance(n_channels, bool) or not isinstance(n_channels, int) or not 1 <= n_channels <= MOST_CHANNELS:
        why = f"channels is {_short(n_channels)}; give 1 to {MOST_CHANNELS}"
    if why:
        raise RefusedWordError("start", why, utterance_id or None)
    return Word("start", utterance_id, int(message["rate_hz"]), PcmLayout(str(sample_format), int(n_channels)))


def _id(message: Mapping[str, Any], kind: str) -> str:
    value = message.get("id")
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > LONGEST_ID:
        raise RefusedWordError(kind, f"id is {_short(value)}; give a text of at most {LONGEST_ID} characters")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _short(value: object) -> str:
    return "missing" if value is None else repr(value)[:40]
