"""SIGTERM in every state, also where a library hangs: status 0 within a second, neutral frames where any were sent."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.pace import Pace
from tests.system.programs import ROOT, bound_socket, environment, receive_for, stop

STOP_S = 1.0
# What hangs, as lines of a program: a network that is loaded, a microphone that is opened, one that is closed.
# A file beside the program says that it hangs: a name that nobody calls any more would hang nothing.
HANG = (
    "import pathlib, threading, time\n"
    "from edge.sources.microphone import Microphone\n"
    "def hang(*_):\n"
    "    pathlib.Path(__file__).with_name('hangs').touch()\n"
    "    time.sleep(60)\n"
)
LOADING = HANG + "import edge.live.program\nedge.live.program.choose_backend = hang\n"
OPENING = HANG + "Microphone._acquire = hang\n"
CLOSING = (
    HANG + "class Stream:\n"
    "    close = calm = hang\n"
    "    realtime_line = ''\n"
    "    rate_hz = 44_100\n"
    "    class ring:\n"
    "        n_periods = 0\n"
    "        wait = staticmethod(time.sleep)\n"
    "        take = staticmethod(lambda _: None)\n"
    "    is_dead = staticmethod(lambda: False)\n"
    "    class device: name = 'mic'\n"
    "    n_channels = 1\n"
    "    sample_format = 'int16'\n"
    "Microphone._acquire = lambda self: Stream()\n"
)
RUN = "import sys\nfrom edge.cli import main\nsys.exit(main(sys.argv[1:]))\n"


def start(folder: Path, lines: str, port: int, *more: str) -> subprocess.Popen[str]:
    program = folder / "program.py"
    program.write_text(lines + RUN)
    options = ("-o", "output.osc.enabled=no", "-o", f"output.json.port={port}", *more)
    return subprocess.Popen(
        [sys.executable, str(program), "run", "--no-view", *options],
        cwd=ROOT, env=environment(PYTHONPATH=str(ROOT)), stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def until_it_listens_to_signals(program: subprocess.Popen[str]) -> None:
    """Wait until SIGTERM (15) is caught. Source: proc(5), SigCgt."""
    ends_s = time.monotonic() + 60.0
    while time.monotonic() < ends_s:
        caught = Path(f"/proc/{program.pid}/status").read_text().split("SigCgt:")[1].split()[0]
        if int(caught, 16) >> 14 & 1:
            return
        time.sleep(0.005)
    pytest.fail("the program sets no signal handlers")


def until_it_hangs(folder: Path) -> None:
    """Wait until the program is in the function that hangs."""
    ends_s = time.monotonic() + 60.0  # imports take a second, and many on a busy machine
    while not (folder / "hangs").exists():
        assert time.monotonic() < ends_s, "the program never came to what hangs"
        time.sleep(0.01)


def states(receiver: socket.socket) -> list[str]:
    frames = [json.loads(frame) for frame in receive_for(receiver, 0.1)]
    return [frame["state"] for frame in frames if "state" in frame]


@pytest.mark.parametrize("hanging", [LOADING, OPENING], ids=["network", "microphone"])
def test_what_hangs_while_the_program_starts_does_not_hold_up_its_end(tmp_path: Path, hanging: str) -> None:
    with bound_socket() as (receiver, port):
        program = start(tmp_path, hanging, port)
        try:
            until_it_listens_to_signals(program)
            until_it_hangs(tmp_path)
            with Pace() as pace:
                status, seconds, errors = stop(program)
        finally:
            program.kill()
        assert (status, seconds < pace.allowed(STOP_S)) == (0, True), f"{seconds:.2f} s, {errors}"
        assert "Traceback" not in errors
        assert states(receiver) == []  # nothing was sent that had to be taken back


@pytest.mark.parametrize("hanging", [OPENING, CLOSING], ids=["opening", "closing"])
def test_a_microphone_that_hangs_leaves_neutral_frames_and_status_0(tmp_path: Path, hanging: str) -> None:
    with bound_socket() as (receiver, port):
        program = start(tmp_path, hanging, port, "-o", "audio.wait=yes")
        try:
            receiver.recv(65_536)  # frames go on without sound
            with Pace() as pace:
                status, seconds, errors = stop(program)
        finally:
            program.kill()
        assert (status, seconds < pace.allowed(STOP_S)) == (0, True), f"{seconds:.2f} s, {errors}"
        assert "Traceback" not in errors
        assert states(receiver)[-2:] == ["stopping", "stopping"]


def test_a_stop_that_is_asked_for_at_the_very_start_ends_it(tmp_path: Path) -> None:
    with bound_socket() as (_, port):
        program = start(tmp_path, "", port, "-o", "audio.source=silence")
        try:
            with Pace() as pace:
                until_it_listens_to_signals(program)
                status, seconds, errors = stop(program)
        finally:
            program.kill()
        assert (status, seconds < pace.allowed(STOP_S)) == (0, True), f"{seconds:.2f} s, {errors}"
