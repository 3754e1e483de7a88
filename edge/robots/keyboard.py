"""Single keys of a terminal, at once and without Enter."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from types import TracebackType

from edge.errors import DeviceError


class Keyboard:
    """The terminal of standard input, for the time of a `with`."""

    def __enter__(self) -> Keyboard:
        """Take keys one by one.

        Raises:
            DeviceError: Standard input is no terminal: nobody could hold a key.
        """
        self._descriptor = sys.stdin.fileno() if sys.stdin is not None else -1
        if not os.isatty(self._descriptor):
            raise DeviceError(
                "keys that are held", "standard input is not a terminal", "Run it in a terminal, by hand at the head"
            )
        self._before = termios.tcgetattr(self._descriptor)
        tty.setcbreak(self._descriptor)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Give the terminal back as it was."""
        termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)

    def read_each(self) -> str:
        """Return the oldest key that was pressed and not returned yet, "" for none: where every press counts."""
        if not select.select([self._descriptor], [], [], 0)[0]:
            return ""
        return os.read(self._descriptor, 1).decode("latin-1") or "q"  # nothing: the terminal is gone

    def read(self) -> str:
        """Return the newest key pressed, "" for none; older ones are forgotten: nothing moves after the hand."""
        key = ""
        while select.select([self._descriptor], [], [], 0)[0]:
            content = os.read(self._descriptor, 64)
            if not content:
                return "q"  # the terminal is gone
            if b"q" in content:
                return "q"
            key = content[-1:].decode("latin-1")
        return key
