"""The real program under the stop-watch: started as its own process, received, and charged for what it uses.

End to end is the time from a frame's last sample at the microphone (the capture time that the frame itself carries, see
`au-edge bench loopback` for how true that is) to the kernel's receipt of its datagram on this machine.
"""

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
from itertools import pairwise
from pathlib import Path
from typing import Any

from edge.bench.distribution import Distribution
from edge.bench.jetson import PowerMeter
from edge.bench.process_usage import memory_mib, sample_usage, usage_between
from edge.bench.receiver import StampedReceiver
from edge.errors import AuEdgeError, DeviceError
from edge.frames import State
from edge.outputs.received import ReceivedFrame

START_LIMIT_S = 60.0  # an engine that must be deserialised on a cold Jetson takes tens of seconds
STOP_LIMIT_S = 10.0


@dataclass(frozen=True)
class LiveWish:
    """What to run.

    Attributes:
        backend: Name of the backend.
        arguments: Configuration arguments of `au-edge run` (--config, -o).
        protocol: Wire format that is received.
        warm_up_s: From the first frame on; not measured.
        duration_s: Measured.
        root: Where the file system begins (power).
    """

    backend: str
    arguments: tuple[str, ...]
    protocol: str
    warm_up_s: float
    duration_s: float
    root: Path = Path("/")


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
    """

    startup_s: float
    frames: list[tuple[float, ReceivedFrame]]
    report: dict[str, Any]
    core_share: float
    by_thread: dict[str, float]
    cores_busy: tuple[float, ...]
    memory_mib: dict[str, float]
    power_w: float | None


def run_block(wish: LiveWish) -> LiveBlock:
    """Run the program once.

    Raises:
        DeviceError: It did not start, or ended by itself; with what it said.
    """
    receiver = StampedReceiver()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        log = Path(folder) / "log"
        command = [
            sys.executable, "-m", "edge.bench.measured_program", str(path), str(receiver.port), wish.protocol,
            str(wish.warm_up_s), wish.backend, *wish.arguments,
        ]  # fmt: skip
        with log.open("wb") as errors:
            started_unix_s = time.time()
            program = subprocess.Popen(command, stderr=errors, stdout=errors)
        try:
            _wait_for_first(receiver, program, log)
            startup_s = receiver.arrivals[0].unix_s - started_unix_s
            time.sleep(wish.warm_up_s)
            meter = PowerMeter(wish.root)
            meter.start()
            before, begin_unix_s = sample_usage(program.pid), time.time()
            _sleep_while_running(wish.duration_s, program, log)
            after, end_unix_s = sample_usage(program.pid), time.time()
            power_w = meter.stop()
            memory = memory_mib(program.pid)
        finally:
            _stop(program)
            receiver.close()
        if not path.exists():
            raise _failed(program, log)
        report = json.loads(path.read_text(encoding="utf-8"))
    usage = usage_between(before, after)
    frames = [(unix_s, frame) for unix_s, frame in receiver.frames() if begin_unix_s <= unix_s < end_unix_s]
    return LiveBlock(
        startup_s, frames, report, usage.core_share, usage.by_thread, usage.cores_busy, memory, power_w
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


def _wait_for_first(receiver: StampedReceiver, program: subprocess.Popen[bytes], log: Path) -> None:
    deadline_s = time.monotonic() + START_LIMIT_S
    while not receiver.wait_first(0.05):
        if program.poll() is not None or time.monotonic() > deadline_s:
            raise _failed(program, log)


def _sleep_while_running(duration_s: float, program: subprocess.Popen[bytes], log: Path) -> None:
    try:
        program.wait(duration_s)
    except subprocess.TimeoutExpired:
        return
    raise _failed(program, log)


def _stop(program: subprocess.Popen[bytes]) -> None:
    if program.poll() is None:
        os.kill(program.pid, signal.SIGTERM)
    try:
        program.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait()


def _failed(program: subprocess.Popen[bytes], log: Path) -> AuEdgeError:
    lines = log.read_text(errors="replace").strip().splitlines()
    said = "; ".join(lines[-3:]) or "nothing"
    status = program.poll()
    state = f"ended with status {status}" if status is not None else f"sent no frame within {START_LIMIT_S:g} s"
    return DeviceError("the program under measurement", f"it {state} and said: {said}", "Try `au-edge run` first")
