"""Files that are written whole or not at all: a full disk, Ctrl-C and SIGTERM leave what was there before."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from edge.errors import InputError

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_OF_THE_KERNEL = ("/dev", "/proc")  # /dev/stdout leads to a file now and then; its place must not be taken


@contextmanager
def whole_file(path: Path, mode: str) -> Iterator[IO[Any]]:
    """Open a file beside the target that takes its place when it is complete; a link stays, its file is replaced.

    A pipe, a device and what lies in /dev are written to as they are.

    Args:
        path: The target.
        mode: "w" for text in UTF-8 with line ends as they are, "wb".

    Raises:
        OSError: As it comes; `unwritable` makes the error for a person.
    """
    how: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    target = Path(os.path.realpath(path))
    if not _may_be_replaced(path, target):
        with open(path, mode, **how) as file:
            yield file
        return
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:40]}.")
    try:
        with open(descriptor, mode, **how) as file:
            yield file
        os.chmod(name, _mode_of(target))  # mkstemp makes files that only their owner can read
        os.replace(name, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def write_whole(path: Path, content: str | bytes, option: str = "") -> None:
    """Write a file.

    Args:
        path: The target.
        content: Of the file.
        option: Of the command line, which named it.

    Raises:
        InputError: It cannot be written; what was there before is there still.
    """
    try:
        with whole_file(path, "w" if isinstance(content, str) else "wb") as file:
            file.write(content)
    except OSError as err:
        raise unwritable(path, err, option) from err


def unwritable(path: Path, error: OSError, option: str = "") -> InputError:
    """Return the error for a file or folder that could not be written; `option` named it on the command line."""
    other = f"give another {option}" if option else "name another place"
    is_full = error.errno in NO_ROOM or error.errno is None  # None: NumPy says only how much of an array it wrote
    remedy = f"Free some space, or {other}" if is_full else f"{other.capitalize()}, where you may write"
    return InputError(f"writing {path}", error.strerror or str(error), remedy)


def _mode_of(target: Path) -> int:
    """Return who may do what with a file: as it is, or as a new one has it."""
    try:
        return stat.S_IMODE(target.stat().st_mode)
    except FileNotFoundError:
        umask = os.umask(0)
        os.umask(umask)
        return 0o666 & ~umask


def _may_be_replaced(path: Path, target: Path) -> bool:
    """Return whether there is a regular file, or nothing."""
    if any(str(place).startswith(f"{kernel}/") for place in (path.absolute(), target) for kernel in _OF_THE_KERNEL):
        return str(path.absolute()).startswith("/dev/shm/")
    try:
        return stat.S_ISREG(target.stat().st_mode)
    except OSError:
        return True  # nothing is there, or it is said when the file beside it cannot be made
