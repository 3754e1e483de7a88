"""How fast this machine lets an ordinary program be just now: the measure for every assertion of real time.

A limit on a clock says something of the product only where the machine gives it a processor. A bystander does a
millisecond of work every ten, for as long as what is judged takes; where it needs three times its processor time for
that, so may they.
"""

from __future__ import annotations

import json
import subprocess
import sys
from types import TracebackType

_BYSTANDER = """
import json, select, sys, time
wall_s = cpu_s = latest_s = 0.0
while not select.select([sys.stdin], [], [], 0)[0]:
    due_s = time.monotonic() + 0.01
    time.sleep(0.01)
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    latest_s = max(latest_s, began_s - due_s)
    while time.process_time() - began_cpu_s < 0.001:
        pass
    wall_s += time.monotonic() - began_s
    cpu_s += time.process_time() - began_cpu_s
print(json.dumps([wall_s, cpu_s, latest_s]))
"""
END_LIMIT_S = 30.0


class Pace:
    """A context around what is judged; afterwards `allowed` tells what a limit is worth.

    Attributes:
        slowdown: Of the bystander: 1 on an idle machine.
        latest_s: Its latest wake-up.
    """

    def __init__(self) -> None:
        self.slowdown = 1.0
        self.latest_s = 0.0

    def __enter__(self) -> Pace:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _BYSTANDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        printed, _ = self._process.communicate("", END_LIMIT_S)
        wall_s, cpu_s, self.latest_s = json.loads(printed)
        self.slowdown = max(1.0, wall_s / cpu_s) if cpu_s else 1.0

    def allowed(self, limit_s: float) -> float:
        """Return what a limit on an idle machine is on this one, in the time that was measured."""
        return limit_s * self.slowdown + self.latest_s
