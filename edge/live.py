"""The running program: starts the parts in order, stops them in reverse, answers signals.

The main thread waits for signals, draws the view and logs; the engine thread (runtime/loop.py) does everything else.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any

from edge.app import (
    check_channels,
    choose_backend,
    find_manifest,
    make_outputs,
    make_pipeline,
    make_source,
    make_stages,
)
from edge.clock import SystemClock
from edge.contracts import AudioSource, FrameOutput, FrameStage
from edge.errors import AuEdgeError, BackendError, ConfigurationError
from edge.frames import AUFrame
from edge.live_report import LiveReport
from edge.manifest import Manifest
from edge.metrics import Metrics
from edge.realtime import MAIN_PRIORITY, SWITCH_INTERVAL_S, make_thread_normal, make_thread_realtime
from edge.runtime.loop import FrameLoop
from edge.runtime.source_keeper import SourceKeeper
from edge.service import ServiceNotifier
from edge.settings import Settings

if TYPE_CHECKING:
    from edge.live_head import LiveHead
    from edge.metrics_http import MetricsServer

WATCH_PERIOD_S = 0.05  # of the main thread: a signal, too, can wait this long
STOP_LIMIT_S = 3.0  # neutral frames take 0.2 s and closing a microphone up to 0.3 s
LOADING_LIMIT_S = 0.5  # for a network or a microphone that is being opened; nothing has been sent by then
_FIXED_SECTIONS = ("audio", "model", "realtime", "metrics", "head")  # what SIGHUP cannot change in a running program
_log = logging.getLogger("au-edge")


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
        self._stop = threading.Event()
        self._is_stop_asked = False
        self._is_reload_asked = False
        self._is_prepared = False
        self._failure: BaseException | None = None
        self._started = threading.Event()
        self._loop: FrameLoop | None = None
        self._outputs: list[FrameOutput] = []
        self._notifier = ServiceNotifier.from_environment()
        self._head: LiveHead | None = None

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
                self._prepare(closing)
            except _StopAsked:
                return 0
            self._is_prepared = True
            if self._is_stop_asked:
                return 0
            if self._settings.realtime.fifo_priority:
                closing.callback(sys.setswitchinterval, sys.getswitchinterval())
                closing.callback(make_thread_normal, threading.get_native_id())
                sys.setswitchinterval(SWITCH_INTERVAL_S)
            # A daemon: where a library hangs for ever, the program still ends when it is told to.
            engine = threading.Thread(target=self._run_engine, name="au-edge-engine", daemon=True)
            engine.start()
            try:
                self._watch(engine)
            finally:
                self._stop.set()
                if not self._started.is_set():
                    engine.join(LOADING_LIMIT_S)
                if self._started.is_set():
                    engine.join(STOP_LIMIT_S)
        if self._failure is not None:
            raise self._failure
        if engine.is_alive() and self._started.is_set():
            raise BackendError(
                "stopping", f"the engine did not end within {STOP_LIMIT_S:g} s", "See the log before this"
            )
        if self._is_stop_asked and any(thread.daemon for thread in threading.enumerate()):
            _leave()
        return 0

    def _prepare(self, closing: contextlib.ExitStack) -> None:
        """Make everything that the main thread owns, and note how it is closed."""
        self._settings = self._load()
        self._manifest = find_manifest(self._settings.model.path)
        check_channels(self._settings, self._manifest)
        self._head = self._make_head()
        if self._head is not None:
            closing.callback(self._head.close)
        self._outputs = self._make_outputs(self._settings)
        self._source = self._make_source(self._settings)
        self._report = LiveReport(
            self._metrics, self._source, lambda: self._outputs, self._notifier, self._clock,
            self._settings.metrics.log_period_s, self._head.address if self._head is not None else "",
        )  # fmt: skip
        closing.callback(self._report.close)
        server = self._make_metrics_server()
        if server is not None:
            closing.callback(server.close)

    def _make_outputs(self, settings: Settings) -> list[FrameOutput]:
        fed = () if self._head is None else (self._head.output(),)
        every = dataclasses.replace(settings, outputs=(*settings.outputs, *fed))
        return make_outputs(every, self._manifest, self._clock)

    def _make_stages(
        self, settings: Settings, outputs: Sequence[FrameOutput]
    ) -> tuple[list[FrameStage], list[FrameStage]]:
        stages, last_stages = make_stages(settings, self._manifest)
        hearing = [output for output in outputs if isinstance(output, FrameStage)]  # those that send the sound itself
        return [*stages, *([self._head] if self._head is not None else []), *hearing], last_stages

    def _make_head(self) -> LiveHead | None:
        """Serve the page where it is configured."""
        if not self._settings.head.enabled:
            return None
        from edge.live_head import LiveHead

        manifest = self._manifest
        head = LiveHead(self._settings.head, manifest.sample_rate_hz, manifest.lookahead_ms / 1000, self._clock)
        head.open()
        print(f"the face: {head.address}", file=sys.stderr)
        return head

    def _make_source(self, settings: Settings) -> AudioSource:
        return make_source(settings, self._manifest, self._clock)

    # --- main thread -------------------------------------------------------------------------------------------

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

    def _watch(self, engine: threading.Thread) -> None:
        """Wait, draw, log and reload until the engine ends."""
        ends_s = None
        while engine.is_alive() and not self._stop.is_set():
            engine.join(WATCH_PERIOD_S)
            if self._is_stop_asked:
                break
            now_s = self._clock.monotonic_s()
            if not self._started.is_set():
                continue
            if ends_s is None:
                ends_s = now_s + self._duration_s if self._duration_s is not None else float("inf")
                if self._settings.realtime.fifo_priority:
                    make_thread_realtime(MAIN_PRIORITY, "main")
                if self._has_view:
                    self._report.open_view(self._manifest.channels)
            if now_s >= ends_s:
                self._stop.set()
            if self._is_reload_asked:
                self._is_reload_asked = False
                self._reload()
            self._report.tick(now_s)

    def _make_metrics_server(self) -> MetricsServer | None:
        """Open the endpoint where it is configured: nothing listens unasked."""
        metrics = self._settings.metrics
        if not metrics.enabled:
            return None
        from edge.bench.jetson import machine_sensors
        from edge.metrics_http import MetricsServer

        server = MetricsServer(
            self._metrics, self._report.counters, machine_sensors, self._clock, metrics.host, metrics.port
        )
        server.open()
        return server

    def _reload(self) -> None:
        """Read the configuration again and hand it to the loop, or refuse it whole."""
        self._notifier.reloading()
        try:
            settings = self._load()
            changed = [name for name in _FIXED_SECTIONS if getattr(settings, name) != getattr(self._settings, name)]
            if changed:
                raise ConfigurationError(
                    "the new configuration", f"it changes {', '.join(changed)}", "Restart the program for these"
                )
            check_channels(settings, self._manifest)
            outputs = self._make_outputs(settings)
            stages, last_stages = self._make_stages(settings, outputs)
        except AuEdgeError as err:
            _log.error("configuration not changed: %s", err)
        else:
            self._apply(settings, stages, last_stages, outputs)
        self._notifier.ready()

    def _apply(self, settings: Settings, stages: Any, last_stages: Any, outputs: list[FrameOutput]) -> None:
        before = {output.name: output for output in self._outputs}
        after = [_adopted(before.get(output.name), output) for output in outputs]
        for output in after:
            if output not in self._outputs:
                output.open()
        done = threading.Event()

        def change(loop: FrameLoop) -> None:
            loop.replace(stages, last_stages, after)
            done.set()

        if self._loop is not None:
            self._loop.request(change)
            done.wait(1.0)
        for output in self._outputs:
            if output not in after:
                output.close()  # here and not on the engine thread: a robot takes a second to its safe pose
        self._outputs = after
        self._settings = settings
        _log.info("configuration read again and in force")

    # --- engine thread -----------------------------------------------------------------------------------------

    def _run_engine(self) -> None:
        """Open everything, run the loop, close everything in reverse; keep what failed for the main thread."""
        try:
            self._engine()
        except BaseException as err:  # the main thread raises it
            self._failure = err
        finally:
            self._stop.set()

    def _engine(self) -> None:
        settings, manifest = self._settings, self._manifest
        choice = choose_backend(settings, manifest)
        if self._stop.is_set():  # here and below: what has sent nothing yet has nothing to take back
            return
        keeper = SourceKeeper(self._source, self._clock)
        session = choice.backend.open(manifest)
        try:
            if self._stop.is_set():
                return
            session.warm_up(settings.model.warm_up_frames)
            keeper.open(settings.audio.wait, self._stop)
            if self._stop.is_set():
                return
            stages, last_stages = self._make_stages(settings, self._outputs)
            pipeline = make_pipeline(manifest, session, lambda: self._source.rate_hz, stages, self._metrics)
            is_live = settings.audio.pace == "realtime" or settings.audio.source not in ("file", "tone", "noise")
            self._loop = FrameLoop(
                keeper, pipeline, last_stages, self._outputs, settings.loss, self._clock, self._metrics,
                is_live=is_live, on_frame=self._on_frame,
            )  # fmt: skip
            for output in self._outputs:
                output.open()
            self._log_start(manifest, choice.reason)
            if settings.realtime.fifo_priority:
                _log.info("%s", make_thread_realtime(settings.realtime.fifo_priority, "engine"))
            if settings.realtime.freeze_heap:
                gc.collect()
                gc.freeze()
            self._started.set()
            self._loop.run(self._stop)
            self._notifier.stopping()
        finally:
            for output in reversed(self._outputs):
                output.close()
            keeper.close()
            session.close()

    def _log_start(self, manifest: Manifest, reason: str) -> None:
        _log.info("listening to %s", self._source.description)
        _log.info(
            "network %s %s (%s), %s frames a second, %s", manifest.name, manifest.version, manifest.precision,
            float(manifest.frame_rate), reason,
        )  # fmt: skip
        for output in self._outputs:
            _log.info("sending %s", output.description)

    def _on_frame(self, frame: AUFrame) -> None:
        """Take a frame that was sent, on the engine thread."""
        self._report.on_frame(frame)


def _leave() -> None:
    """End the process with status 0 at once.

    A thread that is in a library, which loads a network or opens a microphone, must not have the interpreter torn down
    under it: when it next asked for the interpreter's lock, Python would end it, and in C++ that aborts the process.
    """
    logging.shutdown()
    sys.stderr.flush()
    os._exit(0)


def _adopted(old: FrameOutput | None, new: FrameOutput) -> FrameOutput:
    """Return the old receiver where it can go on, without a gap, as the new one is configured (a robot can)."""
    adopt = getattr(old, "adopt", None)
    if old is None or adopt is None or type(old) is not type(new) or not adopt(new):
        return new
    return old
