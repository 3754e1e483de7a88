"""What a talking source counts and says of itself."""

from __future__ import annotations

from collections.abc import Mapping

from edge.sources.live_lag import LiveLag
from edge.sources.played import PlayedTime
from edge.sources.signal_health import SignalHealth
from edge.sources.turns import Turns


class TalkReport:
    """Counters and lines of everything that takes part.

    Args:
        turns: The writers.
        lag: Of live ones.
        health: Of what they write.
        played: Where the sound goes; None where another program plays it.

    Attributes:
        n_opened: How often the source was opened.
        n_pauses: How often a writer gave nothing in the middle for so long that it was taken for an end.
    """

    def __init__(self, turns: Turns, lag: LiveLag, health: SignalHealth, played: PlayedTime | None) -> None:
        self._turns, self._lag, self._health, self._played = turns, lag, health, played
        self._lines: list[str] = []
        self.n_opened = self.n_pauses = 0

    def counters(self) -> Mapping[str, int]:
        """Return lost_samples (0: writers wait), reopened, pauses, dropped_samples, those of utterances and signal."""
        counts = self._turns.counters()
        reopened = max(0, counts.pop("streams", self.n_opened) - 1)
        return {
            "lost_samples": 0,
            "reopened": reopened,
            "pauses": self.n_pauses,
            "dropped_samples": self._lag.n_dropped + counts.pop("dropped_samples", 0),
            **counts,
            **({f"play_{name}": n for name, n in self._played.player.counters().items()} if self._played else {}),
            **self._health.counters(),
        }

    def tell(self, line: str) -> None:
        """Keep a line for the log."""
        self._lines.append(line)

    def warnings(self) -> list[str]:
        """Return the lines that have not been returned before."""
        lines, self._lines = self._lines, []
        played = [] if self._played is None else list(self._played.player.warnings())
        return lines + self._lag.warnings() + self._turns.warnings() + self._health.warnings() + played
