"""Where the talking thread leaves sound and PortAudio's thread takes it: fixed memory, no lock held while copying.

One writer, one reader, as in the capture's ring, but here the writer is the one who must wait: what does not fit is
not taken. The newest samples may be provisional: the writer puts better ones in their place as long as they have not
been taken. The interpreter's lock makes each counter's update visible as a whole; data is written before the counter
that announces it.
"""

from __future__ import annotations

import numpy as np

from edge.frames import Float32Array

FADE_S = 0.005  # of what was cleared: shorter would click, longer would be heard as speech


class PlayRing:
    """Samples that have not been handed to the device yet.

    Args:
        capacity_samples: How many it holds.
        rate_hz: Their rate.

    Attributes:
        n_taken: Samples that were taken or dropped, since the beginning.
        n_put: Index after the last sample that may be taken.
        n_dropped: Samples that were dropped.
        is_cleared: Whether the newest `take` was the end of what was cleared.
    """

    def __init__(self, capacity_samples: int, rate_hz: int) -> None:
        self._samples = np.zeros(capacity_samples, np.float32)
        self._capacity = capacity_samples
        fade_samples = max(1, int(FADE_S * rate_hz))
        self._fade = np.linspace(1.0, 0.0, fade_samples, dtype=np.float32)
        self._zeros = np.zeros(min(1024, capacity_samples), np.float32)
        self._clear_to = 0
        self.n_taken = 0
        self.n_put = 0
        self.n_dropped = 0
        self.is_cleared = False

    @property
    def room(self) -> int:
        """Return how many samples fit behind those that are there."""
        return self._capacity - (self.n_put - self.n_taken)

    @property
    def n_waiting(self) -> int:
        """Return how many samples are still to be played."""
        return max(0, self.n_put - max(self.n_taken, self._clear_to))

    def put(self, first: int, samples: Float32Array) -> None:
        """Write samples, in place of provisional ones or behind; `publish` lets them be taken.

        Args:
            first: Index of the first.
            samples: float32 [n]; together with what is there no more than the ring holds.
        """
        at = first % self._capacity
        n_before_end = min(len(samples), self._capacity - at)
        self._samples[at : at + n_before_end] = samples[:n_before_end]
        self._samples[: len(samples) - n_before_end] = samples[n_before_end:]

    def publish(self, end: int) -> None:
        """Let the samples before an index be taken."""
        self.n_put = max(self.n_put, end)

    def clear(self) -> int:
        """Let the next `take` end with a fade and drop the rest; return how many samples that will be, about."""
        n_waiting = self.n_waiting
        self._clear_to = self.n_put
        return max(0, n_waiting - len(self._fade))

    def mute(self, first: int, end: int) -> None:
        """Put silence in place of samples that have not been taken.

        Args:
            first: Index of the first.
            end: Index after the last.
        """
        first, end = max(first, self.n_taken), min(end, self.n_put)
        for index in range(first, end, self._zeros.size):
            self.put(index, self._zeros[: min(self._zeros.size, end - index)])

    def take(self, out: Float32Array) -> int:
        """Take the next samples; called by the reader only.

        Args:
            out: float32 [n], overwritten: silence behind what there is.

        Returns:
            How many samples of the ring it begins with.
        """
        clear_to, taken = self._clear_to, self.n_taken
        is_cleared = self.is_cleared = clear_to > taken
        n = min(len(out), self.n_put - taken)
        # A period of a fast card may be shorter than the fade, which then is steeper.
        fade = self._fade if len(out) >= len(self._fade) else self._fade[:: -(-len(self._fade) // len(out))]
        if is_cleared:
            n = min(n, len(fade), clear_to - taken)
        at = taken % self._capacity
        n_before_end = min(n, self._capacity - at)
        out[:n_before_end] = self._samples[at : at + n_before_end]
        out[n_before_end:n] = self._samples[: n - n_before_end]
        out[n:] = 0.0
        if is_cleared:
            out[:n] *= fade[:n]
            self.n_dropped += clear_to - taken - n
            self.n_taken = clear_to
        else:
            self.n_taken = taken + n
        return n
