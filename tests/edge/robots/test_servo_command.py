"""`au-edge servo`, run as a person runs it: in a terminal, with keys, and a Maestro at the other end of the wire."""

from __future__ import annotations

import argparse
import importlib.util
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge.commands import servo
from edge.errors import DeviceError
from tests.edge.robots.test_drivers import SerialDevice
from tests.requirements import need

MAP = """
[robot]
driver = maestro
port = {port}
[actuator.jaw]
output = 0
mix = jawOpen 1
neutral = 1100
minimum = 1000
maximum = 1300
start_velocity = 500
velocity = 5000
acceleration = 50000
[actuator.brow]
output = 1
mix = browInnerUp 1
"""
PROGRAM = (
    "import argparse, sys; from edge.commands import servo; p = argparse.ArgumentParser(); servo.add_arguments(p); "
    "sys.exit(servo.run(p.parse_args(sys.argv[1:])))"
)


def test_keys_in_a_terminal_move_one_servo_only(tmp_path: Path) -> None:
    need("pyserial", importlib.util.find_spec("serial") is not None, "pip install pyserial")
    device = SerialDevice(lambda content: (1100 * 4).to_bytes(2, "little") * content.count(b"\x90"))
    (tmp_path / "head.ini").write_text(MAP.format(port=device.path))
    master, slave = pty.openpty()
    command = [sys.executable, "-c", PROGRAM, "jog", str(tmp_path / "head.ini"), "jaw"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen(command, stdin=slave, stdout=subprocess.PIPE, env=environment) as process:
        end_s = time.monotonic() + 60.0
        while b"\x90" not in device.received and time.monotonic() < end_s:
            time.sleep(0.05)
        for _ in range(20):
            os.write(master, b"+")
            time.sleep(0.03)
        os.write(master, b"q")
        assert process.wait(120.0) == 0
    os.close(master)
    os.close(slave)
    sent = device.received
    targets = [sent[i + 2] | sent[i + 3] << 7 for i in range(len(sent) - 3) if sent[i : i + 2] == b"\x84\x00"]
    assert 4400 <= targets[0] <= 4440, "from where it was, slowly"
    assert max(targets) > 4500
    assert max(targets) <= 1300 * 4
    assert targets[-1] == 0, "switched off at the end"
    assert b"\x84\x01" not in sent, "the brow is not touched"


def test_without_a_terminal_nothing_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = SerialDevice()
    (tmp_path / "head.ini").write_text(MAP.format(port=device.path))
    parser = argparse.ArgumentParser()
    servo.add_arguments(parser)
    arguments = parser.parse_args(["jog", str(tmp_path / "head.ini"), "jaw"])
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        with pytest.raises(DeviceError, match="not a terminal"):
            servo.run(arguments)
    assert device.received == b""
