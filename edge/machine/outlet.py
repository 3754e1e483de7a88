"""Words for people, to wherever they go: a pipe that nobody reads, a full disk, a terminal that is stopped or gone.

A write never raises and waits no longer than it is told to. It goes to the descriptor itself: Python's own streams hold
a lock while they write, so that a thread which is stuck in one keeps every other, and the end of the process, waiting.
What is ready takes this much at once. Source: pipe(7), PIPE_BUF, and poll(2).
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from typing import TextIO


class Outlet:
    """Where one stream of the process leads.

    Args:
        stream: As sys.stderr; None (closed by the shell) takes everything and keeps nothing. One without a descriptor
            is written to plainly.

    Attributes:
        is_gone: Whether a write failed, as on a full disk or a closed terminal, and not for the lack of a reader.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._encoding = getattr(stream, "encoding", None) or "utf-8"
        self._descriptor: int | None = None
        self._poll = select.poll()
        self.is_gone = False
        with contextlib.suppress(OSError, ValueError, AttributeError):
            if stream is not None:
                stream.flush()
                self._descriptor = os.dup(stream.fileno())  # a library's words may be turned away at the original
                self._poll.register(self._descriptor, select.POLLOUT)

    def write(self, text: str, limit_s: float | None = None) -> bool:
        """Write everything, or as much as is taken in time.

        Args:
            text: With its line ends.
            limit_s: Longest wait; None waits for ever, which only a daemon thread may.

        Returns:
            False where not all was taken.
        """
        self.is_gone = False
        if self._descriptor is None:
            return self._write_plainly(text)
        left = memoryview(text.encode(self._encoding, "replace"))
        ends_s = None if limit_s is None else time.monotonic() + limit_s
        try:
            while left:
                wait_ms = None if ends_s is None else max(0, round((ends_s - time.monotonic()) * 1000))
                if not self._poll.poll(wait_ms):
                    return False
                with contextlib.suppress(BlockingIOError):  # whoever shares it has made it so, or was faster
                    left = left[os.write(self._descriptor, left[: select.PIPE_BUF]) :]
        except OSError:  # full, closed, gone
            self.is_gone = True
            return False
        return True

    def close(self) -> None:
        """Release the descriptor; the stream stays open. May be called twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
            self._stream = None

    def _write_plainly(self, text: str) -> bool:
        if self._stream is None:
            return True
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # ValueError: the stream is closed
            self.is_gone = True
            return False
        return True
