"""The turn of a recording that is played: the only writer, as far ahead as it is asked to be."""

from __future__ import annotations

from collections.abc import Callable

from edge.contracts import AudioSource
from edge.frames import Float32Array
from edge.sources.spoken_bytes import SampleStore
from edge.sources.turns import Saying, TurnCounts

READ_S = 0.05  # a file answers at once


class FileTurns:
    """A source whose sound is there before it is heard; it says one thing.

    Args:
        source: Gives its sound as fast as it is taken.
    """

    is_wanted = False

    def __init__(self, source: AudioSource) -> None:
        self._source = source
        self._store = SampleStore()
        self._counts = TurnCounts()
        self._has_ended = False
        self.is_over = False

    @property
    def description(self) -> str:
        """Return the file."""
        return self._source.description

    @property
    def rate_hz(self) -> int:
        """Return the file's rate."""
        return self._source.rate_hz

    @property
    def is_spent(self) -> bool:
        """Return whether all of it was taken."""
        return self._has_ended and not len(self._store)

    def open(self) -> None:
        """Open the file; see the source's `open` for what it raises."""
        self._source.open()
        self._store.drop(len(self._store))
        self._has_ended = self.is_over = False

    def listen(self, timeout_s: float) -> None:
        """Do nothing: there is nobody else, and the file waits for nothing."""

    def next(self) -> Saying | None:
        """Return the file until it has been said."""
        if self.is_over:
            return None
        self._counts.queued += 1
        return self

    def ready(self, n_samples: int) -> int:
        """Read until so many samples are there; return how many are."""
        while len(self._store) < n_samples and not self._has_ended:
            chunk = self._source.read(READ_S)
            if chunk is None:
                break
            self._store.put(chunk.samples)
            self._has_ended = chunk.is_last
        return len(self._store)

    def take(self, out: Float32Array) -> None:
        """Move the oldest samples to `out`, float32 [n]."""
        self._store.take(out)

    def drop(self, n_samples: int) -> None:
        """Forget the oldest samples."""
        self._store.drop(n_samples)

    def begun(self, saying: Saying) -> None:
        """Take note that its first sample leaves now."""

    def finished(self, saying: Saying, n_samples: int) -> None:
        """Take note that it was said."""
        self._counts.spoken += 1
        self.is_over = True

    def take_clear(self, n_given: int, n_unheard: int) -> int | None:
        """Return None: a file is not interrupted."""
        return None

    def tell_by(self, later: Callable[[Callable[[], None]], None]) -> None:
        """Do nothing: nobody is told."""

    def counters(self) -> dict[str, int]:
        """Return the counts of utterances."""
        return self._counts.as_counters()

    def warnings(self) -> list[str]:
        """Return the file's lines that have not been returned before."""
        return list(self._source.warnings())

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._source.close()
