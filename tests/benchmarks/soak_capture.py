"""Soak the capture: hours in minutes, on a virtual microphone whose clock runs fast, with faults at random.

    python -m tests.benchmarks.soak_capture [--hours 4] [--speed 10] [--fault-s 2] [--seed 1]

One line a minute of real time, one JSON object at the end. Exit status 1 where memory, files or threads grew, sound
did not come back, or the axis went back.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import sys
import tempfile
import time
from pathlib import Path

from edge.exit_status import exit_status
from edge.machine.clock import SystemClock
from edge.machine.realtime import ENGINE_PRIORITY, make_thread_realtime
from edge.runtime.source_keeper import SourceKeeper
from edge.sources.microphone import Microphone
from tests.virtual_microphone.air import Device
from tests.virtual_microphone.rounds import footprint
from tests.virtual_microphone.studio import Studio

RATE_HZ = 48_000
FAULTS = ("unplugged", "stalled", "hung", "busy", "overrun")
LONGEST_AWAY_S = 1.0
RETURN_LIMIT_S = 10.0
GROWTH_LIMIT_MB = 3.0  # after the first tenth, in which caches fill


class Soak:
    """One long capture and what was seen."""

    def __init__(self, folder: Path, speed: float, fault_s: float, seed: int) -> None:
        self._studio = Studio(folder, [Device("mic", RATE_HZ)])
        os.environ["ALSA_CONFIG_PATH"] = str(self._studio.configuration)
        self._air = self._studio.airs["mic"]
        self._air.run_fast(round((speed - 1.0) * 1e6))
        self._random = random.Random(seed)
        self._fault_s = fault_s
        self._source = Microphone("mic", clock=SystemClock())
        self._keeper = SourceKeeper(self._source, SystemClock())
        self.n_samples = 0
        self.n_faults = 0
        self.n_late_returns = 0
        self.went_back = 0
        self._end_index = 0
        self.footprints: list[dict[str, float]] = []

    def run(self, hours: float) -> None:
        """Capture until so many hours of sound have been heard."""
        self._keeper.open()
        wanted = int(hours * 3600 * RATE_HZ)
        next_fault_s = next_line_s = time.monotonic() + self._fault_s
        while self.n_samples < wanted:
            self._read()
            now_s = time.monotonic()
            if self._fault_s > 0 and now_s >= next_fault_s:
                self._break()
                next_fault_s = time.monotonic() + self._random.uniform(0.5, 1.5) * self._fault_s
            if len(self.footprints) < self.n_samples * 100 // wanted:
                self.footprints.append(footprint())
            if now_s >= next_line_s:
                next_line_s = now_s + 60.0
                heard_h = self.n_samples / RATE_HZ / 3600
                print(f"{heard_h:.2f} h of sound, {self.n_faults} faults, {footprint()}", flush=True)
        self._keeper.close()

    def report(self) -> dict[str, object]:
        """Return what was seen."""
        settled = self.footprints[len(self.footprints) // 10 :]
        grown = {name: settled[-1][name] - settled[0][name] for name in settled[0]}
        return {
            "hours": self.n_samples / RATE_HZ / 3600,
            "faults": self.n_faults,
            "late_returns": self.n_late_returns,
            "went_back": self.went_back,
            "grown": grown,
            "resident_mb": settled[-1]["resident_mb"],
            "counters": dict(self._source.counters()),
        }

    def _read(self) -> bool:
        chunk = self._keeper.read(1 / 30)
        if chunk is None:
            return False
        self.went_back += chunk.start_index < self._end_index
        self._end_index = chunk.end_index
        self.n_samples += len(chunk.samples)
        return True

    def _break(self) -> None:
        fault = self._random.choice(FAULTS)
        self.n_faults += 1
        self._air.fault("unplugged" if fault == "busy" else fault)
        back_s = time.monotonic() + (0.0 if fault == "overrun" else self._random.uniform(0.0, LONGEST_AWAY_S))
        while time.monotonic() < back_s or self._air["fault"] == 4:
            if fault == "busy" and not self._keeper.is_open:
                self._air.fault("busy")
            self._read()
        self._air.fault("none")
        limit_s = time.monotonic() + RETURN_LIMIT_S
        while not self._read():
            if time.monotonic() > limit_s:
                self.n_late_returns += 1
                return


def main() -> int:
    """Soak as the command line says; return 1 where something grew or stayed away."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--hours", type=float, default=4.0, help="hours of sound (default 4)")
    parser.add_argument("--speed", type=float, default=10.0, help="how much faster than life (default 10)")
    parser.add_argument("--fault-s", type=float, default=2.0, help="mean time between faults, 0 = none (default 2)")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    make_thread_realtime(ENGINE_PRIORITY, "soak")
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(Path(folder), arguments.speed, arguments.fault_s, arguments.seed)
        soak.run(arguments.hours)
    report = soak.report()
    print(json.dumps(report, indent=2))
    grown = report["grown"]
    assert isinstance(grown, dict)
    is_flat = grown["resident_mb"] < GROWTH_LIMIT_MB and grown["files"] <= 0 and grown["python_threads"] <= 0
    return 0 if is_flat and not report["late_returns"] and not report["went_back"] else 1


if __name__ == "__main__":
    sys.exit(exit_status("tests.benchmarks.soak_capture", main))
