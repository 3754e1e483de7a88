"""The real program under the stop-watch: started as its own process, received, and charged for what it uses.

End to end is the time from a frame's last sample at the microphone (the capture time that the frame itself carries, see
`au-edge bench loopback` for how true that is) to the kernel's receipt of its datagram on this machine.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from edge.bench.distribution import Distribution
from edge.bench.measured_process import MeasuredProcess, ProgramWish
from edge.bench.process_usage import memory_mib, sample_usage, usage_between
from edge.bench.timer_control import TimerControl
from edge.frames import State
from edge.machine.jetson import PowerMeter
from edge.outputs.received import ReceivedFrame


@dataclass(frozen=True)
class LiveBlock:
    """What one run gave.

    Attributes:
        startup_s: From the start of the process to its first frame's receipt.
        frames: Arrival (Unix time) and frame, of the measured time.
        report: Of `MeasuredProgram`.
        core_share: Processor time over elapsed time.
        by_thread: The same by thread.
        cores_busy: Share of the machine's cores that was busy with anything.
        memory_mib: Resident memory at the end.
        power_w: Mean power of the module; None without a monitor.
        control_s: How late a real-time thread that does nothing was woken meanwhile, seconds.
    """

    startup_s: float
    frames: list[tuple[float, ReceivedFrame]]
    report: dict[str, Any]
    core_share: float
    by_thread: dict[str, float]
    cores_busy: tuple[float, ...]
    memory_mib: dict[str, float]
    power_w: float | None
    control_s: list[float]


def run_block(wish: ProgramWish, duration_s: float, root: Path = Path("/")) -> LiveBlock:
    """Run the program once.

    Args:
        wish: What to run; its warm-up is waited for.
        duration_s: Measured time.
        root: Where the file system begins (power monitor).

    Raises:
        DeviceError: It did not start, or ended by itself; with what it said.
    """
    with MeasuredProcess(wish) as process:
        process.wait_first()
        process.sleep(wish.warm_up_s)
        meter = PowerMeter(root)
        meter.start()
        before, begin_unix_s = sample_usage(process.pid), time.time()
        with TimerControl() as control:
            process.sleep(duration_s)
        after, end_unix_s = sample_usage(process.pid), time.time()
        power_w = meter.stop()
        memory = memory_mib(process.pid)
        report = process.stop()
    usage = usage_between(before, after)
    frames = [(unix_s, frame) for unix_s, frame in process.receiver.frames() if begin_unix_s <= unix_s < end_unix_s]
    return LiveBlock(
        process.startup_s, frames, report, usage.core_share, usage.by_thread, usage.cores_busy, memory, power_w,
        control.lateness_s,
    )  # fmt: skip


def summarise(blocks: Sequence[LiveBlock]) -> dict[str, Any]:
    """Put the blocks of one backend together as plain JSON values."""
    period_s = float(blocks[0].report["frame_period_s"])
    lookahead_s = float(blocks[0].report["lookahead_s"])
    latencies, intervals, lost, n_held = [], [], 0, 0
    for block in blocks:
        with_sound = [(t, f) for t, f in block.frames if f.state in (State.LIVE, State.SILENCE)]
        n_held += len(block.frames) - len(with_sound)
        latencies += [t - f.capture_unix_s - lookahead_s for t, f in with_sound]
        times = [t for t, _ in block.frames]
        intervals += [later - earlier for earlier, later in pairwise(times)]
        numbers = [f.sequence for _, f in block.frames]
        lost += numbers[-1] - numbers[0] + 1 - len(numbers) if numbers else 0
    stages: dict[str, list[float]] = {}
    for block in blocks:
        for stage, durations in block.report["durations_s"].items():
            stages.setdefault(stage, []).extend(durations)
    n_frames = sum(len(block.frames) for block in blocks)
    powers = [block.power_w for block in blocks if block.power_w is not None]
    power_w = sum(powers) / len(powers) if powers else None
    counters = [block.report["counters"] for block in blocks]
    return {
        "source": blocks[0].report["source"],
        "network": blocks[0].report["network"],
        "frame_period_ms": round(period_s * 1000, 4),
        "n_blocks": len(blocks),
        "n_frames": n_frames,
        "end_to_end": Distribution.of(latencies).as_json(),
        "interval": Distribution.of(intervals).as_json(),
        "control": Distribution.of([late for block in blocks for late in block.control_s]).as_json(),
        "stages": {stage: Distribution.of(durations).as_json() for stage, durations in stages.items()},
        "misses": {
            "later_than_a_period": sum(latency > period_s for latency in latencies),
            "dropped_as_late": sum(int(c["late_frames"]) for c in counters),
            "lost_with_sound": sum(int(c["skipped_frames"]) for c in counters),
            "datagrams_lost": lost,
            "without_sound": n_held,
        },
        "startup_s": [round(block.startup_s, 3) for block in blocks],
        "core_share": round(sum(block.core_share for block in blocks) / len(blocks), 4),
        "by_thread": {name: round(share, 4) for name, share in blocks[-1].by_thread.items()},
        "machine_busy": [round(share, 3) for share in blocks[-1].cores_busy],
        "memory_mib": {name: round(max(b.memory_mib[name] for b in blocks), 1) for name in blocks[0].memory_mib},
        "power_w": power_w,
        "millijoules_per_frame": power_w * period_s * 1000 if power_w is not None else None,
    }
