"""A writer that is itself heard live: what it wrote while it was ahead, or behind and catching up, is left out."""

from __future__ import annotations

from edge.sources.turns import Saying

LIVE_LAG_S = 0.04  # what may wait of a live writer beside its own period; the rest of 60 ms is the machine's
LIVE_LONGEST_PERIOD_S = 0.1
LAG_SAID_S = 0.5  # of dropped sound: then it is said, once
_MOST_READY_S = 20.0  # of a live writer at once; what is older is dropped anyway


class LiveLag:
    """Bounds how far the face is behind live writers.

    Attributes:
        n_dropped: Samples that were left out.
    """

    def __init__(self) -> None:
        self.n_dropped = 0
        self._period_s = 0.0
        self._is_said = False
        self._lines: list[str] = []

    def ready(self, saying: Saying, rate_hz: int) -> int:
        """Return how many samples can be given; what would be heard too late is dropped.

        Args:
            saying: Of a live writer.
            rate_hz: Of its samples.
        """
        n_before = saying.ready(0)
        n_ready = saying.ready(round(_MOST_READY_S * rate_hz))
        came_s = (n_ready - n_before) / rate_hz
        if 0.0 < came_s <= LIVE_LONGEST_PERIOD_S:
            self._period_s = max(came_s, 0.95 * self._period_s)
        if n_ready <= round((LIVE_LAG_S + self._period_s) * rate_hz):
            return n_ready
        n_kept = round(max(self._period_s, LIVE_LAG_S / 2) * rate_hz)
        saying.drop(n_ready - n_kept)
        self.n_dropped += n_ready - n_kept
        if not self._is_said and self.n_dropped > LAG_SAID_S * rate_hz:
            self._is_said = True
            self._lines.append(
                "the writer is ahead of time, or stalls and catches up: what is too old is left out, as audio.pace = "
                "live asks; a synthesiser that writes ahead needs audio.pace = realtime"
            )
        return n_kept

    def warnings(self) -> list[str]:
        """Return the lines that have not been returned before."""
        lines, self._lines = self._lines, []
        return lines
