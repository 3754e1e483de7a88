"""Bytes of a file at any place, and a stretch of a file as a file of its own."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import BinaryIO

_BLOCK_BYTES = 256 * 1024


class CutError(ValueError):
    """The file ends before its sound does; the text says how that shows."""


class DamagedError(ValueError):
    """Bytes within the file are not what was written; the text says where."""


@dataclass(frozen=True)
class SoundPart:
    """One sound of a file, which may have been joined of several.

    Attributes:
        start: Where its bytes begin.
        end: Where they end.
        head: What is read in place of the first `n_replaced` bytes: a header that tells the true length.
        n_replaced: See `head`.
        name: The format, as a person says it.
        doubt: What may be wrong with it, as a line for the log; usually empty.
    """

    start: int
    end: int
    name: str
    head: bytes = b""
    n_replaced: int = 0
    doubt: str = ""


class FileBytes:
    """Reads a file here and there, in blocks; not mapped, since a file that shrinks meanwhile would kill the program.

    Args:
        file: An open file; who gives it closes it.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._block = b""
        self._block_start = 0
        self.size = file.seek(0, io.SEEK_END)

    def at(self, offset: int, n_bytes: int) -> bytes:
        """Return at most so many bytes from a place; fewer at the end."""
        begin = offset - self._block_start
        if begin < 0 or begin + n_bytes > len(self._block):
            self._file.seek(offset)
            self._block = self._file.read(max(n_bytes, _BLOCK_BYTES))
            self._block_start, begin = offset, 0
        return self._block[begin : begin + n_bytes]

    def find(self, pattern: bytes, start: int) -> int:
        """Return where a pattern is next, or -1."""
        while start < self.size:
            block = self.at(start, _BLOCK_BYTES)
            found = block.find(pattern)
            if found >= 0:
                return start + found
            if len(block) < len(pattern):
                return -1
            start += len(block) - len(pattern) + 1
        return -1


class PartFile(io.RawIOBase):
    """A part of a file, to be read like a file. Owns nothing: close the file itself.

    Args:
        file: The whole, open and seekable; nobody else may move in it while a part is read.
        part: Which stretch, and what is read in place of its beginning.
    """

    def __init__(self, file: BinaryIO, part: SoundPart) -> None:
        self._file = file
        self._part = part
        self._position = 0
        self._size = len(part.head) + part.end - part.start - part.n_replaced

    def __len__(self) -> int:
        return self._size

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the place of the next byte."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = min(max(0, base + offset), self._size)
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill a buffer; return how many bytes there were."""
        view = memoryview(buffer).cast("B")
        n_head = len(self._part.head)
        n_done = 0
        while n_done < len(view) and self._position < self._size:
            room = len(view) - n_done
            if self._position < n_head:
                piece = self._part.head[self._position : self._position + room]
            else:
                self._file.seek(self._part.start + self._part.n_replaced + self._position - n_head)
                piece = self._file.read(min(room, self._size - self._position))
                if not piece:
                    break  # the file has shrunk
            view[n_done : n_done + len(piece)] = piece
            n_done += len(piece)
            self._position += len(piece)
        return n_done
