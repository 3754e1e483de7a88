"""Compose sentences for synthetic speakers: short commands in the grammar of the GRID corpus, and free English ones.

Source of the command grammar: Cooke, Barker, Cunningham, Shao, JASA 120(5), 2006. The free sentences are nonsense drawn
from word lists that together use every English phone.
"""

from __future__ import annotations

import numpy as np

COMMANDS = ("bin", "lay", "place", "set")
COLOURS = ("blue", "green", "red", "white")
PREPOSITIONS = ("at", "by", "in", "with")
LETTERS = tuple("abcdefghijklmnopqrstuvxyz")  # GRID leaves out w, the only one of several syllables
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ADVERBS = ("again", "now", "please", "soon")
LETTER_NAMES = {"z": ("zed", "zee")}  # Britain and America

DETERMINERS = ("the", "my", "your", "every", "this", "our", "some", "no", "another", "both")
ADJECTIVES = (
    *(
        "old",
        "yellow",
        "huge",
        "quiet",
        "purple",
        "warm",
        "foggy",
        "smooth",
        "brown",
        "shiny",
        "thick",
        "cheap",
        "empty",
    ),
    *("purer", "rough", "gentle", "bitter", "famous", "weird", "royal", "loyal", "vague", "calm", "raw", "wooden"),
)
NOUNS = (
    *("boat", "mother", "violin", "window", "judge", "measure", "book", "choir", "puppy", "river", "thumb", "vision"),
    *("mouse", "path", "umbrella", "shoe", "pump", "voice", "garage", "wolf", "cherry", "beach", "map", "farm", "king"),
    *("breath", "opera", "bubble", "fire", "weather", "whale", "pearl", "cup", "leather", "bath", "hobby", "moon"),
)
VERBS = (
    *("washed", "pushed", "believed", "moved", "watched", "followed", "enjoyed", "buys", "chooses", "bothers", "grabs"),
    *("hopes for", "keeps", "forgives", "would show", "should praise", "could prove", "hums about", "throws", "warms"),
)
PLACES = (
    *("before breakfast", "under the bridge", "above the valley", "from the harbour", "with both hands", "on monday"),
    *("in the usual way", "by the fireplace", "without a map", "behind the shop", "for a whole hour", "over the wall"),
)
OPENERS = ("maybe", "perhaps", "oh", "well", "yes", "hopefully", "of course", "how come", "who knows why", "they say")


def compose_command(rng: np.random.Generator, *, letters: tuple[str, ...] = LETTERS) -> str:
    """Compose one command, such as "place red with k four soon".

    Args:
        rng: source of chance.
        letters: those to choose from.

    Returns:
        Six words, lower case.
    """
    parts = [str(rng.choice(words)) for words in (COMMANDS, COLOURS, PREPOSITIONS, letters, DIGITS, ADVERBS)]
    if parts[3] in LETTER_NAMES:
        parts[3] = str(rng.choice(LETTER_NAMES[parts[3]]))
    return " ".join(parts)


def compose_free(rng: np.random.Generator) -> str:
    """Compose one free sentence of five to fourteen words, lower case, without punctuation."""

    def thing() -> str:
        adjective = f"{rng.choice(ADJECTIVES)} " if rng.random() < 0.6 else ""
        return f"{rng.choice(DETERMINERS)} {adjective}{rng.choice(NOUNS)}"

    parts = [thing(), str(rng.choice(VERBS)), thing()]
    if rng.random() < 0.4:
        parts.insert(0, str(rng.choice(OPENERS)))
    if rng.random() < 0.5:
        parts.append(str(rng.choice(PLACES)))
    return " ".join(parts)


def compose(rng: np.random.Generator, *, share_free: float = 0.3, letters: tuple[str, ...] = LETTERS) -> str:
    """Compose a command or, in a share of cases, a free sentence."""
    if rng.random() < share_free:
        return compose_free(rng)
    return compose_command(rng, letters=letters)
