"""A robot or a node gets each face at its own time and rate, whole, and in order."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

import pytest

from edge.app.receivers import make_output
from edge.config.settings import OutputSettings
from edge.contracts import FrameOutput
from edge.frames import AUFrame, State
from edge.outputs.later import LaterOutput
from edge.robots.robot_output import RobotOutput
from tests.edge.outputs.faces import FakeClock, frame_with, manifest_with


class Taker:
    """A receiver of whole frames that notes when it got which."""

    name = "taker"
    description = "taker (up)"
    state = "up"

    def __init__(self, clock: FakeClock) -> None:
        self.taken: list[tuple[float, AUFrame]] = []
        self.n_closed = 0
        self._clock = clock

    def open(self) -> None: ...

    def send(self, frame: AUFrame) -> None:
        self.taken.append((self._clock.now_s, frame.copy()))

    def pump(self) -> None: ...

    def counters(self) -> Mapping[str, int]:
        return {"sent": len(self.taken), "failed": 0}

    def close(self) -> None:
        self.n_closed += 1


def play(later: LaterOutput, clock: FakeClock, n_frames: int, first: int = 0) -> None:
    frame = frame_with([0.0])
    for index in range(first, first + n_frames):
        frame.activations[0] = index / 1000  # the same frame, overwritten as in the loop
        frame.sequence = index
        frame.capture_time_s = clock.now_s
        later.send(frame)
        for _ in range(5):
            clock.now_s += 1 / 150
            later.pump()


@pytest.mark.parametrize("delay_ms", [0.0, 50.0, 400.0])
def test_every_face_comes_later_by_that_and_unchanged(delay_ms: float) -> None:
    clock = FakeClock()
    taker = Taker(clock)
    later = LaterOutput(taker, clock, delay_ms=delay_ms)
    assert isinstance(later, FrameOutput)
    play(later, clock, 60)
    clock.now_s += 1.0
    later.pump()
    assert [frame.sequence for _, frame in taker.taken] == list(range(60))
    assert [frame.activations[0] for _, frame in taker.taken] == pytest.approx([i / 1000 for i in range(60)])
    waits = [time_s - frame.capture_time_s for time_s, frame in taker.taken[:40]]
    assert all(delay_ms / 1000 <= wait + 1e-9 <= delay_ms / 1000 + 0.01 for wait in waits)


def test_a_rate_thins_the_faces_out_but_not_the_last() -> None:
    clock = FakeClock()
    taker = Taker(clock)
    later = LaterOutput(taker, clock, rate_hz=10)
    play(later, clock, 90)
    assert len(taker.taken) == 30
    assert later.counters() == {"sent": 30, "failed": 0, "skipped": 60}
    later.send(frame_with([0.0], state=State.STOPPING))
    assert taker.taken[-1][1].state == State.STOPPING


def test_a_delay_that_gets_shorter_keeps_the_order() -> None:
    clock = FakeClock()
    taker = Taker(clock)
    later = LaterOutput(taker, clock, delay_ms=200)
    play(later, clock, 10)
    later.delay_ms = 0.0
    play(later, clock, 20, first=10)
    sequences = [frame.sequence for _, frame in taker.taken]
    assert sequences == list(range(30))
    times = [time_s for time_s, _ in taker.taken]
    assert all(a <= b for a, b in itertools.pairwise(times))


def test_the_end_waits_for_nothing() -> None:
    clock = FakeClock()
    taker = Taker(clock)
    later = LaterOutput(taker, clock, delay_ms=5000)
    play(later, clock, 10)
    later.close()
    assert (taker.taken, taker.n_closed) == ([], 1)


def test_a_robot_has_the_delay_of_its_section_and_keeps_its_motion_over_a_reload(tmp_path: Path) -> None:
    path = tmp_path / "head.ini"
    path.write_text("[robot]\ndriver = osc\n[actuator.jaw]\nmix = jawOpen 1\n")
    clock = FakeClock()

    def robot(delay_ms: float) -> LaterOutput:
        section = OutputSettings("head", protocol="robot", mapping=str(path), delay_ms=delay_ms)
        made = make_output(section, manifest_with(), clock)
        assert isinstance(made, LaterOutput)
        assert isinstance(made.inner, RobotOutput)
        return made

    running = robot(120.0)
    assert running.delay_ms == 120
    assert running.adopt(robot(40.0))
    assert running.delay_ms == 40
    path.write_text("[robot]\ndriver = osc\n[actuator.brow]\nmix = jawOpen 1\n")
    assert not running.adopt(robot(10.0))
    assert running.delay_ms == 40
