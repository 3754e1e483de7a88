"""Start the real program as a user would, and receive what it sends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).parent.parent.parent
GIVE_UP_S = 300.0  # what never comes: no law, so it may be long; a law of time is held against tests/pace.py
SPEECH = ROOT / "edge" / "demo" / "speech.flac"


@contextmanager
def bound_socket(timeout_s: float = GIVE_UP_S) -> Iterator[tuple[socket.socket, int]]:
    """Yield a UDP socket on a free port of the loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(timeout_s)
        yield receiver, int(receiver.getsockname()[1])


def environment(**extra: str) -> dict[str, str]:
    """Return a quiet environment without the machine's own configuration of Python."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("AU_EDGE")}
    return {**kept, "PYTHONUNBUFFERED": "1", **extra}


def au_edge(*arguments: str, timeout_s: float = GIVE_UP_S, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "edge", *arguments],
        cwd=ROOT,
        env=environment(**extra),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


@contextmanager
def running(*arguments: str, errors: TextIO | None = None, **extra: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command in the background; it is killed at the end if it still runs.

    Args:
        arguments: Of the command.
        errors: A file for stderr; None for a pipe that is read at the end.
        extra: Variables of the environment.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "edge", *arguments],
        cwd=ROOT,
        env=environment(**extra),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if errors is None else errors,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def receive_for(receiver: socket.socket, seconds: float) -> list[bytes]:
    """Return what arrives within a time."""
    ends_s = time.monotonic() + seconds
    found = []
    while (left_s := ends_s - time.monotonic()) > 0:
        receiver.settimeout(left_s)
        try:
            found.append(receiver.recv(65_536))
        except TimeoutError:
            break
    return found


def stop(process: subprocess.Popen[str], limit_s: float = GIVE_UP_S) -> tuple[int, float, str]:
    """Send SIGTERM; return exit status, seconds until the end, and stderr."""
    began_s = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=limit_s)
    return process.returncode, time.monotonic() - began_s, errors
