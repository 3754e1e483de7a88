"""What a sentence sounds like in letters: text as people write it becomes the words an aligner takes.

Lower case, no punctuation but the apostrophe inside a word; a hyphen or a slash parts two words. GRID's clip names
encode their sentence, so those need no transcript.
"""

from __future__ import annotations

import re
import unicodedata

_WORD = re.compile(r"[a-z]+(?:'[a-z]+)*'?")
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
# GRID's six slots (Cooke et al., JASA 120(5), 2006): command, colour, preposition, letter, digit, adverb.
_GRID = (
    {"b": "bin", "l": "lay", "p": "place", "s": "set"},
    {"b": "blue", "g": "green", "r": "red", "w": "white"},
    {"a": "at", "b": "by", "i": "in", "w": "with"},
    {letter: letter for letter in "abcdefghijklmnopqrstuvxyz"},
    dict(
        zip("z123456789", ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"], strict=True)
    ),
    {"a": "again", "n": "now", "p": "please", "s": "soon"},
)


def plain_words(text: str) -> str:
    """Return a text as lower-case words with spaces between them.

    Args:
        text: As it was written, with punctuation and accents.

    Returns:
        The words; digits and signs, which nobody knows how they were read, stay as they are and are no word of any
        dictionary.
    """
    letters = unicodedata.normalize("NFKD", text.replace("\u2019", "'")).encode("ascii", "ignore").decode().lower()
    words = []
    for piece in re.split(r"[\s\-/\u2013\u2014]+", letters):
        stripped = piece.strip('.,;:!?"()[]{}*_`')
        found = _WORD.fullmatch(stripped.lstrip("'"))
        if found:
            words.append(found.group().rstrip("'"))
        elif stripped.strip("'"):
            words.append(stripped.strip("'"))
    return " ".join(words)


def grid_sentence(clip: str) -> str | None:
    """Return the sentence that a clip's name encodes in GRID's way; None where it does not.

    Args:
        clip: `bbaf2n`, or with the speaker before it: `s3_bbaf2n`.
    """
    code = clip.rsplit("_", 1)[-1]
    if len(code) != len(_GRID) or any(letter not in slot for letter, slot in zip(code, _GRID, strict=True)):
        return None
    return " ".join(slot[letter] for letter, slot in zip(code, _GRID, strict=True))
