"""Every error a user can meet, each with what was asked, what was found and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

EXIT_ARGUMENTS = 2  # as argparse and shells have it: the command line is wrong
EXIT_INPUT = 65  # EX_DATAERR of sysexits.h: a file or a stream is not what it should be
EXIT_UNAVAILABLE = 69  # EX_UNAVAILABLE: a device or a network address cannot be had
EXIT_CONFIGURATION = 78  # EX_CONFIG: the configuration or the model is wrong; systemd does not restart

# What was found may be of any size and hold anything (a value of 1 MB, terminal escapes): a message stays a message.
MOST_ASKED, MOST_FOUND, MOST_REMEDY = 300, 2000, 1000  # characters
MOST_MISTAKES = 20  # shown at once; nobody corrects more before trying again


def shortened(text: str, most: int = MOST_FOUND) -> str:
    """Return a text as a message may hold it: not longer than this, and with what cannot be printed escaped."""
    if len(text) > most:
        text = f"{text[: most * 2 // 3]} ... {text[-most // 4 :]} ({len(text)} characters)"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode("ascii") for c in text)


class AuEdgeError(Exception):
    """An error with a remedy.

    Args:
        asked: What the user or the configuration asked for.
        found: What was there instead.
        remedy: What to do about it; a command or a key where there is one.
    """

    exit_code = 1

    def __init__(self, asked: str, found: str, remedy: str) -> None:
        self.asked = shortened(asked, MOST_ASKED)
        self.found = shortened(found, MOST_FOUND)
        self.remedy = shortened(remedy, MOST_REMEDY)
        super().__init__(f"{self.asked}: {self.found}. {self.remedy}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Let it come whole from a process of its own: by default it would be made from its text alone, which fails."""
        return type(self).__new__, (type(self), *self.args), self.__dict__


class ArgumentsError(AuEdgeError):
    """The words of the command line cannot be what is meant."""

    exit_code = EXIT_ARGUMENTS


class InputError(AuEdgeError):
    """A sound file, recording or stream cannot be used."""

    exit_code = EXIT_INPUT


class DeviceError(AuEdgeError):
    """A microphone, GPU or network address cannot be had (now); the caller may try again."""

    exit_code = EXIT_UNAVAILABLE


class ConfigurationError(AuEdgeError):
    """The configuration names something unknown or impossible."""

    exit_code = EXIT_CONFIGURATION


class ModelError(AuEdgeError):
    """The network file, its manifest or an engine is missing, damaged or of another kind."""

    exit_code = EXIT_CONFIGURATION


class BackendError(AuEdgeError):
    """The inference library or its hardware failed."""

    exit_code = EXIT_UNAVAILABLE


class ConfigurationMistakesError(ConfigurationError):
    """All mistakes of a configuration, at once.

    Args:
        mistakes: One error per mistake, in the order of the file.
    """

    def __init__(self, mistakes: Sequence[AuEdgeError]) -> None:
        self.mistakes = tuple(mistakes)
        count = len(self.mistakes)
        found = f"{count} mistake{'s' if count != 1 else ''}"
        remedy = "Correct each; `au-edge config --defaults` shows every key with its meaning"
        super().__init__("the configuration", found, remedy)
        lines = [f"  - {mistake}" for mistake in self.mistakes[:MOST_MISTAKES]]
        if count > MOST_MISTAKES:
            lines.append(f"  - and {count - MOST_MISTAKES} more")
        self.args = ("\n".join([f"the configuration has {found}:", *lines, remedy]),)
