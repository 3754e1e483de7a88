"""What no value of a manifest may be, whatever the field: not finite, beyond any measure, or no text that can be shown.

JSON as Python reads it has Infinity, numbers of any length and strings with any character.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

LARGEST_NUMBER = 1e15
MOST_TEXT = 10_000  # characters of one text; a description has some hundred
MOST_ODD_SHOWN = 20
PLAIN_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_KINDS = {"list": list, "object": dict, "text": str, "whole number": int, "number": (int, float)}


def odd_values(raw: Mapping[str, object]) -> list[str]:
    """Return what is wrong with numbers and texts anywhere in a manifest, each with its field."""
    found: list[str] = []
    waiting: list[tuple[str, object]] = [(key, value) for key, value in reversed([*raw.items()])]
    while waiting and len(found) < MOST_ODD_SHOWN:  # no recursion: a file can be nested as deep as it likes
        field, value = waiting.pop()
        if isinstance(value, dict):
            found += [f"{field} has a key that is no text" for key in value if not _is_text(key)]
            waiting += [(f"{field}.{key}", item) for key, item in reversed([*value.items()])]
        elif isinstance(value, list):
            waiting += [(f"{field}[{i}]", item) for i, item in reversed(list(enumerate(value)))]
        elif isinstance(value, str):
            if not _is_text(value):
                found.append(f"{field} holds characters that are no text, or more than {MOST_TEXT}")
        elif isinstance(value, int | float) and not abs(value) <= LARGEST_NUMBER:  # NaN is not <= anything
            found.append(f"{field} is not a number up to {LARGEST_NUMBER:g}")
    return found


def wrong_kinds(raw: Mapping[str, object], kinds: Mapping[str, str]) -> list[str]:
    """Return which fields are of another kind than they must be.

    Args:
        raw: The manifest.
        kinds: By field: "text", "whole number", "number", "list" or "object"; fields that are missing are left alone.
    """
    found = []
    for field, kind in kinds.items():
        value = raw.get(field)
        if field in raw and (isinstance(value, bool) or not isinstance(value, _KINDS[kind])):  # type: ignore[arg-type]
            article = "an" if kind == "object" else "a"
            found.append(f"{field} is {repr(value)[:40]}, not {article} {kind}" if kind != "text" else
                         f"{field} is {repr(value)[:40]}, not text")  # fmt: skip
    return found


def _is_text(text: str) -> bool:
    return len(text) <= MOST_TEXT and all(c.isprintable() or c in "\n\t" for c in text)
