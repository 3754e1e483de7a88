"""Small text files that people write (configurations, maps): read whole, or refused in a line.

What a path leads to is not believed: a device or a pipe may never end or never answer, and a file may be of any size
and hold anything.
"""

from __future__ import annotations

import re
from pathlib import Path

from edge.bounded_file import read_bounded
from edge.errors import ConfigurationError

MAX_FILE_BYTES = 256 * 1024  # the reference of the configuration has 10 KiB; more is another kind of file
# Line ends and tabs are text; no key, name or path has any other of these.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def read_text(path: Path, asked: str, remedy: str = "Give a text file in UTF-8") -> str:
    """Return the text of a file.

    Args:
        path: Of a regular file, or of a link to one.
        asked: What it is, for the message.
        remedy: What to do where it cannot be read.

    Raises:
        ConfigurationError: It cannot be read, is no regular file, is too large or no plain text.
    """
    try:
        content = read_bounded(path, MAX_FILE_BYTES)
    except OSError as err:
        raise ConfigurationError(asked, f"cannot be read: {err.strerror or err}", remedy) from err
    if len(content) > MAX_FILE_BYTES:
        raise ConfigurationError(asked, f"it is larger than {MAX_FILE_BYTES >> 10} KiB", remedy)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        raise ConfigurationError(asked, f"it is no text in UTF-8 ({err.reason} at byte {err.start})", remedy) from err
    odd = _CONTROL.search(text)
    if odd is not None:
        line = text.count("\n", 0, odd.start()) + 1
        raise ConfigurationError(asked, f"line {line} holds the control character {ord(odd[0]):#04x}", remedy)
    return text
