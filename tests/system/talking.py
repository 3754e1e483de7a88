"""A program that talks, and somebody who keeps every frame with the time of its coming."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.pace import Pace
from tests.system.programs import GIVE_UP_S, bound_socket, running

MOUTH = ("jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "mouthLowerDownLeft", "mouthUpperUpLeft")
SENTENCES = (
    "Good morning, my name is Ada.", "I am a small robot.", "What can I do for you today?", "The bus leaves at nine.",
    "Mind the gap, please.", "Blue boats pass below the bridge.", "My mother makes marmalade.", "Pack the big box.",
    "It may rain before noon.", "Four fat fish swim by.", "We open at ten.", "Please put the bottle back.",
    "The lift is on your left.", "Nobody knows for sure.", "Keep calm and carry on.", "A pound of butter, please.",
    "The museum is closed on Monday.", "Follow the yellow line.", "Thank you for your patience.", "Goodbye for now.",
)  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """A frame as it came: CLOCK_MONOTONIC of its arrival, state, when its sound was heard (Unix), channels."""

    at_s: float
    state: str
    heard_unix_s: float
    mouth: np.ndarray


class Watcher(threading.Thread):
    """Keeps every frame."""

    def __init__(self, receiver: socket.socket) -> None:
        super().__init__(daemon=True)
        self._receiver = receiver
        receiver.settimeout(0.1)
        self.seen: list[Seen] = []
        self.is_over = False
        self.start()

    def run(self) -> None:
        while not self.is_over:
            try:
                message = json.loads(self._receiver.recv(65536))
            except TimeoutError:
                continue
            except OSError:
                return
            if "au" in message:
                mouth = np.array([message["au"].get(name, 0.0) for name in MOUTH])
                self.seen.append(Seen(time.monotonic(), message["state"], message["t"], mouth))

    def wait_for(self, state: str, limit_s: float = GIVE_UP_S, after_s: float = 0.0) -> Seen:
        """Return the first frame of a state that came after a time."""
        ends_s = time.monotonic() + limit_s
        while time.monotonic() < ends_s:
            for seen in self.seen[-400:]:
                if seen.state == state and seen.at_s > after_s:
                    return seen
            time.sleep(0.01)
        raise AssertionError(f"no frame was {state} within {limit_s} s; states: {[s.state for s in self.seen[-5:]]}")


@contextmanager
def talking(*options: str) -> Iterator[tuple[subprocess.Popen[str], Watcher]]:
    """Run the program until it says that nobody speaks yet; yield it and its watcher."""
    with bound_socket() as (receiver, port):
        arguments = [f"output.a.{key}" for key in ("protocol=json", "host=127.0.0.1", f"port={port}")]
        with running("run", *(part for o in (*arguments, *options) for part in ("-o", o))) as process:
            watcher = Watcher(receiver)
            try:
                _wait_for_begin(process, watcher)
                yield process, watcher
            finally:
                watcher.is_over = True
                watcher.join()


def _wait_for_begin(process: subprocess.Popen[str], watcher: Watcher, limit_s: float = GIVE_UP_S) -> None:
    """Wait until the program says that nobody speaks; one that has ended says why."""
    ends_s = time.monotonic() + limit_s  # on a busy machine imports alone can take long
    while not any(seen.state == "silence" for seen in list(watcher.seen)):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < ends_s, f"no frame came within {limit_s} s"
        time.sleep(0.01)


def states_of(seen: list[Seen], pace: Pace) -> set[str]:
    """Return the states that came, less "held" where the machine was late: that is then true."""
    return {one.state for one in seen} - ({"held"} if pace.is_late else set())


def flite(text: str, path: Path) -> Path:
    """Have a real synthesiser speak into a WAV."""
    subprocess.run(["flite", "-voice", "slt", "-t", text, "-o", str(path)], check=True, timeout=300)
    return path


def storm(port: int, per_s: float, seconds: float) -> int:
    """Connect and go away again, with a few bytes or none; return how often."""
    began_s, n_done = time.monotonic(), 0
    while (now_s := time.monotonic()) < began_s + seconds:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1.0) as link:
                if n_done % 3:
                    link.sendall((b"GET / HTTP/1.1\r\n", b"RIFF")[n_done % 2])
        except OSError:
            pass  # refused: its right
        n_done += 1
        time.sleep(max(0.0, began_s + n_done / per_s - now_s))
    return n_done


def resident_bytes(pid: int) -> int:
    """Return the memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
