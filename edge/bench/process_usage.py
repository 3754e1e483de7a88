"""What a running process costs: processor time by thread, memory, and what the cores did meanwhile.

Source: proc(5). Times are counted by the kernel in ticks of 10 ms: exact to a percent over ten seconds.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class UsageSample:
    """Counters at one moment.

    Attributes:
        time_s: CLOCK_MONOTONIC.
        thread_s: Processor seconds so far by thread, "what/id": main, real-time PRIORITY, or other.
        core_busy_s: Processor seconds that each core has spent on anything.
    """

    time_s: float
    thread_s: dict[str, float]
    core_busy_s: tuple[float, ...]


@dataclass(frozen=True)
class Usage:
    """The cost between two samples.

    Attributes:
        core_share: Processor time over elapsed time: 0.1 is a tenth of one core.
        by_thread: The same by thread name, threads of one name added.
        cores_busy: Share of the time that each core of the machine was busy, by this process and all others.
    """

    core_share: float
    by_thread: dict[str, float]
    cores_busy: tuple[float, ...]


def sample_usage(pid: int) -> UsageSample:
    """Read the counters of a process.

    Args:
        pid: Of a process that runs.
    """
    threads = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            fields = (task / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # the thread has just ended
        priority = int(fields[37])  # real-time priority; threads have no other names before Python 3.14
        kind = f"real-time {priority}" if priority else "main" if task.name == str(pid) else "other"
        threads[f"{kind}/{task.name}"] = (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
    cores = []
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith("cpu") and line[3].isdigit():
            user, nice, system, _idle, _wait, irq, softirq, steal = (int(value) for value in line.split()[1:9])
            cores.append((user + nice + system + irq + softirq + steal) / _TICKS_PER_S)
    return UsageSample(time.monotonic(), threads, tuple(cores))


def usage_between(before: UsageSample, after: UsageSample) -> Usage:
    """Return the cost of what happened between two samples."""
    elapsed_s = max(1e-9, after.time_s - before.time_s)
    by_thread: dict[str, float] = {}
    for name, total_s in after.thread_s.items():
        share = (total_s - before.thread_s.get(name, 0.0)) / elapsed_s
        short = name.rpartition("/")[0]
        by_thread[short] = by_thread.get(short, 0.0) + share
    busy = zip(after.core_busy_s, before.core_busy_s, strict=True)
    return Usage(
        sum(by_thread.values()), by_thread, tuple(min(1.0, (later - earlier) / elapsed_s) for later, earlier in busy)
    )


def memory_mib(pid: int) -> dict[str, float]:
    """Return resident memory of a process in MiB: `now`, `peak`, `private` (not shared with files)."""
    names = {"VmRSS": "now", "VmHWM": "peak", "RssAnon": "private"}
    found = {}
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in names:
            found[names[name]] = int(value.split()[0]) / 1024
    return found
