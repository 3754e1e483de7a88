"""One writer of bytes: what it says now, and whether it goes on."""

from __future__ import annotations

import contextlib
import logging
import time
from collections import deque
from collections.abc import Iterator

from edge.errors import AuEdgeError, InputError
from edge.frames import Float32Array
from edge.sources.byte_inputs import Bytes
from edge.sources.spoken_bytes import SpokenBytes

PIECE_BYTES = 4096  # read ahead of what is heard; the rest stays with the writer
MOST_PIECES = 256  # at once: 1 MiB; who writes without an end must not keep frames from being made
MOST_SILENT_PIECES = 16  # at once, that held no sound (a picture in a tag): some are slow to be looked through
LOOK_BYTES = 64 * 1024
MOST_AHEAD_BYTES = 16 * 1024 * 1024
_log = logging.getLogger("au-edge")


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
        self._ahead: deque[bytes] = deque()  # taken to see whether an end stands behind it
        self._n_ahead = 0
        self._is_gone = False
        self.quiet_since_s = time.monotonic()

    @property
    def is_spent(self) -> bool:
        """Return whether a WAV, or the stream, has been given to its end."""
        return self._spoken.is_over

    def ready(self, n_samples: int) -> int:
        """Take bytes until so many samples are there or there are no more now; return how many are.

        Of a writer that is faster than this it takes so much that time is left for everything else.

        Raises:
            InputError: The bytes cannot be used.
            ConfigurationError: It has not the channel that is listened to.
        """
        spoken, n_pieces, n_silent = self._spoken, 0, 0
        while spoken.n_ready < n_samples and not spoken.is_over:
            n_before = spoken.n_ready
            if n_pieces == MOST_PIECES or n_silent == MOST_SILENT_PIECES or not self.receive():
                break
            n_pieces += 1
            n_silent += spoken.n_ready == n_before
        return spoken.n_ready

    def receive(self) -> bool:
        """Take bytes once; return whether there may be more. Raises as `ready`."""
        data = None if self.has_ended else self._next_bytes()
        if data:
            self.feed(data)
        elif data is not None:
            self.has_ended = True
            with _no_other_error():
                self._spoken.finish()
        return bool(data)

    def look_for_end(self) -> bool:
        """Take what has come, to be heard later, and return whether the writer has gone: that stands behind all of it.

        So a writer's going is seen at once, however far ahead it wrote.
        """
        while not self._is_gone and self._n_ahead < MOST_AHEAD_BYTES:
            data = self.source.receive(LOOK_BYTES)
            if data is None:
                break
            self._is_gone = not data
            for begin in range(0, len(data), PIECE_BYTES):
                self._ahead.append(data[begin : begin + PIECE_BYTES])
            self._n_ahead += len(data)
        return self._is_gone

    def _next_bytes(self) -> bytes | None:
        if self._ahead:
            data = self._ahead.popleft()
            self._n_ahead -= len(data)
            return data
        return b"" if self._is_gone else self.source.receive(PIECE_BYTES)

    def feed(self, data: bytes) -> None:
        """Take bytes that were read before. Raises as `ready`."""
        with _no_other_error():
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
            with _no_other_error():
                self._spoken.begin_next()

    def close(self) -> None:
        """Send it away; may be called twice."""
        self.source.close()
        self._spoken.close()

    @property
    def has_sound(self) -> bool:
        """Return whether samples are ready."""
        return self._spoken.n_ready > 0

    @property
    def has_more(self) -> bool:
        """Return whether bytes lie here that were taken ahead."""
        return bool(self._ahead)

    @property
    def is_heard_out(self) -> bool:
        """Return whether nothing of what it wrote is still to be heard."""
        return self.has_ended or not (self._ahead or self._spoken.n_ready)


@contextlib.contextmanager
def _no_other_error() -> Iterator[None]:
    """Let whatever goes wrong with a writer's bytes, of any kind, be an error of that writer's and of nobody else.

    Raises:
        InputError: In place of an error that is none of ours.
    """
    try:
        yield
    except AuEdgeError:
        raise
    except Exception as err:
        _log.debug("a writer's bytes cannot be taken apart", exc_info=True)
        found = f"they cannot be taken apart ({type(err).__name__})"
        raise InputError("a writer's bytes", found, "Write 16 bit PCM or WAV, and report this as a bug") from err
