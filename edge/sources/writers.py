"""One writer of bytes: what it says now, and whether it goes on."""

from __future__ import annotations

import time

from edge.frames import Float32Array
from edge.sources.byte_inputs import Bytes
from edge.sources.spoken_bytes import SpokenBytes

PIECE_BYTES = 4096  # read ahead of what is heard; the rest stays with the writer


class Writer:
    """One writer: what it says now, and whether it goes on.

    Args:
        source: Its bytes.
        spoken: What becomes of them.
    """

    def __init__(self, source: Bytes, spoken: SpokenBytes) -> None:
        self.source = source
        self._spoken = spoken
        self.is_waiting = False  # has something to say, or says it
        self.has_ended = False
        self.quiet_since_s = time.monotonic()

    @property
    def is_spent(self) -> bool:
        """Return whether a WAV, or the stream, has been given to its end."""
        return self._spoken.is_over

    def ready(self, n_samples: int) -> int:
        """Take bytes until so many samples are there or there are no more now; return how many are.

        Raises:
            InputError: A WAV header cannot be used.
            ConfigurationError: It has not the channel that is listened to.
        """
        while self._spoken.n_ready < n_samples and not self._spoken.is_over and self.receive():
            pass
        return self._spoken.n_ready

    def receive(self) -> bool:
        """Take bytes once; return whether there may be more. Raises as `ready`."""
        data = None if self.has_ended else self.source.receive(PIECE_BYTES)
        if data:
            self._spoken.feed(data)
        elif data is not None:
            self.has_ended = True
            self._spoken.finish()
        return bool(data)

    def feed(self, data: bytes) -> None:
        """Take bytes that were read before. Raises as `ready`."""
        self._spoken.feed(data)

    def take(self, out: Float32Array) -> None:
        """Move the oldest samples to `out`, float32 [n]."""
        self._spoken.take(out)

    def drop(self, n_samples: int) -> None:
        """Forget the oldest samples."""
        self._spoken.drop(n_samples)

    def go_on(self) -> None:
        """Expect the next WAV, where one has ended. Raises as `ready`."""
        if self._spoken.is_over:
            self._spoken.begin_next()

    def close(self) -> None:
        """Send it away; may be called twice."""
        self.source.close()
        self._spoken.close()

    @property
    def has_sound(self) -> bool:
        """Return whether samples are ready."""
        return self._spoken.n_ready > 0
