"""A source that serves agents, a thread that hears it as the engine would, and agents to speak."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
from websockets.sync.client import ClientConnection, connect

from edge.features.resampler import Resampler
from edge.frames import AudioChunk, Speech
from edge.machine.clock import SystemClock
from edge.sources.agents.source import WebSocketSource

RATE_HZ = 16_000


class Face:
    """Keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple] = []

    def mood(self, name: str, amount: float = 1.0) -> None:
        from edge.contracts import MOODS
        from edge.errors import ConfigurationError

        if name not in MOODS:
            raise ConfigurationError(f"mood {name}", "there is none", f"Moods are {', '.join(MOODS)}")
        self.asked.append(("mood", name, amount))

    def look(self, yaw_deg: float | None = None, pitch_deg: float | None = None) -> None:
        self.asked.append(("look", yaw_deg, pitch_deg))

    def gesture(self, name: str) -> None:
        self.asked.append(("gesture", name))

    def rest(self) -> None:
        self.asked.append(("rest",))

    def wake(self) -> None:
        self.asked.append(("wake",))


class Ear(threading.Thread):
    """Reads a source."""

    def __init__(self, source: WebSocketSource) -> None:
        super().__init__(daemon=True)
        self.source = source
        self.chunks: list[tuple[float, AudioChunk]] = []
        self.is_over = False
        self.start()

    def run(self) -> None:
        while not self.is_over:
            chunk = self.source.read(0.02)
            if chunk is not None:
                kept = AudioChunk(chunk.samples.copy(), chunk.start_index, chunk.end_time_s, speech=chunk.speech)
                self.chunks.append((time.monotonic(), kept))

    def speech(self) -> np.ndarray:
        """Return all samples of speech, int16, without the silence in which an agent is waited for."""
        spoken = (Speech.BEGUN, Speech.GOING_ON)
        said = [c.samples for _, c in list(self.chunks) if c.speech in spoken and c.samples.any()]
        return np.round(np.concatenate([np.zeros(0, np.float32), *said]) * 32768).astype(int)


class Agent:
    """A client that keeps what it is told."""

    def __init__(self, port: int, **options: object) -> None:
        path = options.pop("path", "/")
        options.setdefault("max_size", None)
        self._connecting = connect(f"ws://127.0.0.1:{port}{path}", **options)  # type: ignore[arg-type]
        self.link: ClientConnection = self._connecting.__enter__()
        self.told: list[dict] = []

    def say(self, **word: object) -> None:
        self.link.send(json.dumps(word))

    def utter(self, sound: np.ndarray, utterance_id: str, rate_hz: int = RATE_HZ, piece: int = 3200) -> None:
        self.say(type="start", id=utterance_id, rate_hz=rate_hz)
        data = sound.astype("<i2").tobytes()
        for begin in range(0, len(data), piece):
            self.link.send(data[begin : begin + piece])
        self.say(type="end")

    def wait(self, kind: str, limit_s: float = 60.0, **wanted: object) -> dict:
        """Return the next event of a kind; what comes before it is kept in `told`."""
        ends_s = time.monotonic() + limit_s
        while (left_s := ends_s - time.monotonic()) > 0:
            event = json.loads(self.link.recv(timeout=left_s))
            self.told.append(event)
            if event["type"] == kind and all(event.get(k) == v for k, v in wanted.items()):
                return event
        raise AssertionError(f"no {kind}; told were {self.told}")


@contextmanager
def serving(pace: str = "fast", **options: object) -> Iterator[tuple[WebSocketSource, Ear]]:
    source = WebSocketSource(
        "127.0.0.1:0", clock=SystemClock(), rate_hz=RATE_HZ, resampler_for=Resampler, pace=pace, **options
    )  # type: ignore[arg-type]
    source.open()
    ear = Ear(source)
    try:
        yield source, ear
    finally:
        ear.is_over = True
        ear.join()
        source.close()


def tone(n_samples: int, step: int = 1) -> np.ndarray:
    """Return samples that tell their place and their maker."""
    return (np.arange(n_samples) * step) % 20_000


def balance(counters: Mapping[str, int]) -> int:
    """Return how many utterances were accepted and have not ended."""
    return counters["utterances_queued"] - counters["utterances_spoken"] - counters["utterances_cleared"]
