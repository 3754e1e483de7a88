"""The machine's clocks, behind the Clock contract."""

from __future__ import annotations

import time


class SystemClock:
    """CLOCK_MONOTONIC and CLOCK_REALTIME of this machine."""

    def monotonic_s(self) -> float:
        """Return CLOCK_MONOTONIC seconds."""
        return time.monotonic()

    def unix_s(self) -> float:
        """Return Unix time in seconds."""
        return time.time()

    def sleep_until(self, monotonic_s: float) -> None:
        """Sleep to an absolute deadline: a relative sleep in a loop drifts by its own overhead."""
        remaining_s = monotonic_s - time.monotonic()
        while remaining_s > 0:
            time.sleep(remaining_s)
            remaining_s = monotonic_s - time.monotonic()
