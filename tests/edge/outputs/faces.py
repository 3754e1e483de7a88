"""Manifests, frames and golden bytes for the tests of outputs."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np

from edge.frames import AUFrame, State
from edge.manifest import Manifest
from edge.vocabulary import ARKIT_APPLE

GOLDEN = Path(__file__).parents[2] / "golden"


def manifest_with(channels: Sequence[str] = ARKIT_APPLE) -> Manifest:
    """Return a manifest that has nothing but names."""
    return Manifest(
        path=Path("model.json"), name="test", version="1", graph_path=Path("model.onnx"), sha256="0" * 64,
        precision="int8", sample_rate_hz=44100, frame_rate=Fraction(30), features={"kind": "test"}, input="features",
        state=(), activations="activations", head="head", channels=tuple(channels), masked_channels=(),
        lookahead_ms=0.0, licence="none", metrics={},
    )  # fmt: skip


def frame_with(
    activations: Sequence[float], head_deg: Sequence[float] = (0.0, 0.0, 0.0), state: State = State.LIVE
) -> AUFrame:
    """Return frame 7 of a stream, captured at 1700000000.25."""
    frame = AUFrame.neutral(len(activations))
    frame.activations[:] = activations
    frame.head_deg[:] = head_deg
    frame.sequence = 7
    frame.capture_unix_s = 1_700_000_000.25
    frame.state = state
    return frame


def random_frame(seed: int, n_channels: int = 52) -> AUFrame:
    """Return a frame with random values in their ranges."""
    rng = np.random.default_rng(seed)
    frame = frame_with(rng.uniform(0, 1, n_channels).tolist(), rng.uniform(-60, 60, 3).tolist())
    frame.sequence = int(rng.integers(0, 2**31))
    frame.state = State(int(rng.integers(0, 5)))
    return frame


def golden(name: str) -> bytes:
    """Return the bytes that a file of hexadecimal with comments describes."""
    lines = (GOLDEN / f"{name}.hex").read_text().splitlines()
    return b"".join(bytes.fromhex(line.partition("#")[0]) for line in lines)


@contextmanager
def receiver(host: str = "127.0.0.1") -> Iterator[socket.socket]:
    """Yield a bound UDP socket that waits a second at most."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as bound:
        bound.bind((host, 0))
        bound.settimeout(1.0)
        yield bound


class FakeClock:
    """A clock that a test moves."""

    def __init__(self, now_s: float = 100.0) -> None:
        self.now_s = now_s

    def monotonic_s(self) -> float:
        return self.now_s

    def unix_s(self) -> float:
        return self.now_s + 1_700_000_000

    def sleep_until(self, monotonic_s: float) -> None:
        self.now_s = max(self.now_s, monotonic_s)
