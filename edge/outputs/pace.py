"""A lower rate for one output: which frames it lets pass."""

from __future__ import annotations

import math

from edge.frames import AUFrame, State


class Pace:
    """Which frames a lower rate lets pass, judged by the frames' own times.

    A frame passes from a quarter of the period before it is due, so that jitter of the times does not shift the choice.
    """

    def __init__(self, rate_hz: float) -> None:
        self.is_lower = rate_hz > 0
        self.n_admitted = 0
        self._period_s = 1 / rate_hz if rate_hz > 0 else 0.0
        self._due_s = -math.inf

    def admits(self, frame: AUFrame) -> bool:
        """Return whether the frame goes out; the last frames of the program always do."""
        is_admitted = not self.is_lower or frame.state == State.STOPPING or self._is_due(frame.capture_time_s)
        self.n_admitted += is_admitted
        return is_admitted

    def _is_due(self, time_s: float) -> bool:
        if self._due_s - self._period_s / 4 > time_s > self._due_s - 2 * self._period_s:
            return False
        is_behind = not abs(time_s - self._due_s) < self._period_s  # the first frame, or after a gap or a new start
        self._due_s = (time_s if is_behind else self._due_s) + self._period_s
        return True
