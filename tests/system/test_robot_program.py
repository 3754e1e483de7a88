"""The real program moves a servo board at the end of a wire: within its limits, and to the safe pose at the end."""

from __future__ import annotations

import importlib.util
import os
import pty
import select
import signal
import threading
import time
import tty
from pathlib import Path

import pytest

from tests.pace import Pace
from tests.requirements import need
from tests.system.programs import GIVE_UP_S, SPEECH, running, stop

TICK_S = 0.02
VELOCITY, ACCELERATION = 4000.0, 80_000.0
MAP = f"""
[robot]
driver = maestro
port = {{port}}
lost_after_ms = 300

[actuator.jaw]
output = 0
mix = jawOpen 3.0
neutral = 1100
minimum = 1080
maximum = 1700
velocity = {VELOCITY}
acceleration = {ACCELERATION}
start_velocity = 500
safe = 1120
"""


class Maestro:
    """A board with one servo: answers where it is, and notes each target with its time."""

    def __init__(self) -> None:
        self.master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self.targets: list[tuple[float, float]] = []
        self.position_us = 1300.0
        self._rest = b""
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            if select.select([self.master], [], [], 0.05)[0]:
                self._rest += os.read(self.master, 4096)
                self._obey()

    def _obey(self) -> None:
        while self._rest:
            n_bytes = 2 if self._rest[0] == 0x90 else 4
            if len(self._rest) < n_bytes:
                return
            command, self._rest = self._rest[:n_bytes], self._rest[n_bytes:]
            if command[0] == 0x90:
                os.write(self.master, round(self.position_us * 4).to_bytes(2, "little"))
            elif command[0] == 0x84:
                self.position_us = (command[2] | command[3] << 7) / 4
                self.targets.append((time.monotonic(), self.position_us))


@pytest.fixture
def board() -> Maestro:
    need("pyserial", importlib.util.find_spec("serial") is not None, "pip install pyserial")
    return Maestro()


def arguments(board: Maestro, folder: Path) -> list[str]:
    path = folder / "head.ini"
    path.write_text(MAP.format(port=board.path))
    return [
        "run", "--no-view", "--input", str(SPEECH), "--loop", "-o", "output.head.protocol=robot",
        "-o", f"output.head.mapping={path}", "-o", "output.osc.enabled=no", "-o", "output.json.enabled=no",
    ]  # fmt: skip


def wait_until_it_speaks(board: Maestro) -> None:
    end_s = time.monotonic() + GIVE_UP_S
    while time.monotonic() < end_s:
        recent = [position for _, position in board.targets[-100:]]
        if len(board.targets) > 200 and max(recent) - min(recent) > 20:
            return
        time.sleep(0.1)
    raise AssertionError(f"the jaw does not move: {board.targets[-5:]}")


def check_limits(positions: list[float], start: float) -> None:
    """Assert the limits, to the quarter microsecond that the board counts in."""
    resolution = 0.25 / TICK_S
    speed_before, before = 0.0, start
    for after in positions:
        speed = (after - before) / TICK_S
        assert 1080 <= after <= 1700
        assert abs(speed) <= VELOCITY + resolution
        assert abs(speed - speed_before) <= ACCELERATION * TICK_S + 2 * resolution
        speed_before, before = speed, after


def test_speech_moves_the_jaw_within_its_limits_and_sigterm_leads_to_the_safe_pose(
    board: Maestro, tmp_path: Path
) -> None:
    with running(*arguments(board, tmp_path)) as process:
        wait_until_it_speaks(board)
        with Pace() as pace:
            status, seconds, errors = stop(process)
    assert status == 0, errors
    assert seconds < pace.allowed(1.5), seconds
    positions = [position for _, position in board.targets]
    assert positions[-1] == 0, "switched off"
    assert positions[-2] == pytest.approx(1120, abs=0.25)
    check_limits(positions[:-1], 1300.0)


def test_a_program_that_is_frozen_and_wakes_up_does_not_jump(board: Maestro, tmp_path: Path) -> None:
    with running(*arguments(board, tmp_path)) as process:
        wait_until_it_speaks(board)
        process.send_signal(signal.SIGSTOP)
        time.sleep(1.5)
        n_before = len(board.targets)
        time.sleep(0.2)
        assert len(board.targets) == n_before
        process.send_signal(signal.SIGCONT)
        time.sleep(1.5)
        stop(process)
    check_limits([position for _, position in board.targets if position > 0], 1300.0)
