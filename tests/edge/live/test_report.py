"""What the program says of its receivers: "up" of none that is not, in view, status line, counters."""

from __future__ import annotations

import io
from collections.abc import Mapping

import pytest

from edge.frames import AUFrame, State
from edge.live.report import LiveReport
from edge.metrics.counters import Metrics
from edge.watch.live_view import LiveView
from edge.watch.screen import one_line
from tests.edge.runtime.doubles import ManualClock


class Receiver:
    """An output that stands as it is told."""

    def __init__(self, name: str, state: str) -> None:
        self.name, self.state = name, state

    @property
    def description(self) -> str:
        return f"{self.name}: udp://x ({self.state})"

    def counters(self) -> Mapping[str, int]:
        return {"sent": 1}


class Source:
    description = "a source"

    def counters(self) -> Mapping[str, int]:
        return {"lost_samples": 0}

    def warnings(self) -> list[str]:
        return []


class Notifier:
    """Keeps what systemd is told."""

    is_active = True

    def __init__(self) -> None:
        self.told: list[str] = []

    def ready(self) -> None: ...

    def watchdog(self) -> None: ...

    def starting(self, text: str) -> None: ...

    def status(self, text: str) -> None:
        self.told.append(text)


def in_view(report: LiveReport, frame: AUFrame) -> str:
    """Return the line of a dumb terminal."""
    report._view = LiveView(("jawOpen", "tongueOut"), "", io.StringIO())
    report.tick(0.0)
    report.on_frame(frame)
    line = one_line(report._view._look(), 40)
    report._view = None
    return line


@pytest.mark.parametrize("state", ["refused", "no route", "no such name yet", "no such interface yet", "down"])
def test_a_receiver_that_is_not_up_is_named_wherever_the_program_speaks(state: str) -> None:
    clock, notifier, metrics = ManualClock(), Notifier(), Metrics()
    outputs = [Receiver("osc", state), Receiver("json", "up"), Receiver("spare", "off")]
    report = LiveReport(metrics, Source(), lambda: outputs, notifier, clock, 0.0, "")  # type: ignore[arg-type]
    frame = AUFrame.neutral(2)
    frame.state = State.LIVE
    report.on_frame(frame)
    assert f"osc {state}" in notifier.told[-1]
    assert f"osc {state}" in in_view(report, frame)
    assert not any("p99" in fact for fact in report._short_facts()), "nothing was measured yet"
    assert f"osc: udp://x ({state})" in report._title()
    assert report.counters()["output_states"] == {"osc": state, "json": "up", "spare": "off"}
    assert not any(word in notifier.told[-1] for word in ("json", "spare"))
    outputs[0].state = "up"
    clock.now_s += 2.0
    report.on_frame(frame)
    assert "osc" not in notifier.told[-1]
    assert report.counters()["output_states"]["osc"] == "up"
