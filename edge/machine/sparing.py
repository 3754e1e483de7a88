"""Lines of the log that strangers cause: as many as a person reads, and then how many more there were.

Whoever can connect can do so a hundred times a second; a line for each would fill the journal.
"""

from __future__ import annotations

import time
from collections.abc import Callable

MOST_LINES = 10
PERIOD_S = 60.0


class Sparing:
    """Decides which lines are said.

    Args:
        now_s: Returns monotonic time.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._began_s = float("-inf")
        self._n_lines = 0

    def line(self, text: str) -> str:
        """Return a line as it is to be said, or "" where there were enough within this minute.

        Args:
            text: The line.
        """
        if self._now_s() - self._began_s >= PERIOD_S:
            n_more = max(0, self._n_lines - MOST_LINES)
            self._began_s, self._n_lines = self._now_s(), 1
            return f"{text} (and {n_more} more such lines before)" if n_more else text
        self._n_lines += 1
        if self._n_lines == MOST_LINES:
            return f"{text} (more such lines of the next {PERIOD_S:g} s are only counted)"
        return text if self._n_lines < MOST_LINES else ""
