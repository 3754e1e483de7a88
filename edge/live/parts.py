"""What a running program is made of, from its configuration: sound, receivers, page, report, metrics endpoint.

The main thread makes these before the engine starts and closes them after it has ended; receivers and stages are made
again at a reload.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from edge.app import (
    check_channels,
    find_manifest,
    make_controls,
    make_expression,
    make_outputs,
    make_source,
    make_stages,
    network_name,
)
from edge.app.models import DEFAULTS
from edge.config.settings import Settings
from edge.contracts import AudioSource, Clock, FrameOutput, FrameStage
from edge.frames import AUFrame
from edge.live.report import LiveReport
from edge.machine.service import ServiceNotifier
from edge.metrics.counters import Metrics
from edge.postprocess.quiet_voice import QuietVoice

if TYPE_CHECKING:
    from edge.live.head import LiveHead
    from edge.metrics.http import MetricsServer

_PAGE_PORTS = 20  # that are tried for the page, where none is configured: runs beside one another
_log = logging.getLogger("au-edge")


class LiveParts:
    """The parts, and the configuration that is in force.

    Args:
        settings: The configuration; a reload puts another in its place.
        clock: Time.
        metrics: Where everything is counted.
        notifier: The service manager.

    Raises:
        AuEdgeError: There is no such network, or the configuration names a channel that it lacks.
    """

    source: AudioSource
    report: LiveReport

    def __init__(self, settings: Settings, clock: Clock, metrics: Metrics, notifier: ServiceNotifier) -> None:
        self.settings = settings
        self.clock = clock
        self.metrics = metrics
        self.notifier = notifier
        self.manifest = find_manifest(network_name(settings))
        self.expression = make_expression(settings, self.manifest)  # a reload makes new stages, and the mood goes on
        self.outputs: list[FrameOutput] = []
        self._head: LiveHead | None = None
        check_channels(settings, self.manifest)

    def make(self, closing: contextlib.ExitStack) -> None:
        """Make everything that the main thread owns, and note how it is closed.

        Args:
            closing: Closes it, also where this was interrupted.

        Raises:
            AuEdgeError: A part cannot be had.
        """
        self._head = self._make_head()
        if self._head is not None:
            closing.callback(self._head.close)
        self.outputs = self.make_outputs(self.settings)
        self.source = self.make_source()
        self.report = LiveReport(
            self.metrics, self.source, lambda: self.outputs, self.notifier, self.clock,
            self.settings.metrics.log_period_s, self._head.address if self._head is not None else "",
        )  # fmt: skip
        closing.callback(self.report.close)
        for control in make_controls(self.settings.control, self.expression):
            closing.callback(control.close)
            control.open()
            self.report.controls.append(control)
        server = self._make_metrics_server()
        if server is not None:
            closing.callback(server.close)

    def make_source(self) -> AudioSource:
        """Return the sound of the configuration in force, closed."""
        return make_source(self.settings, self.manifest, self.clock, self.expression)

    def make_outputs(self, settings: Settings) -> list[FrameOutput]:
        """Return the receivers of a configuration and the page's, closed."""
        fed = () if self._head is None else (self._head.output(),)
        every = dataclasses.replace(settings, outputs=(*settings.outputs, *fed))
        return make_outputs(every, self.manifest, self.clock)

    def make_stages(
        self, settings: Settings, outputs: Sequence[FrameOutput]
    ) -> tuple[list[FrameStage], list[FrameStage]]:
        """Return the stages of a configuration, and those that come last, after the loop's fallback.

        Args:
            settings: The configuration.
            outputs: Its receivers; those that send the sound itself are stages too.
        """
        stages, last_stages = make_stages(settings, self.manifest, self.expression)
        self.report.quiet_voice = next(stage for stage in stages if isinstance(stage, QuietVoice))
        hearing = [output for output in outputs if isinstance(output, FrameStage)]
        return [*stages, *([self._head] if self._head is not None else []), *hearing], last_stages

    def lead_s(self, name: str) -> float:
        """Return how much earlier than its sound the receiver of a name is sent a face."""
        return next((output.lead_ms / 1000 for output in self.settings.outputs if output.name == name), 0.0)

    def on_frame(self, frame: AUFrame) -> None:
        """Take a frame that was sent, on the engine thread."""
        self.report.on_frame(frame)

    def _make_head(self) -> LiveHead | None:
        """Serve the page where it is configured."""
        if not self.settings.head.enabled:
            return None
        from edge.live.head import LiveHead

        manifest = self.manifest
        head = LiveHead(
            self.settings.head, manifest.sample_rate_hz, manifest.lookahead_ms / 1000, self.clock, self.expression
        )
        is_named = self.settings.origins.get("head.port", DEFAULTS) != DEFAULTS
        head.open(1 if is_named else _PAGE_PORTS)
        _log.warning("the face: %s", head.address)  # a warning, since the view leaves those
        return head

    def _make_metrics_server(self) -> MetricsServer | None:
        """Open the endpoint where it is configured: nothing listens unasked."""
        metrics = self.settings.metrics
        if not metrics.enabled:
            return None
        from edge.machine.jetson import machine_sensors
        from edge.metrics.http import MetricsServer

        server = MetricsServer(
            self.metrics, self.report.counters, machine_sensors, self.clock, metrics.host, metrics.port
        )
        server.open()
        return server
