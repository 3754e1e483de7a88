"""What the tests of the page share: a browser, a head in this process, a sender of frames, kept pictures."""

from __future__ import annotations

import io
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.head.chromium import Page
from edge.head.running import HeadThread
from tests.system.programs import GIVE_UP_S, ROOT

ARTEFACTS = ROOT / "artefacts" / "head"
# Regions of the picture, as shares of its height around the middle column: (left, top, right, bottom)
MOUTH = (-0.12, 0.60, 0.12, 0.78)
FOREHEAD = (-0.10, 0.20, 0.10, 0.32)


def keep(name: str, png: bytes) -> NDArray[np.int16]:
    """Keep a picture as artefact and return its pixels, int16 [height, width, 3]."""
    from PIL import Image

    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    (ARTEFACTS / name).write_bytes(png)
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), np.int16)


def difference(a: NDArray[np.int16], b: NDArray[np.int16], region: tuple[float, float, float, float]) -> float:
    """Return the mean difference of a region, in steps of 0..255."""
    height, width = a.shape[:2]
    left, top, right, bottom = region
    rows = slice(int(top * height), int(bottom * height))
    columns = slice(int(width / 2 + left * height), int(width / 2 + right * height))
    return float(np.abs(a[rows, columns] - b[rows, columns]).mean())


def channels(page: Page) -> dict[str, float]:
    """Return the influences of the mesh's morph targets."""
    found: dict[str, float] = page.run("Object.fromEntries(auEdge.face.names.map(n => [n, auEdge.face.get(n)]))")
    return found


@contextmanager
def sending(port: int, au: Mapping[str, float], rate_hz: float = 30.0) -> Iterator[dict[str, float]]:
    """Send frames of a face that the test may change, until the end of the block."""
    face = dict(au)
    stop = threading.Event()

    def run() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sequence, next_s = 0, time.monotonic()
            while not stop.is_set():
                sequence += 1
                body = {"v": 1, "seq": sequence, "t": time.time() - 0.01, "state": "live", "au": face,
                        "head": {"pitch": 0, "yaw": 0, "roll": 0}}  # fmt: skip
                sender.sendto(json.dumps(body).encode(), ("127.0.0.1", port))
                next_s += 1 / rate_hz
                stop.wait(max(0.0, next_s - time.monotonic()))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield face
    finally:
        stop.set()
        thread.join()


def opened(page: Page, address: str, query: str = "") -> Page:
    """Load the page and return once its first picture is drawn."""
    page.go(address + query)
    page.wait_for("!!window.auEdge && auEdge.clock.frames > 0", GIVE_UP_S)
    return page


def settle(page: Page, n_pictures: int = 4) -> None:
    """Wait until some more pictures are drawn, however slow the machine is."""
    now = page.run("auEdge.clock.frames")
    page.wait_for(f"auEdge.clock.frames >= {now + n_pictures}", GIVE_UP_S)


def processor_s(pid: int) -> float:
    """Return the processor time that a process has used so far."""
    import os

    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def frames_port(head: HeadThread) -> int:
    """Return where a head takes frames."""
    return head.server.frames_port
