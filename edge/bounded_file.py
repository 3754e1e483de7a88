"""The bytes of a file that somebody named: what a path leads to may be a device or a pipe, and of any size."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

_KINDS = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))


def read_bounded(path: Path, most_bytes: int) -> bytes:
    """Return what a regular file holds.

    Args:
        path: Of it, or of a link to it.
        most_bytes: One byte more than these is read at most, so that the caller sees that there is more.

    Raises:
        OSError: It cannot be read, is no regular file, or its name can be none.
    """
    try:
        # Without waiting: to open a pipe that nobody writes to would never return.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except ValueError as err:  # a NUL, or half of a character, in the name
        raise OSError(errno.EINVAL, f"it is no name of a file ({err})") from err
    with open(descriptor, "rb", closefd=True) as file:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "a device")
            raise OSError(errno.EINVAL, f"it is {kind}, not a file")
        return file.read(most_bytes + 1)
