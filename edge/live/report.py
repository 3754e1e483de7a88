"""What a running program says of itself: the view in the terminal, the line of counters, what systemd is told."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from edge.contracts import AudioSource, Clock, Control, FrameOutput
from edge.frames import AUFrame, State
from edge.machine.service import ServiceNotifier
from edge.metrics.counters import Metrics
from edge.postprocess.quiet_voice import QuietVoice

if TYPE_CHECKING:
    from edge.watch.live_view import LiveView

STATUS_PERIOD_S = 1.0
_log = logging.getLogger("au-edge")


class LiveReport:
    """Reports on frames as they are sent, and now and then on the counters.

    Args:
        metrics: The counters.
        source: Counts its losses.
        outputs: Returns the receivers of now.
        notifier: The service manager.
        clock: Time.
        log_period_s: Between two lines of counters in the log; 0 for none.
        page: Address of the display head, or empty.

    Attributes:
        controls: Where applications are heard.
        quiet_voice: Counts voices below the level that wakes the face; None before the start.
    """

    def __init__(
        self,
        metrics: Metrics,
        source: AudioSource,
        outputs: Callable[[], Sequence[FrameOutput]],
        notifier: ServiceNotifier,
        clock: Clock,
        log_period_s: float,
        page: str,
    ) -> None:
        self._metrics = metrics
        self._source = source
        self._outputs = outputs
        self._notifier = notifier
        self._clock = clock
        self._log_period_s = log_period_s
        self._next_log_s = clock.monotonic_s() + log_period_s
        self._page = page
        self.controls: list[Control] = []
        self.quiet_voice: QuietVoice | None = None
        self._view: LiveView | None = None
        self._facts: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())  # in one step: another thread takes both
        self._is_ready = False
        self._next_status_s = 0.0

    def open_view(self, channels: Sequence[str]) -> None:
        """Draw the face in the terminal, and open the page where there is a display."""
        from edge.watch.live_view import LiveView

        view = LiveView(channels, self._title(), sys.stdout)
        view.open()
        self._view = view
        if self._page:
            from edge.head.running import open_in_browser

            open_in_browser(self._page, os.environ)

    def on_frame(self, frame: AUFrame) -> None:
        """Take a frame that was sent, on the engine thread: only a loop that turns feeds the watchdog."""
        if self._view is not None:
            self._view.show(frame, *self._facts)
        if not self._notifier.is_active:
            return
        if not self._is_ready and frame.state in (State.LIVE, State.SILENCE):
            self._is_ready = True
            self._notifier.ready()
        if not self._is_ready:
            self._notifier.starting("waiting for sound")
        self._notifier.watchdog()
        now_s = self._clock.monotonic_s()
        if self._is_ready and now_s >= self._next_status_s:
            self._next_status_s = now_s + STATUS_PERIOD_S
            self._notifier.status(self._status_line())

    def tick(self, now_s: float) -> None:
        """Say what is due, on the main thread."""
        for line in self._source.warnings():
            _log.warning("%s", line)
        if self._view is not None:
            self._facts = self._short_facts(), tuple(self._troubles())
            self._view.title = self._title()
        elif self._log_period_s > 0 and now_s >= self._next_log_s:
            self._next_log_s = now_s + self._log_period_s
            _log.info("%s", json.dumps(self.counters()))

    def counters(self) -> dict[str, Any]:
        """Bring the counters of source and outputs up to date and return all."""
        quiet_voice = {} if self.quiet_voice is None else {"quiet_voice": self.quiet_voice.n_heard}
        self._metrics.source_counters = {**self._source.counters(), **quiet_voice}
        self._metrics.control_counters = {control.description: control.counters() for control in self.controls}
        self._metrics.output_counters = {output.name: output.counters() for output in self._outputs()}
        self._metrics.output_states = {output.name: output.state for output in self._outputs()}
        return self._metrics.snapshot()

    def close(self) -> None:
        """Give the terminal back; may be called twice."""
        if self._view is not None:
            self._view.close()

    def _title(self) -> str:
        return f"{self._source.description} -> {', '.join(output.description for output in self._outputs())}"

    def _troubles(self) -> list[str]:
        """Return the outputs that are not up, each with its state."""
        states = [(output.name, output.state) for output in self._outputs()]
        return [f"{name} {state}" for name, state in states if state not in ("up", "off", "nothing sent yet")]

    def _short_facts(self) -> tuple[str, ...]:
        """Return what is worth a glance: losses where there are any, latency, the page."""
        facts = []
        lost = self._source.counters().get("lost_samples", 0)
        if self._metrics.late_frames or lost:
            facts.append(f"late {self._metrics.late_frames}, lost {lost} samples")
        latency = self._metrics.stages["sound_to_sent"]
        if latency.n:  # of nothing measured, 0.0 ms would be said
            facts.append(f"sound to sent p99 {latency.quantile_s(0.99) * 1000:.1f} ms")
        if self._page:
            facts.append(self._page)
        return tuple(facts)

    def _status_line(self) -> str:
        latency = self._metrics.stages["sound_to_sent"]
        return (
            f"{self._metrics.state}, {sum(self._metrics.frames.values())} frames, "
            f"p99 {latency.quantile_s(0.99) * 1000:.1f} ms, late {self._metrics.late_frames}, "
            + ", ".join([f"lost {self._source.counters().get('lost_samples', 0)} samples", *self._troubles()])
        )
