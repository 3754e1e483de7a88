"""One agent on its connection: its words and sound in, what becomes of its utterances out. On the server's thread."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from edge.contracts import Expressive, take_wish
from edge.errors import AuEdgeError
from edge.sources.agents.backlog import MOST_HELD_BYTES, MOST_HELD_BYTES_OF_ALL, Backlog, fault_of_floats
from edge.sources.agents.turns import AgentTurns
from edge.sources.agents.utterance import AgentUtterance
from edge.sources.agents.words import PLAIN, RefusedWordError, Word, read_word
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
        self.agents: set[Agent] = set()
        self._n_made = 0

    @property
    def n_held_bytes(self) -> int:
        """Return what is held behind full buffers, of all agents."""
        return sum(agent.n_held_bytes for agent in self.agents)

    @property
    def n_waiting(self) -> int:
        """Return how many utterances wait; one that was begun and has no sound holds no place."""
        return sum(utterance.wants_turn for utterance in self.live)

    def warn(self, line: str) -> None:
        """Say something that strangers cause, unless it was said often."""
        if line := self.turns.counts.sparing.line(line):
            _log.warning("%s", line)

    def clear_all(self) -> None:
        """End what anybody says, and drop what anybody has sent."""
        for agent in self.agents:
            agent.drop_held()
        self.turns.clear(None)

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
        self._layout = PLAIN
        self._held = Backlog()
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

    @property
    def n_held_bytes(self) -> int:
        """Return how much is held behind a full buffer; `release` is to be called until there is none."""
        return self._held.n_bytes

    @property
    def is_stuffed(self) -> bool:
        """Return whether so much is held that no more may be read, and words behind it are heard late."""
        n_bytes = self._held.n_bytes
        return n_bytes > 0 and (n_bytes >= MOST_HELD_BYTES or self._desk.n_held_bytes >= MOST_HELD_BYTES_OF_ALL)

    def hear(self, message: str | bytes) -> None:
        """Take a frame of the agent. Sound behind a full buffer is held back, and what belongs behind it.

        Raises:
            NoWordError: A text that is no JSON object.
        """
        try:
            item = read_word(message) if isinstance(message, str) else message
            if isinstance(item, Word) and item.kind in ("clear", "rest"):
                self.drop_held()
            is_in_order = isinstance(item, bytes) or item.kind in ("start", "end")
            if is_in_order and (self._held or (isinstance(item, bytes) and self.is_full)):
                self._held.append(item)
            else:
                self._take(item)
        except RefusedWordError as err:
            self.refuse(err.what, str(err), err.utterance_id)

    def release(self) -> None:
        """Take what was held back, as far as there is room for it now."""
        while self._held and not self.is_full:
            self._take_held(self._held.popleft())

    def drop_held(self) -> None:
        """Forget the sound that was held back; what was begun with it is begun and ended, so that its agent is told."""
        while self._held:
            item = self._held.popleft()
            if isinstance(item, bytes):
                self._desk.turns.counts.dropped_samples += len(item) // self._layout.frame_bytes
            else:
                self._take_held(item)

    def _take_held(self, item: Word | bytes) -> None:
        try:
            self._take(item)
        except RefusedWordError as err:
            self.refuse(err.what, str(err), err.utterance_id)

    def _take(self, item: Word | bytes) -> None:
        if isinstance(item, bytes):
            self._feed(item)
        else:
            self._follow(item)

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
            printable = what.encode("ascii", "backslashreplace").decode() if what.isprintable() else repr(what)
            self._desk.warn(
                f"an agent's {printable} is refused: {why} (further ones of this agent are only told to it)"
            )
        self.tell(type="refused", id=utterance_id, what=what, why=why)

    def leave(self) -> None:
        """End what the agent left open, or clear all that it said, as the configuration says."""
        self._desk.agents.discard(self)
        if self._desk.clears:
            self.drop_held()
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
            if word.is_for_all:
                self._desk.clear_all()
            else:
                self._desk.turns.clear(self)
            self._open = None
        else:
            self._wish(word)

    def _start(self, word: Word) -> None:
        desk = self._desk
        if self._open is not None and not self._open.is_dropped:  # one that another agent cleared is over
            raise RefusedWordError("start", f"{self._open.utterance_id!r} has not ended", word.utterance_id or None)
        if desk.n_waiting > desk.most_waiting:
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
        self._layout = word.layout
        desk.live.append(utterance)
        desk.turns.counts.queued += 1
        self.tell(type="queued", id=utterance_id, position=len(desk.live) - 1)
        desk.turns.begin(utterance)

    def _feed(self, data: bytes) -> None:
        if self._open is None:
            raise RefusedWordError("sound", "no utterance is open: send a start before sound")
        frame_bytes = self._layout.frame_bytes
        why = ""
        if len(data) % frame_bytes:
            why = f"{len(data)} bytes are not whole samples of {frame_bytes} bytes: this frame is not heard"
        elif self._layout.sample_format == "f32le":
            why = fault_of_floats(data)
        if why:
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
        counts = self._desk.turns.counts
        if word.kind == "rest":
            self._desk.clear_all()
            self._open = None
        try:
            if self._desk.face is None:
                raise RefusedWordError(word.kind, "this program has no face to ask", word.utterance_id or None)
            take_wish(self._desk.face, word.message)
        except (AuEdgeError, ValueError) as err:
            counts.wishes_refused += 1
            raise RefusedWordError(word.kind, str(err), word.utterance_id or None) from err
        counts.wishes_taken += 1
        if word.utterance_id:
            self.tell(type="done", id=word.utterance_id, what=word.kind)
