"""Whether faces and sound stay together: minutes of the whole program on a loudspeaker whose clock is wrong.

    python -m tests.benchmarks.face_timing [--minutes 10] [--ppm 200] [--lead-ms 0] [--out FILE]

The program is `au-edge run` with audio.play, an agent speaks through the WebSocket, a virtual ALSA card knows when each
sample truly left. Prints one JSON object, in ms: of each frame, when it arrived less when its sound left (`came`), and
the time that it bears less that (`told`). Exit status 1 beyond 10 ms in the median or 20 ms at 99 %.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from edge.exit_status import exit_status
from edge.machine.whole_file import write_whole
from tests.edge.sources.agents.rig import Agent
from tests.ports import free_tcp_port
from tests.system.face_against_sound import Round, likeness_by_place, say_again_and_again, talk_options
from tests.system.talking import SENTENCES, flite, talking
from tests.virtual_loudspeaker.audience import open_hall
from tests.virtual_microphone.air import Device

MEDIAN_LIMIT_MS, HIGH_LIMIT_MS = 10.0, 20.0


def measure(minutes: float, ppm: int, lead_ms: float) -> dict[str, object]:
    """Talk for so long and return what was seen."""
    rounds: list[Round] = []
    port = free_tcp_port()
    with (
        tempfile.TemporaryDirectory() as folder,
        open_hall(Path(folder), [Device("speaker_48", 48_000, 2)]) as hall,
    ):
        audience = hall["speaker_48"]
        audience.run_fast(ppm)
        sound, rate_hz = soundfile.read(flite(SENTENCES[5], Path(folder) / "a.wav"), dtype="int16")
        with talking(*talk_options(port, f"output.a.lead_ms={lead_ms:g}")) as (_, watcher):
            agent, n_said = Agent(port), 0
            ends_s = time.monotonic() + 60.0 * minutes
            while time.monotonic() < ends_s:
                one = say_again_and_again(agent, audience, watcher, sound, rate_hz, f"r{len(rounds)}-")
                n_said += 6
                rounds.append(one)
                print(f"{len(one.begins_s)} said, came {np.median(one.came_s) * 1000:.1f} ms", file=sys.stderr)
                del watcher.seen[:-50], agent.told[:]
            n_underruns = audience["n_underruns"]
    told_ms = 1000 * np.concatenate([one.told_s for one in rounds])
    came_ms = 1000 * np.concatenate([one.came_s for one in rounds]) + lead_ms
    return {
        "minutes": minutes, "ppm": ppm, "lead_ms": lead_ms, "said": n_said,
        "found_in_what_was_played": sum(len(one.begins_s) for one in rounds), "frames": len(came_ms),
        "came": _spread(came_ms), "told": _spread(told_ms),
        "median_came_first_and_last_round": [
            round(float(np.median(one.came_s)) * 1000 + lead_ms, 2) for one in (rounds[0], rounds[-1])
        ],
        "likeness_by_place": round(likeness_by_place(rounds), 4),
        "likeness_one_frame_off": [round(likeness_by_place(rounds, shift), 4) for shift in (-1, 1)],
        "card_underruns": n_underruns, "load": round(os.getloadavg()[0] / (os.cpu_count() or 1), 2),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
    }  # fmt: skip


def _spread(values_ms: np.ndarray) -> dict[str, float]:
    size_ms = np.abs(values_ms)
    return {
        "median": round(float(np.median(values_ms)), 2),
        "p99_of_size": round(float(np.quantile(size_ms, 0.99)), 2),
        "largest": round(float(size_ms.max()), 2),
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.face_timing")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--ppm", type=int, default=200)
    parser.add_argument("--lead-ms", type=float, default=0.0)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    result = measure(arguments.minutes, arguments.ppm, arguments.lead_ms)
    text = json.dumps(result, indent=1) + "\n"
    print(text, end="")
    if arguments.out is not None:
        write_whole(arguments.out, text)
    came = result["came"]
    assert isinstance(came, dict)
    return 0 if abs(came["median"]) <= MEDIAN_LIMIT_MS and came["p99_of_size"] <= HIGH_LIMIT_MS else 1


if __name__ == "__main__":
    sys.exit(exit_status("tests.benchmarks.face_timing", main))
