"""How fast this machine lets an ordinary program be just now: the measure for every assertion of real time.

A limit on a clock says something of the product only where the machine gives it a processor. A bystander works five
milliseconds in every fifty, for as long as what is judged takes; where it needs three times its processor time for
that, so may they. (One millisecond in every ten tells nothing: a scheduler lets who sleeps that much go before all
others. Measured with 15 busy programs on two cores: 1.8 times, where a program that did not sleep took 8.3 times as
long as alone, and this bystander 8.2.)
"""

from __future__ import annotations

import json
import subprocess
import sys
from types import TracebackType

from tests.requirements import need

_BYSTANDER = """
import json, select, sys, time
WORK_S, PERIOD_S = 0.005, 0.05
wall_s = cpu_s = latest_s = 0.0
print("here", flush=True)
while not cpu_s or not select.select([sys.stdin], [], [], 0)[0]:
    due_s = time.monotonic() + (PERIOD_S - WORK_S if cpu_s else 0.0)
    time.sleep(max(0.0, due_s - time.monotonic()))
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    while time.process_time() - began_cpu_s < WORK_S:
        pass
    done_s = time.monotonic()
    latest_s = max(latest_s, done_s - due_s - WORK_S)
    wall_s += done_s - began_s
    cpu_s += time.process_time() - began_cpu_s
print(json.dumps([wall_s, cpu_s, latest_s]))
"""
END_LIMIT_S = 60.0


class Pace:
    """A context around what is judged; afterwards `allowed` and `expected` tell what a limit is worth.

    Attributes:
        slowdown: Of the bystander: 1 on an idle machine.
        latest_s: By how much it was late at most with a period's work.
    """

    def __init__(self) -> None:
        self.slowdown = 1.0
        self.latest_s = 0.0

    def __enter__(self) -> Pace:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _BYSTANDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()  # from here on it works
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        printed, _ = self._process.communicate("", END_LIMIT_S)
        wall_s, cpu_s, self.latest_s = json.loads(printed)
        self.slowdown = max(1.0, wall_s / cpu_s) if cpu_s else 1.0

    @property
    def is_late(self) -> bool:
        """Whether a program that works 30 times a second may have missed its time: it then holds its face."""
        return self.slowdown > 1.5 or self.latest_s > 0.03

    def skip_if_late(self, is_met: bool) -> None:
        """Skip the calling test where its law is not met and the machine was late: that may be why."""
        if not is_met and self.is_late:
            need(
                "quiet machine", False, f"this one was {self.slowdown:.1f} times slower, late by {self.latest_s:.2f} s"
            )

    def allowed(self, limit_s: float) -> float:
        """Return what a limit on an idle machine is on this one, in the time that was measured."""
        return limit_s * self.slowdown + self.latest_s

    def expected(self, n: float) -> float:
        """Return how many of what comes n times on an idle machine come on this one at least."""
        return n / self.slowdown
