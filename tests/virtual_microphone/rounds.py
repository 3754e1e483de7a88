"""Break a microphone again and again, in a process of its own, and tell how it was each time and what it left behind.

    python -m tests.virtual_microphone.rounds FOLDER KIND N_ROUNDS

Kinds: unplugged, stalled (or hung: until it is opened anew), busy, overrun. Prints one JSON object. The source is kept
by the runtime's own SourceKeeper, so that what is measured is what the frame loop gets.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import logging
import os
import random
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from edge.frames import AudioChunk
from edge.machine.clock import SystemClock
from edge.machine.realtime import ENGINE_PRIORITY, make_thread_realtime
from edge.runtime.source_keeper import SourceKeeper
from edge.sources.microphone import Microphone
from tests.virtual_microphone.air import Device
from tests.virtual_microphone.studio import Studio

WARM_UP_ROUNDS = 5  # caches of ALSA and of the interpreter fill in the first
GIVE_UP_S = 30.0
READ_S = 1 / 30


@dataclass
class Report:
    """What was seen; counts of the process at the first counted round, half-way and at the end."""

    kind: str
    rounds: int = 0
    recovery_s: list[float] = field(default_factory=list)
    highest_load: float = 0.0
    longest_read_s: float = 0.0
    offsets: list[int] = field(default_factory=list)
    unplaced: int = 0
    went_back: int = 0
    at_start: dict[str, float] = field(default_factory=dict)
    at_half: dict[str, float] = field(default_factory=dict)
    at_end: dict[str, float] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)


class Listener:
    """Reads as the frame loop does and checks every chunk against the truth."""

    def __init__(self, studio: Studio, report: Report) -> None:
        self._truth = studio.truth("mic")
        self._report = report
        self._end_index = 0
        self.source = Microphone("mic", clock=SystemClock())
        self.keeper = SourceKeeper(self.source, SystemClock())
        self.keeper.open()

    def read(self) -> AudioChunk | None:
        began_s = time.monotonic()
        chunk = self.keeper.read(READ_S)
        self._report.longest_read_s = max(self._report.longest_read_s, time.monotonic() - began_s)
        if chunk is not None:
            self._check(chunk)
        return chunk

    def until_heard(self, since_s: float) -> float:
        """Read until sound that is younger than a moment comes; return how long after it that was."""
        while time.monotonic() - since_s < GIVE_UP_S:
            chunk = self.read()
            if chunk is not None and chunk.end_time_s > since_s:
                break
        return time.monotonic() - since_s

    def _check(self, chunk: AudioChunk) -> None:
        self._report.went_back += chunk.start_index < self._end_index
        self._end_index = chunk.end_index
        index = self._truth.index_of(chunk)
        if index is None:
            self._report.unplaced += 1
        else:
            offset = index - chunk.start_index
            if not self._report.offsets or self._report.offsets[-1] != offset:
                self._report.offsets.append(offset)


class _Mallinfo2(ctypes.Structure):
    """Counts of the C library's allocator, in bytes, over all arenas. Source: mallinfo(3), glibc 2.33 and later."""

    _fields_ = tuple((f"field_{i}", ctypes.c_size_t) for i in range(10))

    @property
    def allocated_bytes(self) -> int:
        """Return what is in use, in the arenas and mapped alone (uordblks, hblkhd)."""
        return int(self.field_7 + self.field_4)


def footprint() -> dict[str, float]:
    """Return what a leak would make grow: what is allocated, and what is resident once free memory is given back.

    With MALLOC_ARENA_MAX=1, please: each thread may begin an arena of its own, and resident memory then grows by a
    megabyte or two until all have been used, while nothing is lost.
    """
    gc.collect()
    library = ctypes.CDLL(None)
    library.malloc_trim(0)
    library.mallinfo2.restype = _Mallinfo2
    allocated = library.mallinfo2()
    status = Path("/proc/self/status").read_text(encoding="ascii")
    resident_kb = int(status.split("RssAnon:")[1].split()[0])  # without files: the air's own is read more and more
    return {
        "files": len(os.listdir("/proc/self/fd")),
        "threads": len(os.listdir("/proc/self/task")),
        "python_threads": threading.active_count(),
        "resident_mb": resident_kb * 1024 / 1e6,
        "allocated_kb": allocated.allocated_bytes / 1e3,
    }


def one_round(kind: str, studio: Studio, listener: Listener, chance: random.Random) -> float:
    """Break the microphone once and return how long after its return sound came."""
    air = studio.airs["mic"]
    listener.until_heard(time.monotonic() + 0.01)
    if kind == "overrun":
        air.fault("overrun")
        while air["fault"]:
            listener.read()
        return listener.until_heard(time.monotonic())
    # A hung stream never gives sound again, not even one that was opened meanwhile and outlives the fault.
    air.fault(chance.choice(["stalled", "hung"]) if kind == "stalled" else "unplugged")
    broken_s = time.monotonic()
    while listener.keeper.is_open and time.monotonic() - broken_s < GIVE_UP_S:
        listener.read()
    if kind == "busy":  # back, but another program was faster
        air.fault("busy")
    away_s = time.monotonic() + chance.choice([0.0, 0.0, 0.0, 0.3])
    while time.monotonic() < away_s:
        listener.read()
    air.fault("none")
    return listener.until_heard(time.monotonic())


def main() -> None:
    """Run the rounds and print the report."""
    folder, kind, n_rounds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    logging.disable(logging.CRITICAL)
    folder.mkdir(parents=True, exist_ok=True)
    studio = Studio(folder, [Device("mic", 48_000)])
    os.environ["ALSA_CONFIG_PATH"] = str(studio.configuration)
    make_thread_realtime(ENGINE_PRIORITY, "rounds")
    with contextlib.suppress(OSError):
        os.nice(-10)  # as the service unit sets it
    report = Report(kind)
    listener = Listener(studio, report)
    chance = random.Random(1)
    for number in range(WARM_UP_ROUNDS + n_rounds):
        if number == WARM_UP_ROUNDS:
            report.at_start = footprint()
        if number == WARM_UP_ROUNDS + n_rounds // 2:
            report.at_half = footprint()
        report.recovery_s.append(one_round(kind, studio, listener, chance))
        report.highest_load = max(report.highest_load, os.getloadavg()[0] / (os.cpu_count() or 1))
    listener.until_heard(time.monotonic() + 0.01)
    report.rounds = n_rounds
    ends_s = time.monotonic() + GIVE_UP_S
    while footprint()["threads"] > report.at_start["threads"] and time.monotonic() < ends_s:
        time.sleep(0.05)  # what was given up last is closed beside us
    report.at_end = footprint()
    report.counters = dict(listener.source.counters())
    listener.keeper.close()
    print(json.dumps(vars(report)))


if __name__ == "__main__":
    main()
