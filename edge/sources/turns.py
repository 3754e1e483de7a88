"""Who speaks when several want to: the seam between the writers of speech and the source that has it heard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from edge.frames import Float32Array
from edge.machine.sparing import Sparing

MAX_WARNINGS = 20  # lines kept for the log when nobody asks: a client that keeps failing must not fill memory


class Saying(Protocol):
    """Something that is said: it is fed by somebody, and ends or is cleared."""

    @property
    def is_spent(self) -> bool:
        """Return whether it has ended and all of its samples were taken."""
        ...

    def ready(self, n_samples: int) -> int:
        """Get so many samples ready if they are there, never waiting; return how many are."""
        ...

    def take(self, out: Float32Array) -> None:
        """Move the oldest samples to `out`, float32 [n]; as many must be ready."""
        ...

    def drop(self, n_samples: int) -> None:
        """Forget the oldest samples."""
        ...


class Turns(Protocol):
    """Writers and the order of what they say. Everything but `open` and `close` is called by one thread.

    Attributes:
        n_of_others: Of a clear that was just taken: how many unheard samples of others come before what is cleared.
    """

    n_of_others: int

    @property
    def description(self) -> str:
        """Return where the sound comes from."""
        ...

    @property
    def rate_hz(self) -> int:
        """Return the rate of all samples; valid after `open`."""
        ...

    @property
    def is_over(self) -> bool:
        """Return whether nobody can come any more."""
        ...

    @property
    def is_wanted(self) -> bool:
        """Return whether somebody waits for a turn."""
        ...

    def open(self) -> None:
        """Listen."""
        ...

    def listen(self, timeout_s: float) -> None:
        """Let in who comes and notice who goes; return at the latest after the time, earlier where something came."""
        ...

    def next(self) -> Saying | None:
        """Give the turn to whoever waits longest; None where nobody has anything to say."""
        ...

    def begun(self, saying: Saying) -> None:
        """Take note that its first sample leaves now."""
        ...

    def finished(self, saying: Saying, n_samples: int) -> None:
        """Take note that it was said to its end, and how much that was."""
        ...

    def take_clear(self, n_given: int, n_unheard: int) -> bool:
        """Return, once, whether what is said now is to end, and let `n_of_others` say what is to be heard before.

        Args:
            n_given: Samples of the present turn.
            n_unheard: How many of the newest samples of speech that were given have not been heard.
        """
        ...

    def tell_by(self, later: Callable[[Callable[[], None]], None]) -> None:
        """Have what is told of utterances wait until the sound that was given before has left."""
        ...

    def counters(self) -> dict[str, int]:
        """Return the counts of utterances."""
        ...

    def warnings(self) -> list[str]:
        """Return the lines that have not been returned before."""
        ...

    def close(self) -> None:
        """Stop; may be called twice."""
        ...


class TurnCounts:
    """What became of utterances; kept since the program started."""

    def __init__(self) -> None:
        self.queued = self.spoken = self.cleared = self.refused = self.dropped_samples = 0
        self.streams = 0
        self.wishes_taken = self.wishes_refused = 0
        self._lines: list[str] = []
        self.sparing = Sparing()  # of what strangers do wrong

    def refuse(self, line: str) -> None:
        """Count a refusal and keep its line for the log, unless there are many."""
        self.refused += 1
        if line := self.sparing.line(line):
            self._lines = [*self._lines[-MAX_WARNINGS:], line]

    def warnings(self) -> list[str]:
        """Return the lines that have not been returned before."""
        lines, self._lines = self._lines, []
        return lines

    def as_counters(self) -> dict[str, int]:
        """Return the counts by the names of metrics."""
        return {
            "utterances_queued": self.queued,
            "utterances_spoken": self.spoken,
            "utterances_cleared": self.cleared,
            "utterances_refused": self.refused,
            "dropped_samples": self.dropped_samples,
        }
