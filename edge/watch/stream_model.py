"""How a stream of frames arrives: rate, losses, age; from nothing but what the frames say and when they came."""

from __future__ import annotations

from collections import deque

from edge.outputs.received import ReceivedFrame

RATE_WINDOW_S = 2.0
MAX_GAP = 1000  # a larger step of the sequence is another program, not a loss
MAX_AGE_S = 60.0  # beyond, the two clocks disagree and an age says nothing


class StreamModel:
    """Statistics of one stream.

    Attributes:
        n_frames: Frames that came.
        n_lost: Frames that the sequence says were sent and that did not come.
        n_late: Frames that came after a later one.
        n_restarts: How often the sequence began anew.
    """

    def __init__(self) -> None:
        self.n_frames = 0
        self.n_lost = 0
        self.n_late = 0
        self.n_restarts = 0
        self._arrivals_s: deque[float] = deque()
        self._last: ReceivedFrame | None = None
        self._last_age_s: float | None = None

    def take(self, frame: ReceivedFrame, now_s: float, now_unix_s: float) -> bool:
        """Count a frame.

        Args:
            frame: As decoded.
            now_s: CLOCK_MONOTONIC of its arrival.
            now_unix_s: The same as Unix time.

        Returns:
            Whether it is newer than all before, so that it should be shown.
        """
        self.n_frames += 1
        self._arrivals_s.append(now_s)
        age_s = now_unix_s - frame.capture_unix_s
        self._last_age_s = age_s if abs(age_s) < MAX_AGE_S else None
        last, self._last = self._last, frame
        if last is None or last.protocol != frame.protocol:
            return True
        step = (frame.sequence - last.sequence) % frame.sequence_modulus
        if 1 <= step <= MAX_GAP:
            self.n_lost += step - 1
            return True
        if step == 0 or frame.sequence_modulus - step <= MAX_GAP // 10:
            is_restart = frame.capture_unix_s > last.capture_unix_s + 1.0
            if not is_restart:
                self.n_late += 1
                self.n_lost = max(0, self.n_lost - (step != 0))  # it had been counted as lost when it was passed
                self._last = last
                return False
        self.n_restarts += 1
        return True

    def rate_hz(self, now_s: float) -> float:
        """Return frames a second over the last two seconds."""
        arrivals = self._arrivals_s
        while arrivals and arrivals[0] < now_s - RATE_WINDOW_S:
            arrivals.popleft()
        if len(arrivals) < 2:
            return 0.0
        return (len(arrivals) - 1) / max(arrivals[-1] - arrivals[0], 1e-3)

    def loss(self) -> float:
        """Return the lost part of all frames sent, 0 to 1."""
        n_sent = self.n_frames - self.n_late + self.n_lost
        return self.n_lost / n_sent if n_sent else 0.0

    def age_text(self) -> str:
        """Return the time from microphone to here as a person reads it."""
        if self._last is None:
            return "-"
        if self._last_age_s is None:
            return "clocks differ"
        return f"{self._last_age_s * 1000:.0f} ms"
