"""A receiver that takes whole frames (a robot, a ROS node), with the rate and the delay that every receiver can have.

What is kept back is a copy of the face, not bytes: what moves metal must see each face at its own time. A loop that
hangs pumps nothing, so that a robot behind this still notices.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from edge.contracts import Clock, FrameOutput
from edge.frames import AUFrame
from edge.outputs.pace import Pace
from edge.outputs.sender import MAX_DELAYED


class LaterOutput:
    """Another receiver, later and at a rate.

    Args:
        inner: Takes the frames in the end.
        clock: Time.
        rate_hz: Frames a second at most, by the frames' own times; 0 for every frame.
        delay_ms: Positive gives a face later than it is known; there is no earlier.
    """

    def __init__(self, inner: FrameOutput, clock: Clock, *, rate_hz: float = 0.0, delay_ms: float = 0.0) -> None:
        self.name = inner.name
        self._inner = inner
        self._clock = clock
        self._pace = Pace(rate_hz)
        self._delay_s = delay_ms / 1000
        self._delayed: deque[tuple[float, AUFrame]] = deque(maxlen=MAX_DELAYED)
        self._n_skipped = 0

    @property
    def inner(self) -> FrameOutput:
        """Return the receiver behind."""
        return self._inner

    @property
    def description(self) -> str:
        """Return the receiver's own line."""
        return self._inner.description

    @property
    def state(self) -> str:
        """Return the receiver's own state."""
        return self._inner.state

    @property
    def delay_ms(self) -> float:
        """Return by how much faces are given later; set it to change the faces that follow."""
        return self._delay_s * 1000

    @delay_ms.setter
    def delay_ms(self, delay_ms: float) -> None:
        self._delay_s = max(0.0, delay_ms / 1000)

    def open(self) -> None:
        """Open the receiver."""
        self._inner.open()

    def send(self, frame: AUFrame) -> None:
        """Give a frame, now or when its time has come.

        Args:
            frame: Read during the call only.
        """
        if not self._pace.admits(frame):
            self._n_skipped += 1
        elif self._delay_s > 0 or self._delayed:  # behind what is kept back, so that a shorter delay keeps the order
            self._delayed.append((self._clock.monotonic_s() + self._delay_s, frame.copy()))
        else:
            self._inner.send(frame)
        self.pump()

    def pump(self) -> None:
        """Give what a delay kept back and is due."""
        now_s = self._clock.monotonic_s()
        while self._delayed and self._delayed[0][0] <= now_s:
            self._inner.send(self._delayed.popleft()[1])
        self._inner.pump()

    def adopt(self, newer: LaterOutput) -> bool:
        """Go on, without a gap, with a newer configuration, where the receiver behind can; see `RobotOutput.adopt`."""
        adopt = getattr(self._inner, "adopt", None)
        if adopt is None or type(self._inner) is not type(newer._inner) or not adopt(newer._inner):
            return False
        self._pace, self._delay_s = newer._pace, newer._delay_s
        return True

    def counters(self) -> Mapping[str, int]:
        """Return the receiver's counts, and how many frames the rate left out."""
        return {**self._inner.counters(), "skipped": self._n_skipped}

    def close(self) -> None:
        """Forget what is kept back, since a receiver leads to rest by itself, and close it; may be called twice."""
        self._delayed.clear()
        self._inner.close()
