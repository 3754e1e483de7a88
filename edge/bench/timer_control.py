"""A control beside the program: how late this machine wakes a real-time thread that does nothing.

    python -m edge.bench.timer_control

What a hypervisor or the firmware takes away, no program can give back: lateness that the control sees too is the
machine's. It runs as a process of its own until its standard input ends, and then prints its durations as JSON.
"""

from __future__ import annotations

import contextlib
import json
import select
import subprocess
import sys
import time
from array import array

from edge.machine.realtime import make_thread_realtime

PRIORITY = 20  # above the engine's: it must not wait for what it is to judge
PERIOD_S = 0.004
READ_EVERY = 25  # wake-ups between two looks at the standard input
END_LIMIT_S = 5.0


class TimerControl:
    """The control as a process; a context that ends it.

    Attributes:
        lateness_s: After the context: how late each wake-up was.
    """

    def __init__(self) -> None:
        self.lateness_s: list[float] = []
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> TimerControl:
        command = [sys.executable, "-m", "edge.bench.timer_control"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is None:
            return
        try:
            printed, _errors = self._process.communicate("", END_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            printed, _errors = self._process.communicate()
        self.lateness_s = json.loads(printed) if printed else []


def measure_lateness() -> array[float]:
    """Sleep and wake until the standard input ends; return how late each wake-up was, in seconds."""
    make_thread_realtime(PRIORITY, "control")
    lateness_s = array("d")
    due_s = time.monotonic()
    while True:
        due_s += PERIOD_S
        time.sleep(max(0.0, due_s - time.monotonic()))
        now_s = time.monotonic()
        lateness_s.append(now_s - due_s)
        due_s = max(due_s, now_s - PERIOD_S)
        if len(lateness_s) % READ_EVERY == 0 and select.select([sys.stdin], [], [], 0)[0]:
            return lateness_s


if __name__ == "__main__":
    durations = json.dumps([round(value, 7) for value in measure_lateness()])
    with contextlib.suppress(BrokenPipeError):  # whoever asked was killed
        print(durations, flush=True)
