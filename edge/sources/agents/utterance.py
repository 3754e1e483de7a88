"""One utterance of an agent: fed by the server's thread, heard by the engine's, without a lock between them."""

from __future__ import annotations

from collections import deque
from typing import Any

from edge.frames import Float32Array
from edge.sources.pcm_decoder import PcmLayout
from edge.sources.spoken_bytes import SpokenBytes

PIECE_BYTES = 4096  # converted at once: a frame of the face must not wait for a message of a megabyte


class AgentUtterance:
    """What is said between `start` and `end`.

    The server's thread calls `feed` and `end`, the engine's everything else; a deque of pieces lies between them.

    Args:
        utterance_id: As the agent calls it.
        owner: Whose it is; told what becomes of it.
        rate_hz: Of the bytes.
        layout: Of the bytes.
        spoken: What becomes of the bytes.
    """

    def __init__(self, utterance_id: str, owner: Any, rate_hz: int, layout: PcmLayout, spoken: SpokenBytes) -> None:
        self.utterance_id = utterance_id
        self.owner = owner
        self._bytes_per_s = rate_hz * layout.frame_bytes
        self._spoken = spoken
        self._pieces: deque[bytes] = deque()
        self._n_fed = self._n_taken = 0
        self._is_ended = self._is_finished = False
        self.is_dropped = False  # cleared: nothing more of it is heard
        self.is_begun = False
        self.n_heard = 0  # samples, in turns before the present one

    @property
    def unspoken_s(self) -> float:
        """Return how much sound waits; for any thread."""
        return (self._n_fed - self._n_taken) / self._bytes_per_s

    @property
    def unspoken_bytes(self) -> int:
        """Return the same in bytes."""
        return self._n_fed - self._n_taken

    # --- on the server's thread -------------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Append whole samples; of what was cleared by another agent they are forgotten."""
        if self.is_dropped:
            return
        for begin in range(0, len(data), PIECE_BYTES):
            self._pieces.append(data[begin : begin + PIECE_BYTES])
        self._n_fed += len(data)

    def end(self) -> None:
        """Say that nothing follows."""
        self._is_ended = True

    # --- on the engine's thread -------------------------------------------------------------------------------------

    @property
    def wants_turn(self) -> bool:
        """Return whether there is something to be heard, or to be finished."""
        return bool(self._pieces) or self._spoken.n_ready > 0 or self._is_ended

    @property
    def is_spent(self) -> bool:
        """Return whether it has ended and was given to its end."""
        return self._is_finished and self._spoken.n_ready == 0

    def ready(self, n_samples: int) -> int:
        """Convert pieces until so many samples are there; return how many are."""
        while self._spoken.n_ready < n_samples and not self._is_finished:
            is_ended = self._is_ended  # read before the last look: what was fed before the end is there then
            if self._pieces:
                piece = self._pieces.popleft()
                self._n_taken += len(piece)
                self._spoken.feed(piece)
            elif is_ended:
                self._is_finished = True
                self._spoken.finish()
            else:
                break
        return self._spoken.n_ready

    def take(self, out: Float32Array) -> None:
        """Move the oldest samples to `out`, float32 [n]."""
        self._spoken.take(out)

    def drop(self, n_samples: int) -> None:
        """Forget the oldest samples."""
        self._spoken.drop(n_samples)

    def drop_all(self) -> int:
        """Forget everything; return how many samples that were, at the rate that is heard."""
        n_dropped = self._spoken.n_ready + round(self.unspoken_s * self._spoken.rate_hz)
        self.is_dropped = True
        self._n_taken = self._n_fed
        self._pieces.clear()
        self._spoken.drop(self._spoken.n_ready)
        self._is_finished = True
        return n_dropped
