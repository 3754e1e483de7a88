"""The running program: makes its parts, starts the engine, answers signals, ends both in reverse.

The main thread waits for signals, draws the view and logs; the engine thread (engine.py) does everything else.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

from edge.app import choose_backend
from edge.config.settings import Settings
from edge.exit_status import leave_hanging_threads
from edge.live.engine import LiveEngine
from edge.live.parts import LiveParts
from edge.live.reload import reload_configuration
from edge.machine.clock import SystemClock
from edge.machine.realtime import MAIN_PRIORITY, SWITCH_INTERVAL_S, make_thread_normal, make_thread_realtime
from edge.machine.service import ServiceNotifier
from edge.metrics.counters import Metrics

WATCH_PERIOD_S = 0.05  # of the main thread: a signal, too, can wait this long


class _StopAsked(BaseException):
    """The program is to end before it has begun."""


class LiveProgram:
    """`au-edge run`.

    Args:
        load: Reads the configuration; called again at SIGHUP.
        duration_s: Ends after this time; None for never.
        has_view: Draw the face in the terminal.
        metrics: Where everything is counted; a measurement brings one that keeps every duration.
    """

    def __init__(
        self,
        load: Callable[[], Settings],
        duration_s: float | None = None,
        has_view: bool = False,
        metrics: Metrics | None = None,
    ) -> None:
        self._load = load
        self._duration_s = duration_s
        self._has_view = has_view
        self._clock = SystemClock()
        self._metrics = metrics or Metrics()
        self._notifier = ServiceNotifier.from_environment()
        self._is_stop_asked = False
        self._is_reload_asked = False
        self._is_prepared = False

    @property
    def is_stop_asked(self) -> bool:
        """Return whether a signal ended it, and not its input."""
        return self._is_stop_asked

    def run(self) -> int:
        """Run until a signal, the end of the input or the duration.

        Returns:
            0.

        Raises:
            AuEdgeError: The start failed, or the network failed while running.
        """
        with contextlib.ExitStack() as closing:
            closing.callback(self._notifier.close)
            for number in self._signals():
                closing.callback(signal.signal, number, signal.signal(number, self._on_signal))
            try:
                self._parts = self._make_parts(self._load())
                self._parts.make(closing)
            except _StopAsked:
                return 0
            self._is_prepared = True
            if self._is_stop_asked:
                return 0
            if self._parts.settings.realtime.fifo_priority:
                closing.callback(sys.setswitchinterval, sys.getswitchinterval())
                closing.callback(make_thread_normal, threading.get_native_id())
                sys.setswitchinterval(SWITCH_INTERVAL_S)
            engine = LiveEngine(self._parts, choose_backend)
            engine.start()
            try:
                self._watch(engine)
            finally:
                engine.stop()
        engine.check()
        self._finish()
        if self._is_stop_asked:
            leave_hanging_threads(0)
        return 0

    def _finish(self) -> None:
        """Do what no thread that hangs in a library may keep from being done: a program that is measured reports."""

    def _make_parts(self, settings: Settings) -> LiveParts:
        return LiveParts(settings, self._clock, self._metrics, self._notifier)

    @staticmethod
    def _signals() -> tuple[signal.Signals, ...]:
        return (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        """Note what is asked. No lock here, not even an Event's: the thread that is interrupted may hold it."""
        if number == signal.SIGHUP and not self._has_view:  # with a view it says that the terminal is gone
            self._is_reload_asked = True
        else:
            is_first, self._is_stop_asked = not self._is_stop_asked, True
            if is_first and not self._is_prepared:
                raise _StopAsked  # as KeyboardInterrupt would: imports alone can take a second on a busy machine

    def _watch(self, engine: LiveEngine) -> None:
        """Wait, draw, log and reload until the engine ends."""
        parts = self._parts
        ends_s = None
        while engine.is_running:
            engine.wait(WATCH_PERIOD_S)
            if self._is_stop_asked:
                break
            now_s = self._clock.monotonic_s()
            if not engine.is_started:
                continue
            if ends_s is None:
                ends_s = now_s + self._duration_s if self._duration_s is not None else float("inf")
                if parts.settings.realtime.fifo_priority:
                    make_thread_realtime(MAIN_PRIORITY, "main")
                if self._has_view:
                    parts.report.open_view(parts.manifest.channels)
            if now_s >= ends_s:
                engine.ask_to_stop()
            if self._is_reload_asked:
                self._is_reload_asked = False
                reload_configuration(self._load, parts, engine)
            parts.report.tick(now_s)
