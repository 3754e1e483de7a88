"""Handing out sound at the speed at which it was spoken, or as it comes."""

from __future__ import annotations

from edge.contracts import Clock
from edge.errors import ConfigurationError

REALTIME = "realtime"
FAST = "fast"
LIVE = "live"  # as it comes, too, but nothing that is out of date
REALTIME_CHUNK_SAMPLES = 256  # 6 ms at 44.1 kHz: like a microphone's period, a small part of a frame
FAST_CHUNK_SAMPLES = 4096  # fewer calls; still far below a second


class Pace:
    """Absolute deadlines on the sample axis; a relative sleep would drift by its own overhead.

    Args:
        clock: The time.
        name: "realtime", "fast" or "live".
        max_late_s: A reader that comes later than this (a suspended machine, a late producer) starts a new count of
            time instead of running after the old one.

    Raises:
        ConfigurationError: The name is another.
    """

    def __init__(self, clock: Clock, name: str, max_late_s: float = 0.5) -> None:
        if name not in (REALTIME, FAST, LIVE):
            raise ConfigurationError(f"pace {name!r}", "no such pace", f"Give `{REALTIME}`, `{FAST}` or `{LIVE}`")
        self._clock = clock
        self._max_late_s = max_late_s
        self._rate_hz = 1
        self._origin_s = 0.0
        self.is_realtime = name == REALTIME

    @property
    def chunk_samples(self) -> int:
        """Return the chunk size that suits the pace."""
        return REALTIME_CHUNK_SAMPLES if self.is_realtime else FAST_CHUNK_SAMPLES

    def start(self, rate_hz: int, index: int, at_s: float | None = None) -> None:
        """Let the sample with this index be heard now, or at a time."""
        self._rate_hz = rate_hz
        self._origin_s = (self._clock.monotonic_s() if at_s is None else at_s) - index / rate_hz

    def wait(self, end_index: int, timeout_s: float) -> float | None:
        """Wait until the sound up to an index has been heard.

        Args:
            end_index: Index one past the last sample.
            timeout_s: Longest wait.

        Returns:
            CLOCK_MONOTONIC time at which the last sample was heard, or None where that is still to come.
        """
        now_s = self._clock.monotonic_s()
        if not self.is_realtime:
            return now_s
        due_s = self._origin_s + end_index / self._rate_hz
        if due_s > now_s + timeout_s:
            self._clock.sleep_until(now_s + timeout_s)
            return None
        if now_s - due_s > self._max_late_s:
            self._origin_s += now_s - due_s
            return now_s
        self._clock.sleep_until(due_s)
        return due_s
