"""The programs that are compared: each hears a WAV file and gives its mouth, with the processor time it took."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import soundfile

from tests.benchmarks.compare.shapes import (
    LOUDNESS,
    OCULUS,
    RHUBARB,
    VOWELS,
    Mouth,
    Shapes,
    box_smoothed,
    low_passed,
    one_hot,
)
from tests.benchmarks.node_lines import NodeLines

_SCRIPT = Path(__file__).with_name("visemes.mjs")
LOUDNESS_WINDOW_S = 0.033
LOUDNESS_RANGE_DBFS = (-50.0, -15.0)


@dataclass(frozen=True)
class Heard:
    """What a program made of one clip.

    Attributes:
        cpu_s: Processor time for it, loading left out.
        shown: What it shows: by the name of a variant ("" for the plain one) a mouth, or shapes for its table.
        stand_in_s: The part of `cpu_s` that what stands in for a browser took.
    """

    cpu_s: float
    shown: dict[str, Mouth | Shapes]
    stand_in_s: float = 0.0


class Program(Protocol):
    """A program that can be run."""

    name: str
    version: str
    table: Mapping[str, tuple[float, float]]
    needs: str

    def hear(self, path: Path) -> Heard: ...

    def close(self) -> None: ...


@dataclass
class AuEdge:
    """The whole program, as `au-edge render` runs it, with the default configuration.

    Args:
        network: Name of a shipped network, or path of a manifest.
        name: For the page.
    """

    network: str
    name: str
    table: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._heard: set[Path] = set()
        from edge.app import choose_backend, find_manifest, protocol_options
        from edge.config.reading import load_settings
        from engine_build.labels.channels import CHANNELS

        options = [f"model.path={self.network}", "model.backend=onnxruntime"]
        self._settings = load_settings(protocol_options(), None, options)
        self._manifest = find_manifest(self._settings.model.path)
        self._session = choose_backend(self._settings, self._manifest).backend.open(self._manifest)
        names = list(self._manifest.channels)
        self._rows = [names.index(name) if name in names else -1 for name in CHANNELS]
        self.version = f"{self._manifest.name} {self._manifest.version}".strip()
        ahead = self._manifest.lookahead_ms
        self.needs = f"{ahead:.0f} ms of what follows" if ahead else "nothing of what follows"

    def hear(self, path: Path) -> Heard:
        """Render as shown; the first time, the network alone beside it."""
        from edge.commands.render import render_file

        began_s = time.thread_time()
        table = render_file(path, self._settings, self._manifest, self._session)
        cpu_s = time.thread_time() - began_s
        shown: dict[str, Mouth | Shapes] = {"": self._mouth(table)}
        if path not in self._heard:
            self._heard.add(path)
            alone = render_file(path, self._settings, self._manifest, self._session, is_raw=True)
            shown["network alone"] = self._mouth(alone)
        return Heard(cpu_s, shown)

    def _mouth(self, table: Any) -> Mouth:
        from engine_build.labels.geometry import face_geometry_mm

        values = np.concatenate([table.values, np.zeros((len(table), 1), np.float32)], axis=1)  # -1: not a channel
        return Mouth(np.array(table.times_s), face_geometry_mm(values[:, self._rows]))

    def close(self) -> None:
        """Close the network."""
        self._session.close()


@dataclass
class LoudnessJaw:
    """What many robots do: the level of the last 33 ms, -50 to -15 dBFS, opens the jaw 30 times a second."""

    name: str = "loudness moves the jaw"
    version: str = ""
    table: Mapping[str, tuple[float, float]] = field(default_factory=lambda: LOUDNESS)
    needs: str = "nothing of what follows"

    def hear(self, path: Path) -> Heard:
        """Measure levels."""
        sound, rate_hz = soundfile.read(path, dtype="float32")
        began_s = time.thread_time()
        ends = (np.arange(1, int(len(sound) / rate_hz * 30) + 1) * rate_hz / 30).astype(int)
        window = round(LOUDNESS_WINDOW_S * rate_hz)
        levels = [np.sqrt(np.mean(sound[max(0, end - window) : end] ** 2)) for end in ends]
        low, high = LOUDNESS_RANGE_DBFS
        jaw = np.clip((20.0 * np.log10(np.array(levels) + 1e-7) - low) / (high - low), 0.0, 1.0)
        cpu_s = time.thread_time() - began_s
        return Heard(cpu_s, {"": Shapes(ends / rate_hz, jaw[:, None])})

    def close(self) -> None:
        """Nothing is open."""


class NodeProgram:
    """A program for browsers, in Node.

    Args:
        key: What the script calls it.
        name: For the page.
        folder: Where it is installed.
    """

    def __init__(self, key: str, name: str, folder: Path) -> None:
        self.name, self.table = name, OCULUS
        self.needs = "nothing of what follows"
        self._node = NodeLines(name, _SCRIPT, [key, str(folder)])
        self.version = str(self._node.first["version"])

    def hear(self, path: Path) -> Heard:
        """Let it hear a file: as shipped where it eases its visemes by itself, and by our low-pass."""
        found = self._node.ask(str(path))
        times_s = np.array(found["times_s"])
        active = Shapes(times_s, one_hot(found["active"], len(OCULUS)))
        shown: dict[str, Mouth | Shapes] = {} if found["own"] is None else {"": Shapes(times_s, np.array(found["own"]))}
        shown["60 ms low-pass"] = low_passed(active)
        return Heard(found["cpu_s"], shown, found["stand_in_s"])

    def close(self) -> None:
        """End it."""
        self._node.close()


class PyLipSync:
    """pylipsync with its default settings: 64 ms around each of 60 values a second."""

    name = "pylipsync"
    table = VOWELS
    needs = "the file; 32 ms of what follows by its windows"

    def __init__(self) -> None:
        from pylipsync import PhonemeAnalyzer

        self.version = importlib.metadata.version("pylipsync")
        self._analyzer = PhonemeAnalyzer()

    def hear(self, path: Path) -> Heard:
        """Let it hear a file."""
        sound, rate_hz = soundfile.read(path, dtype="float32")
        began_s = time.process_time()
        segments = self._analyzer.extract_phoneme_segments(sound, rate_hz, return_seconds=True)
        cpu_s = time.process_time() - began_s
        times_s = np.array([(segment.start + segment.end) / 2 for segment in segments])
        weights = [{phoneme.name: phoneme.target for phoneme in segment.phonemes} for segment in segments]
        raw = Shapes(times_s, np.array([[known.get(name, 0.0) for name in self.table] for known in weights]))
        return Heard(cpu_s, {"": raw, "60 ms to both sides": box_smoothed(raw)})

    def close(self) -> None:
        """Nothing is open."""


class Rhubarb:
    """rhubarb from the PATH, with its phonetic recogniser."""

    name = "rhubarb"
    table = RHUBARB
    needs = "the whole file"

    def __init__(self) -> None:
        done = subprocess.run(["rhubarb", "--version"], capture_output=True, text=True, check=True)
        self.version = done.stdout.split()[-1] if done.stdout.split() else ""

    def hear(self, path: Path) -> Heard:
        """Let it hear a file."""
        before = os.times()
        command = ["rhubarb", "-q", "-r", "phonetic", "-f", "json", str(path)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        after = os.times()
        cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
        times_s = np.arange(0.0, float(found["metadata"]["duration"]), 0.01)
        starts = np.array([float(cue["start"]) for cue in found["mouthCues"]])
        places = np.maximum(np.searchsorted(starts, times_s, side="right") - 1, 0)
        names = list(self.table)
        active = [names.index(found["mouthCues"][place]["value"]) for place in places]
        return Heard(cpu_s, {"60 ms to both sides": box_smoothed(Shapes(times_s, one_hot(active, len(names))))})

    def close(self) -> None:
        """Nothing is open."""


def _node(key: str, name: str, package: str, npm: Path | None) -> NodeProgram:
    if shutil.which("node") is None:
        raise FileNotFoundError("node is not installed")
    if npm is None or not (npm / "node_modules" / package).exists():
        raise FileNotFoundError(f"the package {package} is not in a folder that --npm names")
    return NodeProgram(key, name, npm)


def _rhubarb() -> Rhubarb:
    if shutil.which("rhubarb") is None:
        raise FileNotFoundError("it is not on the PATH; its makers publish it on GitHub only")
    return Rhubarb()


def open_programs(networks: Mapping[str, str], npm: Path | None) -> tuple[list[Program], dict[str, str]]:
    """Return the programs that run here, and why each of the others does not.

    Args:
        networks: Of au-edge: name for the page -> network.
        npm: Folder with node_modules.
    """
    made: list[Program] = [AuEdge(network, name) for name, network in networks.items()]
    missing: dict[str, str] = {}
    peers: dict[str, Callable[[], Program]] = {
        "HeadAudio": lambda: _node("headaudio", "HeadAudio", "@met4citizen/headaudio", npm),
        "wawa-lipsync": lambda: _node("wawa", "wawa-lipsync", "wawa-lipsync", npm),
        "pylipsync": PyLipSync,
        "rhubarb": _rhubarb,
        "loudness moves the jaw": LoudnessJaw,
    }
    for name, make in peers.items():
        try:
            made.append(make())
        except (ImportError, FileNotFoundError, RuntimeError, subprocess.CalledProcessError) as err:
            missing[name] = str(err)
    return made, missing
