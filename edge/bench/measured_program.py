"""The process that is measured: `au-edge run` itself, with metrics that keep every duration and one local receiver.

    python -m edge.bench.measured_program REPORT.json PORT PROTOCOL WARM_UP_S BACKEND [-- arguments of `au-edge run`]

It runs until SIGTERM and then writes its report. `edge.bench.live_run` starts it; as a process of its own its memory,
its processor time and its start are those of the real program.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge.app import PROTOCOLS, TRANSPORTS, load_class
from edge.bench.durations import DurationMetrics, TimedCodec, TimedSource, TimedTransport
from edge.commands.arguments import add_configuration_arguments, settings_from
from edge.contracts import AudioSource, Codec, FrameOutput, Transport
from edge.errors import AuEdgeError
from edge.frames import AUFrame
from edge.live import LiveProgram
from edge.settings import Settings


class MeasuredProgram(LiveProgram):
    """The live program with stop-watches.

    Args:
        load: Reads the configuration.
        metrics: Keeps the durations.
        port: UDP port of the receiver on this machine, which takes the place of all configured ones.
        protocol: Wire format.
        warm_up_s: Time from the first frame that is not recorded.
    """

    def __init__(
        self, load: Callable[[], Settings], metrics: DurationMetrics, port: int, protocol: str, warm_up_s: float
    ) -> None:
        super().__init__(load, metrics=metrics)
        self._durations = metrics
        self._port = port
        self._protocol = protocol
        self._warm_up_s = warm_up_s
        self._recording_from_s: float | None = None

    def report(self) -> dict[str, Any]:
        """Return durations in seconds by stage and the program's own counters, as plain JSON values."""
        durations = {stage: list(kept) for stage, kept in self._durations.durations().items()}
        return {
            "durations_s": durations,
            "counters": self._report.counters(),
            "source": self._source.description,
            "network": f"{self._manifest.name} {self._manifest.version} {self._manifest.precision}",
            "frame_period_s": self._manifest.frame_period_s,
            "lookahead_s": self._manifest.lookahead_ms / 1000,
        }

    def _make_outputs(self, settings: Settings) -> list[FrameOutput]:
        from edge.outputs.sender import Output

        codec: Codec = load_class(PROTOCOLS, self._protocol)(self._manifest, {})
        transport: Transport = load_class(TRANSPORTS, "udp")("127.0.0.1", self._port)
        timed_codec, timed_transport = TimedCodec(codec, self._durations), TimedTransport(transport, self._durations)
        return [Output("bench", timed_codec, timed_transport, self._clock)]

    def _make_source(self, settings: Settings) -> AudioSource:
        return TimedSource(super()._make_source(settings), self._durations)

    def _on_frame(self, frame: AUFrame) -> None:
        super()._on_frame(frame)
        if not self._durations.is_recording:
            now_s = time.monotonic()
            if self._recording_from_s is None:
                self._recording_from_s = now_s + self._warm_up_s
            self._durations.is_recording = now_s >= self._recording_from_s


def main() -> int:
    """Run until SIGTERM; return an exit status as `au-edge` does."""
    parser = argparse.ArgumentParser(prog="edge.bench.measured_program")
    parser.add_argument("report", type=Path)
    parser.add_argument("port", type=int)
    parser.add_argument("protocol")
    parser.add_argument("warm_up_s", type=float)
    parser.add_argument("backend")
    add_configuration_arguments(parser)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)

    def load() -> Settings:
        settings = settings_from(arguments)
        return replace(settings, outputs=(), model=replace(settings.model, backend=arguments.backend))

    program = MeasuredProgram(load, DurationMetrics(), arguments.port, arguments.protocol, arguments.warm_up_s)
    try:
        program.run()
    except AuEdgeError as err:
        print(err, file=sys.stderr)
        return err.exit_code
    arguments.report.write_text(json.dumps(program.report()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
