"""Speak words that no dictionary has: espeak-ng's letter-to-sound rules, written in the aligner's ARPAbet.

In: words. Out: ARPAbet phones without stress, the form of the CMU dictionary. espeak-ng is run as a program, all words
at once; a word for which it gives a sound that English does not have is left out.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence

TIMEOUT_S = 60.0
# IPA as espeak-ng writes American English, longest first, and the ARPAbet of it.
_IPA: tuple[tuple[str, str], ...] = (
    ("t\u0283", "CH"), ("d\u0292", "JH"), ("a\u026a\u0259", "AY AH"), ("a\u026a\u025a", "AY ER"),
    ("a\u026a", "AY"), ("a\u028a", "AW"), ("e\u026a", "EY"), ("o\u028a", "OW"), ("\u0254\u026a", "OY"),
    ("\u0259\u028a", "OW"), ("i\u0259", "IY AH"), ("\u0254\u0279", "AO R"), ("o\u0279", "AO R"),
    ("\u0251\u0279", "AA R"), ("\u025b\u0279", "EH R"), ("\u026a\u0279", "IH R"), ("\u028a\u0279", "UH R"),
    ("\u0259l", "AH L"), ("n\u0329", "AH N"), ("l\u0329", "AH L"),
    ("i", "IY"), ("\u026a", "IH"), ("\u025b", "EH"), ("e", "EH"), ("\u00e6", "AE"), ("a", "AA"), ("\u0251", "AA"),
    ("\u0252", "AA"), ("\u0254", "AO"), ("o", "AO"), ("\u028a", "UH"), ("u", "UW"), ("\u028c", "AH"),
    ("\u0259", "AH"), ("\u0250", "AH"), ("\u1d7b", "IH"), ("\u025c", "ER"), ("\u025a", "ER"), ("\u025d", "ER"),
    ("p", "P"), ("b", "B"), ("t", "T"), ("d", "D"), ("k", "K"), ("\u0261", "G"), ("g", "G"), ("f", "F"),
    ("v", "V"), ("\u03b8", "TH"), ("\u00f0", "DH"), ("s", "S"), ("z", "Z"), ("\u0283", "SH"), ("\u0292", "ZH"),
    ("h", "HH"), ("m", "M"), ("n", "N"), ("\u014b", "NG"), ("l", "L"), ("\u026b", "L"), ("\u0279", "R"),
    ("r", "R"), ("\u027e", "T"), ("j", "Y"), ("w", "W"), ("x", "K"), ("\u0294", "T"),
)  # fmt: skip
_LOOK_UP = dict(_IPA)
_SOUND = re.compile("|".join(sorted((re.escape(ipa) for ipa, _ in _IPA), key=len, reverse=True)))
_NO_SOUND = re.compile("[\u02c8\u02cc\u02d0\u02b2\u0303\u200d\\s_|]")  # stress, length, joiners


def missing() -> str | None:
    """Return how to install what is missing, or None."""
    return None if shutil.which("espeak-ng") else "apt-get install espeak-ng"


def pronunciations(words: Sequence[str]) -> dict[str, str]:
    """Return word -> ARPAbet phones separated by spaces, for the words that can be spoken.

    Args:
        words: Lower case, each of letters and apostrophes.
    """
    ordered = sorted({word for word in words if re.fullmatch("[a-z']+", word)})
    if not ordered or missing():
        return {}
    done = subprocess.run(
        ["espeak-ng", "-q", "--ipa", "-v", "en-us"], input=".\n".join(ordered) + ".\n",
        capture_output=True, text=True, timeout=TIMEOUT_S, check=True,
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    if len(lines) != len(ordered):  # a word that espeak-ng reads as two sentences would shift all others
        return {}
    spoken = {word: arpabet(line) for word, line in zip(ordered, lines, strict=True)}
    return {word: phones for word, phones in spoken.items() if phones}


def arpabet(ipa: str) -> str | None:
    """Return the ARPAbet of an IPA word, or None where it has a sound that English has not."""
    bare = _NO_SOUND.sub("", ipa)
    if not bare or _SOUND.sub("", bare):
        return None
    return " ".join(_LOOK_UP[sound] for sound in _SOUND.findall(bare))
