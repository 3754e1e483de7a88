"""Programs of others that are run beside ours, where they are installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.node_lines import NodeLines

HEADAUDIO_PACKAGE = "@met4citizen/headaudio"
HEADAUDIO_VERSION = "0.1.0"
_SCRIPT = Path(__file__).with_name("headaudio.mjs")
# Openings of its 15 Oculus visemes, in its order: aa E I O U PP SS TH DD FF kk nn RR CH sil.
_VISEME_APERTURES = (1.0, 0.7, 0.45, 0.8, 0.3, 0.0, 0.25, 0.3, 0.3, 0.1, 0.4, 0.3, 0.3, 0.3, 0.0)
_SHAPE_APERTURES = {"A": 0.0, "B": 0.25, "C": 0.6, "D": 1.0, "E": 0.7, "F": 0.3, "G": 0.1, "H": 0.4, "X": 0.0}


@dataclass(frozen=True)
class PeerRun:
    """What a peer gave for a clip.

    Attributes:
        cpu_s: Processor time.
        wall_s: Elapsed time.
        times_s: Places in the sound that its values belong to, by its own account.
        known_s: How much of the sound it had heard when it gave each.
        apertures: The mouth opening that each value stands for.
    """

    cpu_s: float
    wall_s: float
    times_s: list[float]
    known_s: list[float]
    apertures: list[float]


def install_headaudio(folder: Path) -> str | None:
    """Install HeadAudio by npm into a folder; return why that is not possible, or None."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        return "node and npm are not installed"
    if (folder / "node_modules" / HEADAUDIO_PACKAGE).exists():
        return None
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        "npm",
        "install",
        "--no-audit",
        "--no-fund",
        "--prefix",
        str(folder),
        f"{HEADAUDIO_PACKAGE}@{HEADAUDIO_VERSION}",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    return None if done.returncode == 0 else f"npm failed: {done.stderr.strip().splitlines()[-1:]}"


class HeadAudio:
    """HeadAudio in Node, one process for all clips.

    Args:
        folder: Where it is installed.
    """

    def __init__(self, folder: Path) -> None:
        self._node = NodeLines("HeadAudio", _SCRIPT, [str(folder)])
        self.versions: dict[str, Any] = self._node.first

    def run(self, path: Path) -> PeerRun:
        """Let it hear a WAV file."""
        began_s = time.perf_counter()
        found = self._node.ask(str(path))
        visemes = found["visemes"]
        return PeerRun(
            found["cpu_s"],
            time.perf_counter() - began_s,
            [event["about_s"] for event in visemes],
            [event["known_s"] for event in visemes],
            [_VISEME_APERTURES[event["viseme"]] for event in visemes],
        )

    def close(self) -> None:
        """End it."""
        self._node.close()


def run_rhubarb(path: Path, duration_s: float) -> PeerRun:
    """Let rhubarb (on the PATH) hear a WAV file with its phonetic recogniser."""
    before, began_s = os.times(), time.perf_counter()
    command = ["rhubarb", "-q", "-r", "phonetic", "-f", "json", str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    after = os.times()
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    cues = json.loads(done.stdout)["mouthCues"]
    starts = [float(cue["start"]) for cue in cues]
    shapes = [_SHAPE_APERTURES[cue["value"]] for cue in cues]
    return PeerRun(cpu_s, time.perf_counter() - began_s, starts, [duration_s] * len(cues), shapes)
