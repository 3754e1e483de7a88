"""The process that is measured: `au-edge run` itself, with metrics that keep every duration and one local receiver.

    python -m edge.bench.measured_program REPORT.json PORT PROTOCOL WARM_UP_S BACKEND PARENT [arguments of a run]

It runs until SIGTERM, or until the process PARENT ends, and then writes its report. `edge.bench.live_run` starts it; as
a process of its own its memory, its processor time and its start are those of the real program.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edge.app import PROTOCOLS, TRANSPORTS, load_class
from edge.app.arguments import add_configuration_arguments, settings_from
from edge.bench.durations import DurationMetrics, TimedCodec, TimedSource, TimedTransport
from edge.config.settings import Settings
from edge.contracts import AudioSource, Clock, Codec, FrameOutput, Transport
from edge.errors import AuEdgeError
from edge.frames import AUFrame
from edge.live.parts import LiveParts
from edge.live.program import LiveProgram
from edge.machine.child import end_with
from edge.machine.service import ServiceNotifier


@dataclass(frozen=True)
class Measurement:
    """What is measured.

    Args:
        port: UDP port of the receiver on this machine, which takes the place of all configured ones.
        protocol: Wire format.
        warm_up_s: Time from the first frame that is not recorded.
    """

    port: int
    protocol: str
    warm_up_s: float


class MeasuredParts(LiveParts):
    """The parts with stop-watches, and one local receiver.

    Args:
        settings: The configuration.
        clock: Time.
        metrics: Keeps the durations.
        notifier: The service manager.
        measurement: What is measured.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        metrics: DurationMetrics,
        notifier: ServiceNotifier,
        measurement: Measurement,
    ) -> None:
        super().__init__(settings, clock, metrics, notifier)
        self._durations = metrics
        self._measurement = measurement
        self._recording_from_s: float | None = None

    def make_outputs(self, settings: Settings) -> list[FrameOutput]:
        """Return the local receiver, whatever is configured."""
        from edge.outputs.sender import Output

        codec: Codec = load_class(PROTOCOLS, self._measurement.protocol)(self.manifest, {})
        transport: Transport = load_class(TRANSPORTS, "udp")("127.0.0.1", self._measurement.port)
        timed_codec, timed_transport = TimedCodec(codec, self._durations), TimedTransport(transport, self._durations)
        return [Output("bench", timed_codec, timed_transport, self.clock)]

    def make_source(self) -> AudioSource:
        """Return the configured sound with a stop-watch."""
        return TimedSource(super().make_source(), self._durations)

    def on_frame(self, frame: AUFrame) -> None:
        """Take a frame that was sent; the first of all begins the warm-up."""
        super().on_frame(frame)
        if not self._durations.is_recording:
            now_s = time.monotonic()
            if self._recording_from_s is None:
                self._recording_from_s = now_s + self._measurement.warm_up_s
            self._durations.is_recording = now_s >= self._recording_from_s


class MeasuredProgram(LiveProgram):
    """The live program, made of measured parts.

    Args:
        load: Reads the configuration.
        metrics: Keeps the durations.
        measurement: What is measured.
        report_path: Where the report is written at the end.
    """

    def __init__(
        self, load: Callable[[], Settings], metrics: DurationMetrics, measurement: Measurement, report_path: Path
    ) -> None:
        super().__init__(load, metrics=metrics)
        self._durations = metrics
        self._measurement = measurement
        self._report_path = report_path

    def report(self) -> dict[str, Any]:
        """Return durations in seconds by stage and the program's own counters, as plain JSON values."""
        durations = {stage: list(kept) for stage, kept in self._durations.durations().items()}
        manifest = self._parts.manifest
        return {
            "durations_s": durations,
            "counters": self._parts.report.counters(),
            "source": self._parts.source.description,
            "network": f"{manifest.name} {manifest.version} {manifest.precision}",
            "frame_period_s": manifest.frame_period_s,
            "lookahead_s": manifest.lookahead_ms / 1000,
        }

    def _finish(self) -> None:
        # Now: a thread that a library has left behind (OpenVINO does) may end the process on the way back to `main`.
        self._report_path.write_text(json.dumps(self.report()), encoding="utf-8")

    def _make_parts(self, settings: Settings) -> LiveParts:
        return MeasuredParts(settings, self._clock, self._durations, self._notifier, self._measurement)


def main() -> int:
    """Run until SIGTERM; return an exit status as `au-edge` does."""
    parser = argparse.ArgumentParser(prog="edge.bench.measured_program")
    parser.add_argument("report", type=Path)
    parser.add_argument("port", type=int)
    parser.add_argument("protocol")
    parser.add_argument("warm_up_s", type=float)
    parser.add_argument("backend")
    parser.add_argument("parent", type=int)
    add_configuration_arguments(parser)
    arguments = parser.parse_args()
    end_with(arguments.parent)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)

    def load() -> Settings:
        settings = settings_from(arguments)
        return replace(settings, outputs=(), model=replace(settings.model, backend=arguments.backend))

    measurement = Measurement(arguments.port, arguments.protocol, arguments.warm_up_s)
    program = MeasuredProgram(load, DurationMetrics(), measurement, arguments.report)
    try:
        program.run()
    except AuEdgeError as err:
        print(err, file=sys.stderr)
        return err.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
