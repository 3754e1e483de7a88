"""A screen that redraws itself from the newest frame, on its own thread: a slow terminal holds nobody up."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TextIO

from edge.frames import AUFrame
from edge.machine.outlet import Outlet
from edge.watch.screen import Shown, Style, compose, one_line

DRAW_PERIOD_S = 1 / 15  # the eye follows a mouth at 15 a second, and drawing takes 3 ms
LINE_PERIOD_S = 1.0  # where there is no terminal
WRITE_LIMIT_S = 0.2  # a terminal stopped with Ctrl-S takes nothing; it is asked again, and holds up no end
_ENTER = "\x1b[?1049h\x1b[?25l"  # other screen, no cursor
_LEAVE = "\x1b[?25h\x1b[?1049l"
_HOME, _CLEAR_LINE, _CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"
_FALLBACK_SIZE = (80, 24)


class Screen:
    """Draws what it is asked for, again and again, until it is closed.

    Args:
        stream: A terminal gets a picture 15 times a second; anything else, and a dumb one (TERM), gets a line a second.
        look: Returns what is to be seen now; called on the screen's thread.
    """

    def __init__(self, stream: TextIO, look: Callable[[], Shown]) -> None:
        self._stream = stream
        self._look = look
        self._outlet = Outlet(stream)
        self._is_terminal = stream.isatty() and _terminal_kind() != "dumb"
        self._style = style_of(stream)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        """Begin to draw."""
        if self._is_terminal:
            self._outlet.write(_ENTER, WRITE_LIMIT_S)
        self._thread = threading.Thread(target=self._run, name="au-edge-view", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop and give the terminal back; may be called twice."""
        if self._thread is None:
            return
        self._stop.set()
        self._thread.join(timeout=2 * WRITE_LIMIT_S)
        is_stuck = self._thread.is_alive()
        self._thread = None
        if self._is_terminal and not is_stuck:
            self._outlet.write(_LEAVE, WRITE_LIMIT_S)
        if not is_stuck:
            self._outlet.close()

    def __enter__(self) -> Screen:
        """Open."""
        self.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close."""
        self.close()

    def _run(self) -> None:
        period_s = DRAW_PERIOD_S if self._is_terminal else LINE_PERIOD_S
        while not self._stop.wait(period_s):
            shown = self._look()
            if not self._is_terminal:
                self._outlet.write(one_line(shown, _line_width(self._stream)) + "\n", WRITE_LIMIT_S)
            else:
                width, height = _size_of(self._stream)
                lines = compose(shown, width, height, self._style)
                picture = _HOME + (_CLEAR_LINE + "\r\n").join(lines) + _CLEAR_LINE + _CLEAR_BELOW
                self._outlet.write(picture, WRITE_LIMIT_S)
            if self._outlet.is_gone:
                return


class LiveView:
    """The view of the program's own frames, for `au-edge run --view`.

    Args:
        channels: Names in the frame's order.
        title: What is watched.
        stream: Where to draw.

    Attributes:
        title: What is watched; may be changed at any time.
    """

    def __init__(self, channels: Sequence[str], title: str, stream: TextIO | None = None) -> None:
        self._channels = tuple(channels)
        self.title = title
        self._frame = AUFrame.neutral(len(self._channels))
        self._is_fresh = False
        self._n_frames = 0
        self._rate_mark = (time.monotonic(), 0)
        self._rate_hz = 0.0
        self._facts: Sequence[str] = ()
        self._troubles: Sequence[str] = ()
        self._lock = threading.Lock()
        self._screen = Screen(stream if stream is not None else sys.stdout, self._look)

    def open(self) -> None:
        """Begin to draw."""
        self._screen.open()

    def show(self, frame: AUFrame, facts: Sequence[str] = (), troubles: Sequence[str] = ()) -> None:
        """Take a frame; costs a copy of it.

        Args:
            frame: Read during the call only.
            facts: Further short texts for the last line.
            troubles: Those that are shown before all others, where there is little room.
        """
        with self._lock:
            self._frame.activations[:] = frame.activations
            self._frame.head_deg[:] = frame.head_deg
            self._frame.state = frame.state
            self._frame.level_dbfs = frame.level_dbfs
            self._facts, self._troubles = facts, troubles
            self._is_fresh = True
            self._n_frames += 1

    def close(self) -> None:
        """Give the terminal back; may be called twice."""
        self._screen.close()

    def _look(self) -> Shown:
        with self._lock:
            values = dict(zip(self._channels, self._frame.activations.tolist(), strict=True))
            head_deg, state, level_dbfs = self._frame.head_deg.tolist(), self._frame.state, self._frame.level_dbfs
            facts, troubles, is_fresh, n_frames = self._facts, self._troubles, self._is_fresh, self._n_frames
        now_s = time.monotonic()
        if now_s - self._rate_mark[0] >= 1.0:
            self._rate_hz = (n_frames - self._rate_mark[1]) / (now_s - self._rate_mark[0])
            self._rate_mark = (now_s, n_frames)
        own = (f"{self._rate_hz:.1f} frames/s", f"level {level_dbfs:.0f} dBFS")
        return Shown(values, head_deg, state if is_fresh else None, self.title, (*own, *facts), troubles)


def style_of(stream: TextIO) -> Style:
    """Return what a stream can show: from its encoding, TERM and NO_COLOR (no-color.org)."""
    encoding = (stream.encoding or "ascii").lower().replace("-", "")
    terminal = _terminal_kind()
    is_capable = stream.isatty() and terminal != "dumb"
    # The console of the Linux kernel has 512 glyphs and braille is not among them.
    return Style(encoding == "utf8" and terminal != "linux", is_capable and not os.environ.get("NO_COLOR"))


def _terminal_kind() -> str:
    """Return what kind of terminal the environment tells of; one that tells of none can do nothing."""
    return os.environ.get("TERM") or "dumb"


def _size_of(stream: TextIO) -> tuple[int, int]:
    """Return columns and rows of the terminal now; it may be resized at any time."""
    try:
        size = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        return _FALLBACK_SIZE
    return (size.columns or _FALLBACK_SIZE[0], size.lines or _FALLBACK_SIZE[1])


def _line_width(stream: TextIO) -> int:
    """Return how long a line may be: one less than the terminal is wide, where some begin a new line by themselves."""
    columns = os.environ.get("COLUMNS", "")
    known = [int(columns)] if columns.isdecimal() and len(columns) < 10 else []
    with contextlib.suppress(OSError, ValueError):  # no terminal
        known.append(os.get_terminal_size(stream.fileno()).columns)  # 0 on a serial line, which does not know
    return min([columns for columns in known if columns > 0], default=_FALLBACK_SIZE[0]) - 1
