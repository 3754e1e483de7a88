"""One agent on its connection: its words and sound in, what becomes of its utterances out. On the server's thread."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from edge.contracts import Expressive, take_wish
from edge.errors import AuEdgeError
from edge.sources.agents.turns import AgentTurns
from edge.sources.agents.utterance import AgentUtterance
from edge.sources.agents.words import RefusedWordError, Word, read_word
from edge.sources.pcm_decoder import PcmLayout
from edge.sources.spoken_bytes import SpokenBytes

MOST_UNSAID = 1000  # events for an agent that does not read them
MOST_UNSPOKEN_BYTES = 16 * 1024 * 1024  # of one agent, however long that lasts
LOOK_AGAIN_S = 0.02  # at a full buffer
_log = logging.getLogger("au-edge.talk")


class SilentAgentError(Exception):
    """An agent does not read what it is told."""


class Desk:
    """What all agents of a server share.

    Args:
        turns: Where utterances queue.
        make_spoken: Makes what becomes of the bytes of an utterance.
        face: Takes wishes; None where there is none.
        most_waiting: Utterances that may wait beside the one that is said.
        buffer_s: Sound of one agent that may wait.
        clears: Whether an agent that goes away is cleared, or heard to its end.
    """

    def __init__(
        self,
        turns: AgentTurns,
        make_spoken: Callable[[int, PcmLayout], SpokenBytes],
        face: Expressive | None,
        most_waiting: int,
        buffer_s: float,
        clears: bool,
    ) -> None:
        self.turns = turns
        self.make_spoken = make_spoken
        self.face = face
        self.most_waiting = most_waiting
        self.buffer_s = buffer_s
        self.clears = clears
        self.live: list[AgentUtterance] = []  # accepted and not finished, in the order of their starts
        self._n_made = 0

    def next_id(self) -> str:
        """Return an id for an utterance that was given none."""
        self._n_made += 1
        return f"utterance-{self._n_made}"


class Agent:
    """See the module.

    Args:
        desk: Shared with the others.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._open: AgentUtterance | None = None
        self._frame_bytes = 1
        self._unsaid: deque[str] = deque()
        self._wake = asyncio.Event()
        self._is_told = False

    @property
    def unspoken_s(self) -> float:
        """Return how much of this agent's sound waits."""
        return sum(utterance.unspoken_s for utterance in self._desk.live if utterance.owner is self)

    @property
    def is_full(self) -> bool:
        """Return whether more sound has to wait on the wire."""
        mine = [utterance for utterance in self._desk.live if utterance.owner is self]
        return (
            sum(utterance.unspoken_s for utterance in mine) >= self._desk.buffer_s
            or sum(utterance.unspoken_bytes for utterance in mine) >= MOST_UNSPOKEN_BYTES
        )

    def hear(self, message: str | bytes) -> None:
        """Take a frame of the agent.

        Raises:
            NoWordError: A text that is no JSON object.
        """
        try:
            if isinstance(message, str):
                self._follow(read_word(message))
            else:
                self._feed(message)
        except RefusedWordError as err:
            self.refuse(err.what, str(err), err.utterance_id)

    def greet(self) -> None:
        """Say what there is."""
        from edge.contracts import GESTURES, MOODS

        has_face = self._desk.face is not None
        moods, gestures = (MOODS, GESTURES) if has_face else ((), ())
        self.tell(type="ready", protocol=1, moods=moods, gestures=gestures, queue=self._desk.most_waiting)

    def tell(self, **event: object) -> None:
        """Queue an event for the agent.

        Raises:
            SilentAgentError: It has not read a thousand of them.
        """
        if len(self._unsaid) >= MOST_UNSAID:
            raise SilentAgentError(f"{MOST_UNSAID} events were not read")
        self._unsaid.append(json.dumps(event, separators=(",", ":")))
        self._wake.set()

    async def send_all(self, send: Callable[[str], Awaitable[None]]) -> None:
        """Send events as they come, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._unsaid:
                await send(self._unsaid.popleft())

    def refuse(self, what: str, why: str, utterance_id: str | None = None) -> None:
        """Tell the agent, and the log for the first time, that something cannot be."""
        self._desk.turns.counts.refused += what in ("start", "sound")
        if not self._is_told:
            self._is_told = True
            _log.warning("an agent's %s is refused: %s (further ones of this agent are only told to it)", what, why)
        self.tell(type="refused", id=utterance_id, what=what, why=why)

    def leave(self) -> None:
        """End what the agent left open, or clear all that it said, as the configuration says."""
        if self._desk.clears:
            self._desk.turns.clear(self)
        elif self._open is not None:
            self._open.end()
            self._desk.turns.wake()
        self._open = None

    def _follow(self, word: Word) -> None:
        if word.kind == "start":
            self._start(word)
        elif word.kind == "end":
            self._end(word)
        elif word.kind == "clear":
            self._desk.turns.clear(None if word.is_for_all else self)
            self._open = None
        else:
            self._wish(word)

    def _start(self, word: Word) -> None:
        desk = self._desk
        if self._open is not None:
            raise RefusedWordError("start", f"{self._open.utterance_id!r} has not ended", word.utterance_id or None)
        if len(desk.live) > desk.most_waiting:
            why = f"{desk.most_waiting} utterances wait already (audio.queue)"
            raise RefusedWordError("start", why, word.utterance_id or None)
        utterance_id = word.utterance_id or desk.next_id()
        if any(other.owner is self and other.utterance_id == utterance_id for other in desk.live):
            raise RefusedWordError("start", f"{utterance_id!r} is not finished yet; give another id", utterance_id)
        spoken = desk.make_spoken(word.rate_hz, word.layout)
        utterance = AgentUtterance(utterance_id, self, word.rate_hz, word.layout, spoken)
        if desk.face is not None:
            desk.face.wake()
        self._open = utterance
        self._frame_bytes = word.layout.frame_bytes
        desk.live.append(utterance)
        desk.turns.counts.queued += 1
        self.tell(type="queued", id=utterance_id, position=len(desk.live) - 1)
        desk.turns.begin(utterance)

    def _feed(self, data: bytes) -> None:
        if self._open is None:
            raise RefusedWordError("sound", "no utterance is open: send a start before sound")
        if len(data) % self._frame_bytes:
            why = f"{len(data)} bytes are not whole samples of {self._frame_bytes} bytes: this frame is not heard"
            raise RefusedWordError("sound", why, self._open.utterance_id)
        self._open.feed(data)
        self._desk.turns.wake()

    def _end(self, word: Word) -> None:
        if self._open is None:
            raise RefusedWordError("end", "no utterance is open", word.utterance_id or None)
        if word.utterance_id and word.utterance_id != self._open.utterance_id:
            raise RefusedWordError("end", f"{self._open.utterance_id!r} is the one that is open", word.utterance_id)
        self._open.end()
        self._open = None
        self._desk.turns.wake()

    def _wish(self, word: Word) -> None:
        if word.kind == "rest":
            self._desk.turns.clear(None)
            self._open = None
        if self._desk.face is None:
            raise RefusedWordError(word.kind, "this program has no face to ask")
        try:
            take_wish(self._desk.face, word.message)
        except (AuEdgeError, ValueError) as err:
            raise RefusedWordError(word.kind, str(err)) from err
