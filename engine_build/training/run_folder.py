"""The files of a run that outlive it: written whole or not at all, also when the process is asked to end."""

from __future__ import annotations

import io
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge.machine.whole_file import write_whole
from engine_build.training.ranks import Ranks

CHECKPOINT = "checkpoint.pt"
BEST = "best.pt"
START = "start.pt"  # what a run that goes on from other weights began with: for `export --mix`


def write_state(state: Mapping[str, Any], path: Path) -> None:
    """Write weights and numbers so that a reader sees the old file or the new one, never half of one.

    Raises:
        InputError: It cannot be written.
    """
    import torch

    content = io.BytesIO()
    torch.save(dict(state), content)
    write_whole(path, content.getvalue())


def read_state(path: Path, ranks: Ranks) -> dict[str, Any] | None:
    """Return on every rank what the first rank's file holds, on the processor; None where it has no such file."""
    import torch

    stored = ranks.from_first(path.read_bytes() if ranks.is_first and path.exists() else b"")
    if not stored:
        return None
    state: dict[str, Any] = torch.load(io.BytesIO(stored), weights_only=True, map_location="cpu")
    return state


def take_weights_of_first(network: Any, ranks: Ranks) -> None:
    """Begin as the first rank does: what is computed from data may differ between processors in the last bit."""
    import torch

    if ranks.count == 1:
        return
    held = io.BytesIO()
    torch.save(network.state_dict(), held)
    stored = io.BytesIO(ranks.from_first(held.getvalue()))
    network.load_state_dict(torch.load(stored, weights_only=True, map_location="cpu"))


def move_average(average: Any, network: Any, keep: float) -> None:
    """Move the running average of a network's weights towards it; what is no real number is copied."""
    import torch

    with torch.no_grad():
        ours = average.state_dict()
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                ours[name].lerp_(value, 1.0 - keep)
            else:
                ours[name].copy_(value)


@contextmanager
def asked_to_end() -> Iterator[threading.Event]:
    """Turn SIGTERM into a flag: torchrun sends it to the ranks that are left, and a step is then finished and saved."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # only that one may set what a signal does
        yield asked
        return
    before = signal.signal(signal.SIGTERM, lambda *_: asked.set())
    try:
        yield asked
    finally:
        signal.signal(signal.SIGTERM, before)
