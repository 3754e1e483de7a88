"""The measured program as a process, with its receiver: start, first frame, stop, report."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.bench.receiver import StampedReceiver
from edge.errors import AuEdgeError, DeviceError

START_LIMIT_S = 60.0  # an engine that must be deserialised on a cold Jetson takes tens of seconds
STOP_LIMIT_S = 10.0


@dataclass(frozen=True)
class ProgramWish:
    """What to run.

    Attributes:
        arguments: Configuration arguments of `au-edge run` (--config, -o).
        backend: Name of the backend, or auto.
        protocol: Wire format that is received.
        warm_up_s: Time from the first frame in which durations are not kept.
    """

    arguments: tuple[str, ...]
    backend: str = "auto"
    protocol: str = "osc"
    warm_up_s: float = 0.0


class MeasuredProcess:
    """One run of the program; a context that ends it.

    Args:
        wish: What to run.

    Attributes:
        receiver: Where its frames arrive.
        startup_s: From the start of the process to its first frame's receipt; after `wait_first`.
    """

    def __init__(self, wish: ProgramWish) -> None:
        self._wish = wish
        self.receiver = StampedReceiver()
        self.startup_s = 0.0
        self._folder = tempfile.TemporaryDirectory(prefix="au-edge-bench-")
        self._report = Path(self._folder.name) / "report.json"
        self._log = Path(self._folder.name) / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> MeasuredProcess:
        wish = self._wish
        command = [
            sys.executable, "-m", "edge.bench.measured_program", str(self._report), str(self.receiver.port),
            wish.protocol, str(wish.warm_up_s), wish.backend, str(os.getpid()), *wish.arguments,
        ]  # fmt: skip
        with self._log.open("wb") as log:
            self._started_unix_s = time.time()
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self.receiver.close()
        self._folder.cleanup()

    @property
    def pid(self) -> int:
        """Return the process's number."""
        return self._process.pid if self._process is not None else 0

    def wait_first(self) -> None:
        """Wait for the first frame.

        Raises:
            DeviceError: None came, or the program ended; with what it said.
        """
        deadline_s = time.monotonic() + START_LIMIT_S
        while not self.receiver.wait_first(0.05):
            if self._has_ended() or time.monotonic() > deadline_s:
                raise self._failure()
        self.startup_s = self.receiver.arrivals[0].unix_s - self._started_unix_s

    def sleep(self, duration_s: float) -> None:
        """Let it run.

        Raises:
            DeviceError: It ended meanwhile.
        """
        deadline_s = time.monotonic() + duration_s
        while (left_s := deadline_s - time.monotonic()) > 0:
            if self._has_ended():
                raise self._failure()
            time.sleep(min(0.2, left_s))

    def stop(self) -> dict[str, Any]:
        """End it and return its report.

        Raises:
            DeviceError: It left none.
        """
        self._end()
        if not self._report.exists():
            raise self._failure()
        report: dict[str, Any] = json.loads(self._report.read_text(encoding="utf-8"))
        return report

    def _has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _end(self) -> None:
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            os.kill(process.pid, signal.SIGTERM)
        try:
            process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _failure(self) -> AuEdgeError:
        said = "; ".join(_last_lines(self._log, 3)) or "nothing"
        status = self._process.poll() if self._process is not None else None
        state = f"ended with status {status}" if status is not None else f"sent no frame within {START_LIMIT_S:g} s"
        return DeviceError("the program under measurement", f"it {state} and said: {said}", "Try `au-edge run` first")


def _last_lines(path: Path, n_lines: int) -> Sequence[str]:
    return path.read_text(errors="replace").strip().splitlines()[-n_lines:]
