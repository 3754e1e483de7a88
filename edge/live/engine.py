"""The engine thread of a running program: opens network, sound and receivers, turns the loop, closes them in reverse.

Everything that can hang in a library happens here, so that the main thread can always answer a signal.
"""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Callable, Sequence

from edge.app import BackendChoice, is_played, make_pipeline
from edge.config.settings import Settings
from edge.contracts import FrameOutput, FrameStage
from edge.errors import BackendError
from edge.live.parts import LiveParts
from edge.machine.realtime import make_thread_realtime
from edge.manifest import Manifest
from edge.runtime.loop import FrameLoop
from edge.runtime.source_keeper import SourceKeeper

STOP_LIMIT_S = 3.0  # neutral frames take 0.2 s and closing a microphone up to 0.3 s
LOADING_LIMIT_S = 0.5  # for a network or a microphone that is being opened; nothing has been sent by then
_REPLACE_LIMIT_S = 1.0
_log = logging.getLogger("au-edge")


class LiveEngine:
    """The thread; its public methods belong to the main one.

    Args:
        parts: What the loop reads from and sends to.
        choose: Picks the backend.
    """

    def __init__(self, parts: LiveParts, choose: Callable[[Settings, Manifest], BackendChoice]) -> None:
        self._parts = parts
        self._choose = choose
        self._stop = threading.Event()
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._loop: FrameLoop | None = None
        # A daemon: where a library hangs for ever, the program still ends when it is told to.
        self._thread = threading.Thread(target=self._run, name="au-edge-engine", daemon=True)

    @property
    def is_started(self) -> bool:
        """Return whether everything is open and frames are sent."""
        return self._started.is_set()

    @property
    def is_running(self) -> bool:
        """Return whether the thread lives and nobody asked it to end."""
        return self._thread.is_alive() and not self._stop.is_set()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wait(self, limit_s: float) -> None:
        """Wait for the thread's end, at most so long."""
        self._thread.join(limit_s)

    def ask_to_stop(self) -> None:
        """Ask for the end, and return at once."""
        self._stop.set()

    def stop(self) -> None:
        """Ask for the end and wait for it, for as long as it may take."""
        self._stop.set()
        if not self._started.is_set():
            self._thread.join(LOADING_LIMIT_S)
        if self._started.is_set():
            self._thread.join(STOP_LIMIT_S)

    def check(self) -> None:
        """Raise what ended the thread, or did not let it end.

        Raises:
            AuEdgeError: The start failed, the network failed while running, or frames were sent and there is no end.
        """
        if self._failure is not None:
            raise self._failure
        if self._thread.is_alive() and self._started.is_set():
            raise BackendError(
                "stopping", f"the engine did not end within {STOP_LIMIT_S:g} s", "See the log before this"
            )

    def replace(
        self, stages: Sequence[FrameStage], last_stages: Sequence[FrameStage], outputs: Sequence[FrameOutput]
    ) -> None:
        """Hand the loop other stages and receivers between two frames, and wait until it has them."""
        done = threading.Event()

        def change(loop: FrameLoop) -> None:
            loop.replace(stages, last_stages, outputs)
            done.set()

        if self._loop is not None:
            self._loop.request(change)
            done.wait(_REPLACE_LIMIT_S)

    # --- engine thread -----------------------------------------------------------------------------------------

    def _run(self) -> None:
        """Keep what failed for the main thread."""
        try:
            self._engine()
        except BaseException as err:  # the main thread raises it
            self._failure = err
        finally:
            self._stop.set()

    def _engine(self) -> None:
        """Open everything, run the loop, close everything in reverse."""
        parts, settings, manifest = self._parts, self._parts.settings, self._parts.manifest
        choice = self._choose(settings, manifest)
        if self._stop.is_set():  # here and below: what has sent nothing yet has nothing to take back
            return
        keeper = SourceKeeper(parts.source, parts.clock)
        session = choice.backend.open(manifest)
        try:
            if self._stop.is_set():
                return
            session.warm_up(settings.model.warm_up_frames)
            keeper.open(settings.audio.wait, self._stop)
            if self._stop.is_set():
                return
            stages, last_stages = parts.make_stages(settings, parts.outputs)
            pipeline = make_pipeline(manifest, session, lambda: parts.source.rate_hz, stages, parts.metrics)
            is_live = settings.audio.pace == "realtime" or settings.audio.source not in ("file", "tone", "noise")
            self._loop = FrameLoop(
                keeper, pipeline, last_stages, parts.outputs, settings.loss, parts.clock, parts.metrics,
                is_live=is_live, on_frame=parts.on_frame,
                is_played=is_played(settings), lead_s=parts.lead_s,
            )  # fmt: skip
            for output in parts.outputs:
                output.open()
            self._log_start(choice.reason)
            if settings.realtime.fifo_priority:
                _log.info("%s", make_thread_realtime(settings.realtime.fifo_priority, "engine"))
            if settings.realtime.freeze_heap:
                gc.collect()
                gc.freeze()
            self._started.set()
            self._loop.run(self._stop)
            parts.notifier.stopping()
        finally:
            for output in reversed(parts.outputs):
                output.close()
            keeper.close()
            session.close()

    def _log_start(self, reason: str) -> None:
        manifest = self._parts.manifest
        _log.info("listening to %s", self._parts.source.description)
        _log.info(
            "network %s %s (%s), %s frames a second, %s", manifest.name, manifest.version, manifest.precision,
            float(manifest.frame_rate), reason,
        )  # fmt: skip
        for output in self._parts.outputs:
            _log.info("sending %s", output.description)
