"""Whether the player's times stay true: minutes of bursts to a virtual loudspeaker whose clock is wrong.

    python -m tests.benchmarks.loudspeaker_timing [--minutes 10] [--ppm 200] [--step-frames 0]

Prints one JSON object: what the player said of each burst shortly before it was heard, less when it truly left, in ms.
Exit status 1 beyond 10 ms in the median or 20 ms at 99 %.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from edge.exit_status import exit_status
from edge.features.resampler import Resampler
from edge.machine.clock import SystemClock
from edge.machine.realtime import ENGINE_PRIORITY, make_thread_realtime
from edge.playback.portaudio_player import PortAudioPlayer
from tests.virtual_loudspeaker.audience import open_hall
from tests.virtual_loudspeaker.talker import RATE_HZ, Talker, errors_of
from tests.virtual_microphone.air import Device

ROUND_S = 20.0  # the audience keeps the newest 40 s
MEDIAN_LIMIT_MS, HIGH_LIMIT_MS = 10.0, 20.0


def measure(minutes: float, ppm: int, step_frames: int) -> dict[str, float]:
    """Talk for so long and return what was seen."""
    errors_ms: list[float] = []
    with tempfile.TemporaryDirectory() as folder, open_hall(Path(folder), [Device("speaker", 48_000, 2)]) as hall:
        audience = hall["speaker"]
        audience.run_fast(ppm)
        audience.move_in_steps(step_frames)
        player = PortAudioPlayer("speaker", clock=SystemClock(), make_resampler=Resampler)
        since_s = time.monotonic()
        player.open(RATE_HZ)
        talker = Talker(player)
        end_s = since_s + 60.0 * minutes
        while time.monotonic() < end_s:
            talker.talk(min(ROUND_S, end_s - time.monotonic()))
            errors_ms += list(1000 * errors_of(talker, audience, since_s))
            since_s = time.monotonic() - 0.1
            talker.told_s = {index: told_s for index, told_s in talker.told_s.items() if told_s > since_s - 1.0}
        counters = player.counters()
        player.close()
    size_ms = np.abs(errors_ms)
    return {
        "minutes": minutes,
        "ppm": ppm,
        "step_frames": step_frames,
        "bursts": len(errors_ms),
        "median_ms": float(np.median(errors_ms)),
        "p99_of_size_ms": float(np.quantile(size_ms, 0.99)),
        "largest_ms": float(size_ms.max()),
        "underruns": counters["underruns"],
        "load": os.getloadavg()[0] / (os.cpu_count() or 1),
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.loudspeaker_timing")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--ppm", type=int, default=200)
    parser.add_argument("--step-frames", type=int, default=0)
    arguments = parser.parse_args()
    make_thread_realtime(ENGINE_PRIORITY, "benchmark")
    result = measure(arguments.minutes, arguments.ppm, arguments.step_frames)
    print(json.dumps(result, indent=1))
    is_good = abs(result["median_ms"]) <= MEDIAN_LIMIT_MS and result["p99_of_size_ms"] <= HIGH_LIMIT_MS
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(exit_status("tests.benchmarks.loudspeaker_timing", main))
