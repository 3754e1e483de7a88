"""A small face that speaks the wire of docs/talking.md by itself: it shares no line with the program or the client.

It plays what it gets in real time (or faster) without a loudspeaker, keeps the sound, and breaks on demand.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

MOODS = ["neutral", "happy", "sad"]
GESTURES = ["nod", "shake"]
STEP_S = 0.01


@dataclass
class Said:
    """One utterance, as the server got it."""

    utterance_id: str
    rate_hz: int
    dtype: str
    channels: int
    connection: ServerConnection
    data: bytearray = field(default_factory=bytearray)
    is_ended: bool = False
    is_cleared: bool = False
    most_ahead_s: float = 0.0

    @property
    def seconds(self) -> float:
        return len(self.data) / (np.dtype(self.dtype).itemsize * self.channels * self.rate_hz)

    @property
    def samples(self) -> np.ndarray:
        """Return [n] or [n, 2]."""
        flat = np.frombuffer(bytes(self.data), self.dtype)
        return flat.reshape(-1, self.channels) if self.channels > 1 else flat


class TalkingServer:
    """The face.

    Args:
        speed: Seconds played in a second.
        most_waiting: Utterances that are accepted beside the one that is spoken.
        token: What a client must send, if anything.
    """

    def __init__(self, speed: float = 20.0, most_waiting: int = 8, token: str = "") -> None:
        self._speed = speed
        self._most_waiting = most_waiting
        self._token = token
        self._queue: list[Said] = []
        self.said: list[Said] = []
        self.words: list[dict[str, Any]] = []
        self.faults: list[str] = []
        self.connections: set[ServerConnection] = set()
        self.is_deaf = False  # reads nothing more, answers nothing
        self._server: Server | None = None
        self._player: asyncio.Task[None] | None = None
        self.port = 0

    async def __aenter__(self) -> TalkingServer:
        self._server = await serve(
            self._serve, "127.0.0.1", self.port, process_request=self._admit, ping_interval=None, max_size=1 << 20
        )
        self.port = self._server.sockets[0].getsockname()[1]
        self._player = asyncio.create_task(self._play())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._player is not None
        assert self._server is not None
        self._player.cancel()
        self._server.close()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/"

    def _admit(self, connection: ServerConnection, request: Any) -> Any:
        if self._token and request.headers.get("Authorization") != f"Bearer {self._token}":
            return connection.respond(401, "no token\n")
        return None

    async def _serve(self, connection: ServerConnection) -> None:
        self.connections.add(connection)
        open_one: Said | None = None
        await tell(connection, type="ready", protocol=1, moods=MOODS, gestures=GESTURES, queue=self._most_waiting)
        try:
            async for message in connection:
                while self.is_deaf:
                    await asyncio.sleep(0.1)
                if isinstance(message, bytes):
                    await self._sound(connection, open_one, message)
                else:
                    open_one = await self._word(connection, open_one, json.loads(message))
        except ConnectionClosed:
            pass
        finally:
            self.connections.discard(connection)

    async def _sound(self, connection: ServerConnection, open_one: Said | None, message: bytes) -> None:
        if open_one is not None and open_one.is_cleared and not open_one.is_ended:
            return  # another client cleared it while this was on its way
        if open_one is None or open_one.is_ended:
            self.faults.append("sound that belongs to no utterance")
            await tell(connection, type="refused", id=None, what="sound", why="no utterance is open")
            return
        open_one.data += message
        ahead_s = sum(said.seconds for said in self._queue if said.connection is connection)
        open_one.most_ahead_s = max(open_one.most_ahead_s, ahead_s)

    async def _word(self, connection: ServerConnection, open_one: Said | None, word: dict[str, Any]) -> Said | None:
        self.words.append(word)
        kind = word["type"]
        if kind == "start":
            return await self._start(connection, open_one, word)
        if kind == "end":
            if open_one is None or open_one.is_ended or word.get("id", open_one.utterance_id) != open_one.utterance_id:
                self.faults.append("end of nothing")
            else:
                open_one.is_ended = True
            return None
        if kind in ("clear", "rest"):
            for said in list(self._queue):
                if kind == "rest" or word.get("all") or said.connection is connection:
                    said.is_cleared = True
            return None
        if kind == "mood" and word["amount"] > 0.9:
            await tell(connection, type="refused", id=None, what="mood", why="too much of it")
        return open_one

    async def _start(self, connection: ServerConnection, open_one: Said | None, word: dict[str, Any]) -> Said | None:
        if open_one is not None and not open_one.is_ended and not open_one.is_cleared:
            self.faults.append("start within an utterance")
        if not 8_000 <= word["rate_hz"] <= 192_000:
            why = f"a rate of {word['rate_hz']} Hz; 8000 to 192000 are possible"
            await tell(connection, type="refused", id=word["id"], what="start", why=why)
            return None
        if len(self._queue) > self._most_waiting:
            await tell(connection, type="refused", id=word["id"], what="start", why="the queue is full")
            return None
        dtype = {"s16le": "<i2", "f32le": "<f4"}[word["format"]]
        said = Said(word["id"], word["rate_hz"], dtype, word["channels"], connection)
        self._queue.append(said)
        self.said.append(said)
        await tell(connection, type="queued", id=said.utterance_id, position=len(self._queue) - 1)
        return said

    async def _play(self) -> None:
        """Say one utterance after the other; one that is not there yet is waited for."""
        while True:
            while not self._queue:
                await asyncio.sleep(STEP_S)
            said, played_s, is_started = self._queue[0], 0.0, False
            while not said.is_cleared and not (said.is_ended and played_s >= said.seconds):
                await asyncio.sleep(STEP_S)
                if not is_started and said.data:
                    is_started = True
                    await tell(said.connection, type="started", id=said.utterance_id)
                played_s = min(said.seconds, played_s + STEP_S * self._speed)
            self._queue.remove(said)
            ended = {"type": "finished", "id": said.utterance_id, "seconds": played_s, "cleared": said.is_cleared}
            await tell(said.connection, **ended)


async def tell(connection: ServerConnection, **word: Any) -> None:
    try:
        await connection.send(json.dumps(word))
    except ConnectionClosed:
        pass
