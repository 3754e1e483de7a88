"""A clock that the test owns: it stands still except where something sleeps."""

from __future__ import annotations


class ManualClock:
    """Time that passes only by `sleep_until` and by the test."""

    def __init__(self, now_s: float = 1000.0) -> None:
        self.now_s = now_s

    def monotonic_s(self) -> float:
        return self.now_s

    def unix_s(self) -> float:
        return 1.7e9 + self.now_s

    def sleep_until(self, monotonic_s: float) -> None:
        self.now_s = max(self.now_s, monotonic_s)
