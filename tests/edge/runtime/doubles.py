"""Doubles of the contracts: a clock moved by hand, a scripted source, a network that is arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np

from edge.errors import DeviceError
from edge.features.framing import FrameAxis, Framer
from edge.frames import AudioChunk, AUFrame, Speech
from edge.manifest import Manifest, StateTensor
from edge.metrics.counters import Metrics
from edge.runtime.pipeline import Pipeline

RATE_HZ = 44_100


class ManualClock:
    """Time moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.on_sleep: Callable[[], None] = lambda: None

    def monotonic_s(self) -> float:
        return self.now_s

    def unix_s(self) -> float:
        return self.now_s + 1_700_000_000

    def sleep_until(self, monotonic_s: float) -> None:
        self.now_s = max(self.now_s, monotonic_s)
        self.on_sleep()


class ScriptedSource:
    """Plays steps: ("sound", n samples), ("gap", n), ("wait",), ("lost",), ("over", n), ("clear",), ("end",)."""

    rate_hz = RATE_HZ
    description = "script"

    def __init__(self, clock: ManualClock, script: list[tuple], open_failures: int = 0) -> None:
        self.open_error: Exception = DeviceError("microphone", "away", "plug it in")
        self.clock = clock
        self.script = list(script)
        self.index = 0
        self.open_failures = open_failures
        self.n_opened = 0
        self.n_closed = 0
        self.lag_s = 0.0

    def open(self) -> None:
        self.n_opened += 1
        if self.n_opened > 1 and self.open_failures > 0:
            self.open_failures -= 1
            raise self.open_error

    def read(self, timeout_s: float) -> AudioChunk | None:
        kind, *rest = self.script.pop(0) if self.script else ("wait",)
        if kind == "wait":
            self.clock.sleep_until(self.clock.now_s + timeout_s)
            return None
        if kind == "lost":
            raise DeviceError("microphone", "gone", "plug it in")
        if kind == "gap":
            self.index += rest[0]
            return self.read(timeout_s)
        if kind == "lag":
            self.lag_s = rest[0]
            return self.read(timeout_s)
        n = rest[0] if rest else 0
        self.clock.sleep_until(self.clock.now_s + n / RATE_HZ)
        samples = (np.arange(self.index, self.index + n) % 1000 / 1000).astype(np.float32)
        speech = {"over": Speech.ENDED, "clear": Speech.CLEARED}.get(kind, Speech.GOING_ON)
        chunk = AudioChunk(samples, self.index, self.clock.now_s - self.lag_s, is_last=kind == "end", speech=speech)
        self.index += n
        return chunk

    def counters(self) -> Mapping[str, int]:
        return {"lost_samples": 0, "reopened": self.n_opened - 1}

    def warnings(self) -> list[str]:
        return []

    def close(self) -> None:
        self.n_closed += 1


class LastSample:
    """The feature is the window's last sample."""

    window_samples = 1470
    shape = (1, 1)

    def compute(self, window: np.ndarray, out: np.ndarray) -> None:
        out[0, 0] = window[-1]


class CountingSession:
    """Activation 0 counts the steps since reset, activation 1 is the feature."""

    def __init__(self) -> None:
        self.features = np.zeros((1, 1), np.float32)
        self.activations = np.zeros(2, np.float32)
        self.head_deg = np.zeros(3, np.float32)
        self.n_resets = 0

    def step(self) -> None:
        self.activations[0] += np.float32(0.001)
        self.activations[1] = self.features[0, 0]

    def reset(self) -> None:
        self.activations[0] = 0
        self.n_resets += 1

    def warm_up(self, n_frames: int) -> None: ...

    def close(self) -> None: ...


class Collector:
    """An output that keeps copies."""

    name = "collector"
    description = "collector"
    state = "up"

    def __init__(self) -> None:
        self.frames: list[AUFrame] = []
        self.is_closed = False

    def open(self) -> None: ...

    def send(self, frame: AUFrame) -> None:
        self.frames.append(frame.copy())

    def pump(self) -> None: ...

    def counters(self) -> Mapping[str, int]:
        return {"sent": len(self.frames), "failed": 0}

    def close(self) -> None:
        self.is_closed = True


def manifest(lookahead_ms: float = 0.0, frame_rate: int = 30) -> Manifest:
    """Return the facts of a network with two channels."""
    return Manifest(
        path=Path("double.json"),
        name="double",
        version="1",
        graph_path=Path("double.onnx"),
        sha256="",
        precision="float32",
        sample_rate_hz=RATE_HZ,
        frame_rate=Fraction(frame_rate),
        features={"kind": "none"},
        input="x",
        state=(StateTensor("h", "h_out", (1, 1)),),
        activations="au",
        head="head",
        channels=("jawOpen", "mouthClose"),
        masked_channels=(),
        lookahead_ms=lookahead_ms,
        licence="none",
        metrics={},
    )


def pipeline(session: CountingSession, metrics: Metrics, lookahead_ms: float = 0.0, frame_rate: int = 30) -> Pipeline:
    """Return the real pipeline over a double of the network."""
    facts = manifest(lookahead_ms, frame_rate)
    framer = Framer(FrameAxis(RATE_HZ, facts.frame_rate), LastSample.window_samples)
    return Pipeline(facts, lambda: RATE_HZ, lambda rate_hz: None, framer, LastSample(), session, [], metrics)
