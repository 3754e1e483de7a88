"""The log: whoever says something goes on at once, and a thread of its own writes it.

The engine, a robot's watchdog and the main thread log now and then. If they wrote themselves, a terminal stopped with
Ctrl-S or a pipe that nobody reads would stop the face, and the end of the program. What the queue has no room for is
counted, and said as soon as somebody reads again.
"""

from __future__ import annotations

import logging
import sys
from logging.handlers import QueueHandler, QueueListener
from queue import SimpleQueue
from typing import Any

from edge.machine.outlet import Outlet

KEPT_LINES = 1000  # a day of a program that has little to say; 0.2 MB
END_LIMIT_S = 0.2  # for what is still to be written when the program ends


class LogWriter(QueueListener):
    """The thread that writes.

    Args:
        lines: What is said; unbounded itself, `QueuedLog` bounds it.
        outlet: Where to.
    """

    def __init__(self, lines: SimpleQueue[Any], outlet: Outlet) -> None:
        super().__init__(lines)
        self._lines = lines
        self._outlet = outlet
        self._n_said = 0
        self._n_unwritten = 0  # this thread's count; the other is that of who logs, under the handler's lock
        self.n_dropped = 0

    @property
    def n_lost(self) -> int:
        """Return how many lines were lost."""
        return self.n_dropped + self._n_unwritten

    def handle(self, record: logging.LogRecord) -> None:
        """Write a line, and after it how many were lost, once there is room again."""
        if not self._outlet.write(record.getMessage() + "\n"):
            self._n_unwritten += 1
        n_lost = self.n_lost - self._n_said
        if n_lost and self._lines.qsize() < KEPT_LINES // 2:
            what = "a line of the log was" if n_lost == 1 else f"{n_lost} lines of the log were"
            if self._outlet.write(f"{what} lost: nobody read them, or there was no room for them\n"):
                self._n_said += n_lost

    def stop_within(self, limit_s: float) -> None:
        """End the thread once everything is written, or leave it to itself."""
        thread = self._thread
        if thread is not None:
            self.enqueue_sentinel()
            thread.join(limit_s)
            if not thread.is_alive():
                self._outlet.close()
            self._thread = None


class QueuedLog(QueueHandler):
    """The handler: never waits and never raises.

    Args:
        outlet: Where lines go in the end.
    """

    def __init__(self, outlet: Outlet) -> None:
        lines: SimpleQueue[Any] = SimpleQueue()
        super().__init__(lines)
        self._lines = lines
        self._writer = LogWriter(lines, outlet)
        self._writer.start()

    def enqueue(self, record: logging.LogRecord) -> None:
        """Keep a line, or count it where there is no room."""
        if self._lines.qsize() < KEPT_LINES:
            self._lines.put_nowait(record)
        else:
            self._writer.n_dropped += 1

    def close(self) -> None:
        """Write what is left, for a short time; may be called twice."""
        self._writer.stop_within(END_LIMIT_S)
        super().close()


def start_log(level: str) -> None:
    """Have everything that is logged written to stderr; does nothing where somebody else takes it already.

    Args:
        level: "DEBUG", "INFO", "WARNING" or "ERROR".
    """
    if not logging.getLogger().handlers:
        logging.basicConfig(level=level, format="%(message)s", handlers=[QueuedLog(Outlet(sys.stderr))])


def finish_log(last_line: str = "") -> bool:
    """Write what was logged, within `END_LIMIT_S`, and take no more.

    Args:
        last_line: What is said behind it; empty for nothing.

    Returns:
        Whether there was a log that took the last line.
    """
    root = logging.getLogger()
    found = [handler for handler in root.handlers if isinstance(handler, QueuedLog)]
    for handler in found:
        root.removeHandler(handler)
        if last_line:
            handler.handle(logging.LogRecord("au-edge", logging.CRITICAL, "", 0, last_line, None, None))
        handler.close()
    return bool(found)
