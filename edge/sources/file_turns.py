"""Turns of recordings that are played, one after the other: the only writers, as far ahead as they are asked to be."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import ceil

import numpy as np

from edge.contracts import AudioSource, Resampler
from edge.frames import Float32Array
from edge.sources.spoken_bytes import ResamplerFor, SampleStore
from edge.sources.turns import Saying, TurnCounts

READ_S = 0.05  # a file answers at once


class _Recording:
    """One file, and what was read of it and is not said yet.

    Args:
        source: An open source whose sound is there before it is heard.
        resampler: To the rate of all; None where it has that.
    """

    def __init__(self, source: AudioSource, resampler: Resampler | None) -> None:
        self.source = source
        self._resampler = resampler
        self._store = SampleStore()
        self._position = 0
        self._has_ended = False

    @property
    def is_spent(self) -> bool:
        """Return whether all of it was taken."""
        return self._has_ended and not len(self._store)

    def ready(self, n_samples: int) -> int:
        """Read until so many samples are there; return how many are."""
        while len(self._store) < n_samples and not self._has_ended:
            chunk = self.source.read(READ_S)
            if chunk is None:
                break
            self._put(chunk.samples)
            self._has_ended = chunk.is_last
            if chunk.is_last and self._resampler is not None:  # let the filter's end out
                self._put(np.zeros(ceil(self._resampler.delay_s * self.source.rate_hz), np.float32))
        return len(self._store)

    def take(self, out: Float32Array) -> None:
        """Move the oldest samples to `out`, float32 [n]."""
        self._store.take(out)

    def drop(self, n_samples: int) -> None:
        """Forget the oldest samples."""
        self._store.drop(n_samples)

    def _put(self, samples: Float32Array) -> None:
        if self._resampler is None:
            self._store.put(samples)
            return
        clean = np.nan_to_num(samples, posinf=0.0, neginf=0.0)  # one NaN would spread over the filter's length
        self._store.put(self._resampler.process(clean, self._position)[0])
        self._position += len(samples)


class FileTurns:
    """Sources whose sound is there before it is heard; each says one thing.

    Args:
        sources: Give their sound as fast as it is taken. All of them are looked at before the first is heard.
        resampler_for: Makes what converts those of another rate than the first.
    """

    is_wanted = False
    n_of_others = 0

    def __init__(self, *sources: AudioSource, resampler_for: ResamplerFor | None = None) -> None:
        self._sources = sources
        self._resampler_for = resampler_for
        self._counts = TurnCounts()
        self._saying: _Recording | None = None
        self._next: _Recording | None = None
        self._n_begun = 0
        self.rate_hz = 0
        self.is_over = False

    @property
    def description(self) -> str:
        """Return the first file, and how many follow."""
        more = f" and {len(self._sources) - 1} more" if len(self._sources) > 1 else ""
        return f"{self._sources[0].description}{more}"

    def open(self) -> None:
        """See that all files can be heard, and open the first; see the sources' `open` for what it raises."""
        for source in self._sources[1:]:
            source.open()
            source.close()
        self._sources[0].open()
        self.rate_hz = self._sources[0].rate_hz
        self._saying, self._next = None, _Recording(self._sources[0], None)
        self._n_begun = 0
        self.is_over = False

    def listen(self, timeout_s: float) -> None:
        """Let time pass: there is nobody else."""
        time.sleep(max(0.0, min(timeout_s, 0.05)))

    def next(self) -> Saying | None:
        """Return the file that is to be said; None once all were."""
        if self._saying is None and self._next is not None:
            self._saying, self._next = self._next, None
            self._n_begun += 1
            self._counts.queued += 1
        return self._saying

    def begun(self, saying: Saying) -> None:
        """Open the next one while this one is heard, so that it follows without a gap."""
        if self._next is None and self._n_begun < len(self._sources):
            source = self._sources[self._n_begun]
            source.open()
            resampler = None
            if source.rate_hz != self.rate_hz and self._resampler_for is not None:
                resampler = self._resampler_for(source.rate_hz, self.rate_hz)
            self._next = _Recording(source, resampler)

    def finished(self, saying: Saying, n_samples: int) -> None:
        """Take note that it was said."""
        self._counts.spoken += 1
        self.begun(saying)  # one without a sample never began
        if self._saying is not None:
            self._saying.source.close()
        self._saying = None
        self.is_over = self._next is None

    def take_clear(self, n_given: int, n_unheard: int) -> bool:
        """Return False: a file is not interrupted."""
        return False

    def tell_by(self, later: Callable[[Callable[[], None]], None]) -> None:
        """Do nothing: nobody is told."""

    def counters(self) -> dict[str, int]:
        """Return the counts of utterances."""
        return self._counts.as_counters()

    def warnings(self) -> list[str]:
        """Return the files' lines that have not been returned before."""
        return [line for source in self._sources for line in source.warnings()]

    def close(self) -> None:
        """Close all files; may be called twice."""
        for source in self._sources:
            source.close()
