"""Whatever its stdout and stderr do, the program sends frames, ends when told to, and ends with a face at rest."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.pace import Pace
from tests.ports import free_tcp_port, free_udp_port
from tests.system.programs import GIVE_UP_S, ROOT, bound_socket, environment, receive_for
from tests.system.test_stopping import STOP_S

PIPE_BYTES = 4096  # the smallest; Source: fcntl(2), F_SETPIPE_SZ
FRAMES = 10  # a third of a second of them


@contextlib.contextmanager
def unread_pipe() -> Iterator[int]:
    """Yield the end of a pipe that is full, and that nobody reads."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    os.write(writing, bytes(PIPE_BYTES))
    yield writing
    os.close(reading)
    os.close(writing)


@contextlib.contextmanager
def full_disk() -> Iterator[int]:
    with open("/dev/full", "wb") as full:
        yield full.fileno()


@contextlib.contextmanager
def stopped_terminal() -> Iterator[int]:
    """Yield a terminal on which somebody typed Ctrl-S."""
    master, slave = pty.openpty()
    termios.tcflow(slave, termios.TCOOFF)
    yield slave
    os.close(master)
    os.close(slave)


@contextlib.contextmanager
def closed_terminal() -> Iterator[int]:
    master, slave = pty.openpty()
    os.close(master)
    yield slave
    os.close(slave)


PLACES = [unread_pipe, full_disk, stopped_terminal, closed_terminal]
Place = Callable[[], contextlib.AbstractContextManager[int]]


@contextlib.contextmanager
def program(place: Place, *more: str) -> Iterator[tuple[subprocess.Popen[bytes], socket.socket]]:
    """Run the program with both its outputs at a place, and yield it with the receiver of its frames."""
    with bound_socket() as (receiver, port), place() as descriptor:
        run = subprocess.Popen(
            [
                sys.executable, "-m", "edge", "run", "-o", "audio.source=tone", "-o", "output.osc.enabled=no",
                "-o", f"output.json.port={port}", "-o", "metrics.log_period_s=0.05", *more,
            ],
            cwd=ROOT, env=environment(TERM="xterm", PYTHONPATH=str(ROOT)), stdin=subprocess.DEVNULL,
            stdout=descriptor, stderr=descriptor,
        )  # fmt: skip
        try:
            yield run, receiver
        finally:
            run.kill()
            run.wait()


def last_states(receiver: socket.socket) -> list[str]:
    frames = [json.loads(frame) for frame in receive_for(receiver, 0.1)]
    return [frame["state"] for frame in frames if "state" in frame][-2:]


@pytest.mark.parametrize("view", ["--view", "--no-view"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("place", PLACES, ids=[place.__name__ for place in PLACES])
def test_frames_flow_and_a_signal_ends_them_at_rest(place: Place, number: signal.Signals, view: str) -> None:
    with program(place, view) as (run, receiver):
        for _ in range(FRAMES):
            receiver.recv(65_536)
        with Pace() as pace:
            began_s = time.monotonic()
            run.send_signal(number)
            status = run.wait(120.0)
            seconds = time.monotonic() - began_s
        assert (status, seconds < pace.allowed(STOP_S)) == (0, True), f"{seconds:.2f} s"
        assert last_states(receiver) == ["stopping", "stopping"]


@pytest.mark.parametrize("view", ["--view", "--no-view"])
@pytest.mark.parametrize("place", PLACES, ids=[place.__name__ for place in PLACES])
def test_its_own_end_comes_too(place: Place, view: str) -> None:
    with program(place, view, "--duration", "0.3") as (run, receiver):
        assert run.wait(120.0) == 0
        assert last_states(receiver) == ["stopping", "stopping"]


@pytest.mark.parametrize("place", PLACES, ids=[place.__name__ for place in PLACES])
def test_an_error_that_nobody_reads_keeps_its_status(place: Place) -> None:
    with program(place, "--no-view", "--model", "nowhere.json") as (run, _):
        assert run.wait(120.0) == 78


def test_what_was_lost_is_said_when_somebody_reads_again() -> None:
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    flood = (
        "import logging, time\nfrom edge.machine.log import finish_log, start_log\nstart_log('INFO')\n"
        "for n in range(5000): logging.info('line %d', n)\n"
        "print('filled', flush=True)\ninput()\nlogging.info('the last one')\nfinish_log()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", flood], cwd=ROOT, env=environment(PYTHONPATH=str(ROOT)), stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=writing, text=True,
    ) as run:  # fmt: skip
        os.close(writing)
        assert run.stdin is not None
        assert run.stdout is not None
        assert run.stdout.readline() == "filled\n"
        content = b""
        # All of it, before the end: what is left then is written for a short time only.
        while n_told(content) < 5000 and select.select([reading], [], [], 60.0)[0]:
            if not (data := os.read(reading, 65_536)):
                break
            content += data
        run.stdin.write("\n")
        run.stdin.flush()
        while data := os.read(reading, 65_536):
            content += data
        run.wait()
    os.close(reading)
    lines = content.decode().splitlines()
    said = [line for line in lines if "lost" in line]
    assert len(said) == 1
    assert n_told(content) == 5000
    assert lines[-1] == "the last one"


def n_told(content: bytes) -> int:
    """Return how many lines of a flood came whole or were said to be lost."""
    lines = content[: content.rfind(b"\n") + 1].decode().splitlines()
    n_lost = sum(int(line.split()[0]) for line in lines if "lost" in line)
    return n_lost + len([line for line in lines if line.startswith("line ")])


def until_it_waits(run: subprocess.Popen[bytes]) -> None:
    """Wait until a program uses no processor for half a second: it serves, or is stuck in its words."""
    ends_s, used = time.monotonic() + GIVE_UP_S, [""] * 6
    while len(set(used)) > 1 or used[0] == "":
        assert run.poll() is None, f"it ended by itself: {run.args}"
        assert time.monotonic() < ends_s, f"it never rests: {run.args}"
        used = [*used[1:], " ".join(Path(f"/proc/{run.pid}/stat").read_text().rpartition(")")[2].split()[:14])]
        time.sleep(0.1)


COMMANDS = {
    "config": ("config",),
    "devices": ("devices",),
    "help": ("run", "--help"),
    "check": ("check", "-o", "audio.source=silence"),
    "watch": ("watch", "--port", "{port}"),
    "head": ("head", "-o", "head.port={tcp}", "-o", "head.frames_port={port}"),
    "engine_build": (),
}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_every_command_ends_by_a_signal_while_nobody_reads(number: signal.Signals) -> None:
    # All at once, and buffered as Python does it by itself: what it then has left to write must not keep it either.
    with contextlib.ExitStack() as closing:
        runs = {}
        for name, words in COMMANDS.items():
            descriptor = closing.enter_context(unread_pipe())
            command = ["engine_build", "train", "--help"] if not words else ["edge", *words]
            runs[name] = subprocess.Popen(
                [sys.executable, "-m", *(word.format(port=free_udp_port(), tcp=free_tcp_port()) for word in command)],
                cwd=ROOT, env=environment(PYTHONUNBUFFERED="", PYTHONPATH=str(ROOT)), stdin=subprocess.DEVNULL,
                stdout=descriptor, stderr=descriptor,
            )  # fmt: skip
            closing.callback(runs[name].wait)
            closing.callback(runs[name].kill)
        for run in runs.values():
            until_it_waits(run)
        for name, run in runs.items():
            run.send_signal(number)
            assert run.wait(60.0) in (0, 130, -number), name
