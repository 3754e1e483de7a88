"""Turns of agents' utterances, in the order of their starts among those that have sound.

The server's thread begins and clears, the engine's thread speaks; what one has for the other lies in a deque.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

from edge.sources.agents.utterance import AgentUtterance
from edge.sources.turns import Saying, TurnCounts


class AgentServer(Protocol):
    """What serves the agents."""

    @property
    def description(self) -> str:
        """Return the address."""
        ...

    def open(self) -> None:
        """Listen."""
        ...

    def close(self) -> None:
        """Stop; may be called twice."""
        ...


class Listens(Protocol):
    """Is told what becomes of utterances, on the engine's thread: hands it on and returns at once."""

    def started(self, utterance: AgentUtterance) -> None:
        """Take note that an utterance is heard from now on."""
        ...

    def finished(self, utterance: AgentUtterance, seconds: float, is_cleared: bool) -> None:
        """Take note, exactly once, that an utterance has ended."""
        ...


class AgentTurns:
    """See the module; `edge.sources.turns.Turns` for the engine's thread.

    Args:
        rate_hz: Of all samples.
    """

    is_over = False
    n_of_others = 0

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self.server: AgentServer | None = None
        self.listener: Listens | None = None
        self.counts = TurnCounts()
        self._came: deque[Callable[[], None]] = deque()  # what the server's thread asks for, done on the engine's
        self._wake = threading.Event()
        self._waiting: list[AgentUtterance] = []  # in the order of their starts, the one that speaks too
        self._speaking: AgentUtterance | None = None
        self._cleared: list[AgentUtterance] = []  # said now, or given and not heard whole: the source is to end them
        self._leaving: list[AgentUtterance] = []  # given whole, not heard whole
        self._later: Callable[[Callable[[], None]], None] = _at_once

    # --- on the server's thread -------------------------------------------------------------------------------------

    def begin(self, utterance: AgentUtterance) -> None:
        """Queue an utterance."""
        self._came.append(lambda: self._waiting.append(utterance))
        self._wake.set()

    def clear(self, owner: object | None) -> None:
        """End what an agent, or with None anybody, says and wants to say."""
        self._came.append(lambda: self._clear(owner))
        self._wake.set()

    def wake(self) -> None:
        """Say that there is more of an utterance."""
        self._wake.set()

    # --- on the engine's thread -------------------------------------------------------------------------------------

    @property
    def description(self) -> str:
        """Return the address."""
        return self.server.description if self.server is not None else "agents"

    @property
    def is_wanted(self) -> bool:
        """Return whether another utterance could be heard now."""
        return any(utterance.wants_turn for utterance in self._waiting if utterance is not self._speaking)

    def open(self) -> None:
        """Serve.

        Raises:
            DeviceError: The address is in use.
            ConfigurationError: The address is not one, or the package websockets is not installed.
        """
        if self.server is not None:
            self.server.open()

    def listen(self, timeout_s: float) -> None:
        """Do what was asked for; wait for that at most so long."""
        if timeout_s > 0.0 and not self._came:
            self._wake.wait(min(timeout_s, 1.0))
        self._wake.clear()
        while self._came:
            self._came.popleft()()

    def next(self) -> Saying | None:
        """Give the turn to the utterance begun first that has something to say."""
        self._speaking = next((utterance for utterance in self._waiting if utterance.wants_turn), None)
        return self._speaking

    def begun(self, saying: Saying) -> None:
        """Tell that an utterance is heard from now on."""
        utterance = self._speaking
        if utterance is not None and not utterance.is_begun:
            utterance.is_begun = True
            self._later(lambda: self._start(utterance))

    def finished(self, saying: Saying, n_samples: int) -> None:
        """Tell that an utterance was heard to its end, or let one whose agent stalls wait for more."""
        utterance, self._speaking = self._speaking, None
        if utterance is None:
            return
        utterance.n_heard += n_samples
        if utterance.is_spent:
            self._waiting.remove(utterance)
            self._leaving.append(utterance)
            self._later(lambda: self._end(utterance))

    def take_clear(self, n_given: int, n_unheard: int) -> bool:
        """Return, once, whether what is said now is to end; `n_of_others` says what is to be heard before."""
        asked, self._cleared = self._cleared, []
        if not asked:
            return False
        # What was given and is not heard, newest first: of the present turn, then of what was given whole before.
        speaking, n_kept, is_cut = self._speaking, 0, False
        given = [] if speaking is None else [(speaking, n_given)]
        for utterance, n_samples in given + [(u, u.n_heard) for u in reversed(self._leaving)]:
            n_missing = min(n_unheard, n_samples)
            n_unheard -= n_missing
            if utterance not in asked or n_kept:
                n_kept += n_missing
            elif n_missing or utterance is speaking:
                utterance.n_heard += (n_given if utterance is speaking else 0) - n_missing
                self.counts.cleared += 1
                self._leave(utterance, is_cleared=True)
                is_cut = True
        self.n_of_others = n_kept
        return is_cut

    def tell_by(self, later: Callable[[Callable[[], None]], None]) -> None:
        """Have what is told of utterances wait until the sound that was given before has left."""
        self._later = later

    def counters(self) -> dict[str, int]:
        """Return the counts of utterances."""
        wishes = {"wishes_taken": self.counts.wishes_taken, "wishes_refused": self.counts.wishes_refused}
        return {**self.counts.as_counters(), **wishes}

    def warnings(self) -> list[str]:
        """Return the lines that have not been returned before."""
        return self.counts.warnings()

    def close(self) -> None:
        """Stop serving; may be called twice."""
        if self.server is not None:
            self.server.close()
        self._came.clear()
        self._waiting.clear()
        self._leaving.clear()
        self._cleared.clear()
        self._speaking = None

    def _clear(self, owner: object | None) -> None:
        asked = [u for u in self._waiting if u not in self._cleared and (owner is None or u.owner is owner)]
        for utterance in asked:
            self.counts.dropped_samples += utterance.drop_all()
            if utterance is self._speaking:
                self._cleared.append(utterance)  # how much of it was heard, the source says
            else:
                self.counts.cleared += 1
                self._leave(utterance, is_cleared=True)
        self._cleared += [u for u in self._leaving if u not in self._cleared and (owner is None or u.owner is owner)]

    def _start(self, utterance: AgentUtterance) -> None:
        """Tell that an utterance is heard, unless it was cleared before it was."""
        if self.listener is not None and (utterance in self._waiting or utterance in self._leaving):
            self.listener.started(utterance)

    def _end(self, utterance: AgentUtterance) -> None:
        """Tell that an utterance was heard whole, unless it was cleared at its end."""
        if utterance in self._leaving:
            self.counts.spoken += 1
            self._leave(utterance, is_cleared=False)

    def _leave(self, utterance: AgentUtterance, is_cleared: bool) -> None:
        if utterance in self._waiting:
            self._waiting.remove(utterance)
        if utterance in self._leaving:
            self._leaving.remove(utterance)
        if utterance is self._speaking:
            self._speaking = None
        if self.listener is not None:
            self.listener.finished(utterance, utterance.n_heard / self.rate_hz, is_cleared)


def _at_once(event: Callable[[], None]) -> None:
    event()
