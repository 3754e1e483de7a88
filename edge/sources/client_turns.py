"""Turns of the clients of a TCP port or a Unix socket, in the order in which their sound came.

- A client that is connected and writes nothing holds no turn and blocks nobody.
- A WAV that ends where its header says ends an utterance; the next header on the same connection begins another, behind
  those that wait by then. Raw samples end with their connection, or when the writer pauses and another waits.
- `most_waiting` clients may be connected beside the one that speaks; where all of them wait, another is told so and
  sent away.
- A client whose WAV header cannot be used is told why and sent away; the others are not harmed.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable

from edge.errors import AuEdgeError
from edge.sources.byte_inputs import Connection, Listener
from edge.sources.spoken_bytes import SpokenBytes
from edge.sources.turns import Saying, TurnCounts
from edge.sources.writers import Writer

IDLE_S = 10.0  # a client without a word for so long makes room for another
_GONE = select.POLLRDHUP | select.POLLHUP | select.POLLERR


class ClientTurns:
    """The clients of a TCP port or a Unix socket.

    Args:
        listener: Where they come.
        make_spoken: Makes what becomes of a client's bytes.
        rate_hz: Of all samples.
        most_waiting: Clients that may be connected beside the one that speaks.
        clears: Whether a client that goes away before its sound was heard ends it.
    """

    is_over = False
    n_of_others = 0

    def __init__(
        self, listener: Listener, make_spoken: Callable[[], SpokenBytes], rate_hz: int, most_waiting: int, clears: bool
    ) -> None:
        self.listener = listener
        self._make_spoken = make_spoken
        self.rate_hz = rate_hz
        self._most_waiting = most_waiting
        self._clears = clears
        self._writers: list[Writer] = []  # in the order of their sound, those without any behind
        self._speaking: Writer | None = None
        self._is_clear_asked = False
        self._counts = TurnCounts()

    @property
    def description(self) -> str:
        """Return the address."""
        return self.listener.description

    @property
    def is_wanted(self) -> bool:
        """Return whether somebody waits beside the one that speaks."""
        return any(writer.is_waiting and writer is not self._speaking for writer in self._writers)

    def open(self) -> None:
        """Listen.

        Raises:
            ConfigurationError: The address is not one.
            DeviceError: It is in use.
        """
        self.close()
        self.listener.open()

    def listen(self, timeout_s: float) -> None:
        """Let in who comes, hear who begins, notice who goes; wait for that at most so long."""
        if self._clears:
            self._look_ahead()
        poll = select.poll()
        poll.register(self.listener.descriptor, select.POLLIN)
        by_descriptor = {writer.source.descriptor: writer for writer in self._writers if not writer.has_ended}
        for descriptor, writer in by_descriptor.items():
            mask = select.POLLRDHUP if self._clears else 0
            if not writer.is_waiting or (writer is self._speaking and timeout_s > 0.0):
                poll.register(descriptor, select.POLLIN | mask)
            elif mask:
                poll.register(descriptor, mask)
        for descriptor, events in poll.poll(max(0.0, timeout_s) * 1000.0):
            writer_or_none = by_descriptor.get(descriptor)
            if writer_or_none is None:
                self._welcome()
            elif writer_or_none not in self._writers:
                continue
            elif not writer_or_none.is_waiting:
                self._hear(writer_or_none)
            elif self._clears and events & _GONE:
                self._miss(writer_or_none)

    def next(self) -> Saying | None:
        """Give the turn to the client whose sound came first."""
        self._speaking = next((writer for writer in self._writers if writer.is_waiting), None)
        return None if self._speaking is None else _Careful(self._speaking, self._refuse)

    def begun(self, saying: Saying) -> None:
        """Take note that its first sample leaves now."""

    def finished(self, saying: Saying, n_samples: int) -> None:
        """End the turn; the client goes, or may speak again behind those that wait."""
        writer, self._speaking = self._speaking, None
        if writer is None or writer not in self._writers:
            return  # refused in the middle
        self._counts.spoken += 1
        writer.is_waiting, writer.quiet_since_s = False, time.monotonic()
        self._writers.remove(writer)
        self._writers.append(writer)
        try:
            writer.go_on()
        except AuEdgeError as err:
            self._refuse(writer, err)
        else:
            self._note(writer)

    def take_clear(self, n_given: int, n_unheard: int) -> bool:
        """Return, once, that the client that speaks has gone; others' sound before its own is heard."""
        is_asked, self._is_clear_asked = self._is_clear_asked, False
        self.n_of_others = max(0, n_unheard - n_given)
        return is_asked

    def tell_by(self, later: Callable[[Callable[[], None]], None]) -> None:
        """Do nothing: nobody is told."""

    def counters(self) -> dict[str, int]:
        """Return the counts of utterances, and of the clients that came."""
        return {"streams": self._counts.streams, **self._counts.as_counters()}

    def warnings(self) -> list[str]:
        """Return the lines that have not been returned before."""
        return self._counts.warnings()

    def close(self) -> None:
        """Send everybody away; may be called twice."""
        for writer in self._writers:
            writer.close()
        self._writers.clear()
        self._speaking = None
        self._is_clear_asked = False
        self.listener.close()

    def _welcome(self) -> None:
        for connection in self.listener.accept():
            self._counts.streams += 1
            if len(self._writers) > self._most_waiting and not self._make_room():
                connection.refuse(f"{self._most_waiting} clients wait already, try again later")
                self._counts.refuse(f"a client was sent away: {self._most_waiting} clients wait already (audio.queue)")
                continue
            self._writers.append(Writer(connection, self._make_spoken()))

    def _make_room(self) -> bool:
        """Send away the client that has been without a word for longest, if that is long."""
        quiet = [writer for writer in self._writers if not writer.is_waiting]
        oldest = min(quiet, key=lambda writer: writer.quiet_since_s, default=None)
        if oldest is None or time.monotonic() - oldest.quiet_since_s < IDLE_S:
            return False
        oldest.close()
        self._writers.remove(oldest)
        return True

    def _hear(self, writer: Writer) -> None:
        """Take the first bytes of who had nothing to say, or its farewell."""
        try:
            writer.receive()
        except AuEdgeError as err:
            self._refuse(writer, err)
        else:
            self._note(writer)

    def _note(self, writer: Writer) -> None:
        """Let a client wait for its turn once it has sound; forget it where it has gone without."""
        if writer.has_sound:
            writer.is_waiting = True
            self._counts.queued += 1
            self._writers.remove(writer)
            self._writers.insert(sum(other.is_waiting for other in self._writers), writer)
        elif writer.has_ended:
            writer.close()
            self._writers.remove(writer)

    def _look_ahead(self) -> None:
        """Miss who has gone, also where its going stands behind much sound."""
        for writer in list(self._writers):
            if writer.is_waiting and writer.look_for_end():
                self._miss(writer)
            while writer.has_more and not writer.is_waiting and writer in self._writers:
                self._hear(writer)

    def _miss(self, writer: Writer) -> None:
        """Clear what a client that has gone said or wanted to say, unless all of it was heard."""
        if writer.is_heard_out:
            return  # the turn ends as it would
        self._counts.cleared += 1
        self._counts.dropped_samples += writer.ready(0)
        self._is_clear_asked = self._is_clear_asked or writer is self._speaking
        self._leave(writer)

    def _refuse(self, writer: Writer, err: AuEdgeError) -> None:
        if isinstance(writer.source, Connection):
            writer.source.refuse(str(err))
        self._counts.refuse(f"a client was sent away: {err}")
        self._leave(writer)

    def _leave(self, writer: Writer) -> None:
        writer.close()
        if writer in self._writers:
            self._writers.remove(writer)
        if writer is self._speaking:
            self._speaking = None


class _Careful:
    """A client's turn, in which its mistakes end only its own sound.

    Args:
        writer: The client.
        refuse: Sends it away.
    """

    def __init__(self, writer: Writer, refuse: Callable[[Writer, AuEdgeError], None]) -> None:
        self._writer, self._refuse = writer, refuse
        self._is_refused = False
        self.take, self.drop = writer.take, writer.drop

    @property
    def is_spent(self) -> bool:
        """Return whether all was given, or the client was sent away."""
        return self._writer.is_spent or self._is_refused

    def ready(self, n_samples: int) -> int:
        """Take bytes until so many samples are there or there are no more now; return how many are."""
        if not self._is_refused:
            try:
                return self._writer.ready(n_samples)
            except AuEdgeError as err:
                self._is_refused = True
                self._refuse(self._writer, err)
        return 0
