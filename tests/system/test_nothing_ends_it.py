"""What arrives at a running program - a configuration, a datagram, a connection - never ends it, and no frame is lost.

The real program and a receiver that counts its frames; how much the program says is counted too.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.hostile import HUGE
from tests.system.programs import SPEECH, au_edge, bound_socket, receive_for, running, stop

BASE = ("run", "--no-view", "--input", str(SPEECH), "-o", "audio.loop=yes", "-o", "output.osc.enabled=no",
        "-o", "metrics.log_period_s=0", "-o", "output.json.enabled=yes")  # fmt: skip
MOST_LOG_CHARACTERS = 8000  # of one refusal: twenty mistakes, and how many more there are


@dataclass
class Run:
    """A running program and who receives its frames."""

    process: subprocess.Popen[str]
    receiver: socket.socket
    port: int
    config: Path
    log: Path

    def frames(self, seconds: float) -> list[int]:
        """Return the sequence numbers that arrive within a time."""
        found = [json.loads(datagram) for datagram in receive_for(self.receiver, seconds)]
        return [frame["seq"] for frame in found if "seq" in frame]

    def reload(self, content: str | bytes, limit_s: float = 20.0) -> str:
        """Give another configuration and return what the program says of it."""
        before = self.log.stat().st_size
        self.config.write_bytes(content if isinstance(content, bytes) else content.encode())
        os.kill(self.process.pid, signal.SIGHUP)
        ends_s = time.monotonic() + limit_s
        while time.monotonic() < ends_s and self.process.poll() is None:
            said = self.log.read_text()[before:]
            if "configuration" in said and said.endswith("\n"):
                return said
            time.sleep(0.05)
        raise AssertionError(f"it said nothing; status {self.process.poll()}: {self.log.read_text()[-2000:]}")


@contextmanager
def listening(tmp_path: Path) -> Iterator[Run]:
    """Yield a program that sends, from a configuration that can be reloaded."""
    config, log = tmp_path / "own.conf", tmp_path / "log"
    with bound_socket(30.0) as (receiver, port), log.open("w") as errors:
        config.write_text(good(port))
        with running(*BASE, "--config", str(config), errors=errors) as process:
            receiver.recv(65_536)
            yield Run(process, receiver, port, config, log)


def good(port: int, jaw: float = 1.0) -> str:
    return f"[output.json]\nport = {port}\n[gain]\njawOpen = {jaw}\n"


def is_without_gaps(sequence: list[int]) -> bool:
    return sequence == list(range(sequence[0], sequence[0] + len(sequence)))


def endless_map(port: int) -> str:
    return f"{good(port)}[output.rig]\nprotocol = json\nmapping = /dev/zero\n"


BAD: dict[str, Callable[[int], str | bytes]] = {
    "a port of 400 digits": lambda port: f"[output.json]\nport = {HUGE}\n",
    "a limit of 5000 digits": lambda port: f"[limit]\njawOpen = {'9' * 5000}\n",
    "an infinite gain": lambda port: "[gain]\njawOpen = 1e400\n",
    "a NUL": lambda port: b"[head]\nface = a\0b\n",
    "no text": lambda port: bytes(range(256)) * 100,
    "a map that never ends": endless_map,
    "a map that is a pipe": lambda port: f"{good(port)}[output.rig]\nprotocol = robot\nmapping = PIPE\n",
    "1 MB of unknown keys": lambda port: "[audio]\n" + "".join(f"key{i} = 1\n" for i in range(80_000)),
    "250 KB of unknown keys": lambda port: "[audio]\n" + "".join(f"key{i} = 1\n" for i in range(18_000)),
    "1900 unknown keys": lambda port: "[audio]\n" + "".join(f"key{i} = 1\n" for i in range(1_900)),
    "a value of 200 KB": lambda port: f"[audio]\ndevice = x\nsource = {'y' * 200_000}\n",
    "200 outputs": lambda port: "".join(f"[output.n{i}]\nport = 9\n" for i in range(200)),
    "another microphone": lambda port: f"{good(port)}[audio]\ndevice = other\n",
}


def test_a_reload_is_refused_whole_and_in_few_words_and_no_frame_is_lost(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with listening(tmp_path) as run:
        said = {}
        for name, make in BAD.items():
            content = make(run.port)
            if isinstance(content, str):
                content = content.replace("PIPE", str(tmp_path / "pipe"))
            said[name] = run.reload(content)
        assert "in force" in run.reload(good(run.port, 0.0))
        sequence = run.frames(1.0)
        code, _, _ = stop(run.process)
    assert code == 0
    for name, text in said.items():
        assert "configuration not changed" in text, name
        assert "Traceback" not in text
        assert len(text) < MOST_LOG_CHARACTERS, (name, len(text))
    assert len(sequence) > 30
    assert is_without_gaps(sequence)
    print("log characters:", {name: len(text) for name, text in said.items()})


@pytest.mark.parametrize("name", ["a port of 400 digits", "a NUL", "a map that never ends", "1 MB of unknown keys"])
def test_the_same_at_the_start_is_status_78(tmp_path: Path, name: str) -> None:
    config = tmp_path / "own.conf"
    content = BAD[name](9)
    config.write_bytes(content if isinstance(content, bytes) else content.encode())
    done = au_edge(*BASE, "--config", str(config), "--duration", "1")
    assert done.returncode == 78, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    assert len(done.stderr) < MOST_LOG_CHARACTERS


def test_a_reload_without_descriptors_is_refused_and_the_next_one_is_in_force(tmp_path: Path) -> None:
    with listening(tmp_path) as run:
        pid = run.process.pid
        limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        in_use = max(int(name) for name in os.listdir(f"/proc/{pid}/fd")) + 1
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (in_use, limits[1]))
        refused = run.reload(good(run.port, 0.0))
        while_without = run.frames(1.0)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        assert "in force" in run.reload(good(run.port, 0.0))
        assert stop(run.process)[0] == 0
    assert "configuration not changed" in refused
    assert "Too many open files" in refused
    assert "Traceback" not in refused
    assert len(refused) < MOST_LOG_CHARACTERS
    assert len(while_without) > 25
    assert is_without_gaps(while_without)
