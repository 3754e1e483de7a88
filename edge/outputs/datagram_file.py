"""Datagrams into a file instead of a socket, for recording what was sent and for tests.

Records: each is a u32 length, little-endian, and the datagram. Lines (name ends in `.jsonl`): each is a JSON datagram.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

from edge.contracts import Datagram
from edge.errors import DeviceError, InputError

_LENGTH = struct.Struct("<I")
MAX_RECORD_BYTES = 65535  # no UDP datagram is longer


class DatagramFile:
    """A file that is begun anew at open and grows by one record a datagram.

    Args:
        path: Where; a name that ends in `.jsonl` takes JSON datagrams, one a line.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_lines = path.suffix == ".jsonl"
        self._descriptor: int | None = None
        self._size = 0
        self._is_begun = False

    @property
    def description(self) -> str:
        """Return the path as an address."""
        return f"file:{self._path}"

    def open(self) -> None:
        """Begin the file; after a failure, go on with it.

        Raises:
            DeviceError: It cannot be written now.
        """
        self.close()
        flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if self._is_begun else os.O_TRUNC)
        try:
            self._descriptor = os.open(self._path, flags, 0o644)
            self._size = os.fstat(self._descriptor).st_size
        except OSError as err:
            raise DeviceError(
                self.description, f"it cannot be written ({err.strerror})", "Choose another place, or make room"
            ) from err
        self._is_begun = True

    def send(self, datagram: Datagram) -> None:
        """Append one record, whole or not at all."""
        if self._descriptor is None:
            raise OSError("the file is closed")
        if not self._is_lines:
            record = _LENGTH.pack(len(datagram)) + datagram
        elif bytes(datagram[:1]) == b"{" and b"\n" not in bytes(datagram):
            record = bytes(datagram) + b"\n"
        else:
            raise OSError(f"{self._path.name} takes JSON datagrams only; name the file otherwise for records")
        written = os.write(self._descriptor, record)
        if written != len(record):
            os.ftruncate(self._descriptor, self._size)
            raise OSError("no room left for the record")
        self._size += written

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def read_records(path: Path) -> Iterator[bytes]:
    """Yield the datagrams of a recording, of either kind.

    Raises:
        InputError: The file cannot be read, or ends within a record.
    """
    try:
        with path.open("rb") as file:
            if path.suffix == ".jsonl":
                for line in file:
                    yield line.rstrip(b"\n")
                return
            while length := file.read(_LENGTH.size):
                n_bytes = _LENGTH.unpack(length)[0] if len(length) == _LENGTH.size else MAX_RECORD_BYTES + 1
                datagram = file.read(n_bytes) if n_bytes <= MAX_RECORD_BYTES else b""
                if len(datagram) != n_bytes:
                    raise InputError(f"recording {path}", "it ends within a record or is no recording", "Record again")
                yield datagram
    except OSError as err:
        raise InputError(f"recording {path}", f"it cannot be read ({err.strerror})", "Correct the path") from err
