"""The turn of what is piped into the program: one writer, and its end is the end of the source."""

from __future__ import annotations

import time
from collections.abc import Callable

from edge.sources.byte_inputs import StandardInput, is_readable
from edge.sources.spoken_bytes import SpokenBytes
from edge.sources.stream_decoder import Decoder
from edge.sources.turns import Saying, TurnCounts
from edge.sources.writers import PIECE_BYTES, Writer

HEADER_WAIT_S = 3.0  # how long `open` waits for the WAV header of what is piped in


class PipedTurns:
    """What is piped into the program: one writer, whose end is the end.

    Args:
        make_decoder: Makes the decoder.
        make_spoken: Makes what becomes of the bytes, at a rate.
        rate_hz: Declared rate; that of a WAV header which comes within 3 s is adopted instead.
    """

    is_wanted = False
    n_of_others = 0

    def __init__(
        self, make_decoder: Callable[[], Decoder], make_spoken: Callable[[int], SpokenBytes], rate_hz: int
    ) -> None:
        self._make_decoder, self._make_spoken = make_decoder, make_spoken
        self._input = StandardInput()
        self._writer: Writer | None = None
        self._counts = TurnCounts()
        self._is_rate_known = False
        self.description = "stdin"
        self.rate_hz = rate_hz
        self.is_over = False

    def open(self) -> None:
        """Take standard input, and wait a little for its header.

        Raises:
            InputError: It is a terminal or closed, or its WAV header cannot be used.
        """
        self._input.open()
        self.is_over = False
        head = b"" if self._is_rate_known else self._adopt_rate()
        self._is_rate_known = True
        self._writer = Writer(self._input, self._make_spoken(self.rate_hz))
        self._writer.feed(head)

    def _adopt_rate(self) -> bytes:
        """Return the first bytes, from which the rate was learnt."""
        decoder, head = self._make_decoder(), b""
        ends_s = time.monotonic() + HEADER_WAIT_S
        while decoder.layout is None and is_readable(self._input.descriptor, ends_s - time.monotonic()):
            data = self._input.receive(PIECE_BYTES)
            if not data:
                break
            head += data
            decoder.feed(data)
        self.rate_hz = decoder.rate_hz
        decoder.close()
        return head

    def listen(self, timeout_s: float) -> None:
        """Wait for bytes."""
        if self.is_over:
            time.sleep(max(0.0, min(timeout_s, 0.05)))
        elif timeout_s > 0.0:
            is_readable(self._input.descriptor, timeout_s)

    def next(self) -> Saying | None:
        """Return the writer while it may have something to say; its mistakes end the program."""
        writer = self._writer
        if writer is None or self.is_over:
            return None
        writer.ready(1)
        if writer.has_sound:
            self._counts.queued += 1
            return writer
        self.is_over = writer.has_ended
        return None

    def begun(self, saying: Saying) -> None:
        """Take note that its first sample leaves now."""

    def finished(self, saying: Saying, n_samples: int) -> None:
        """Go on to the next WAV, or end."""
        self._counts.spoken += 1
        if self._writer is not None:
            self._writer.go_on()

    def take_clear(self, n_given: int, n_unheard: int) -> bool:
        """Return False: who writes into a pipe has no word for it."""
        return False

    def tell_by(self, later: Callable[[Callable[[], None]], None]) -> None:
        """Do nothing: nobody is told."""

    def counters(self) -> dict[str, int]:
        """Return the counts of utterances."""
        return self._counts.as_counters()

    def warnings(self) -> list[str]:
        """Return no lines: mistakes are raised."""
        return []

    def close(self) -> None:
        """Forget standard input; may be called twice."""
        if self._writer is not None:
            self._writer.close()
        self._input.close()
