"""The application's wishes as a stage of the post-processing."""

from __future__ import annotations

from edge.expression.expression import Expression
from edge.frames import AUFrame, Float32Array, State

SPEAKING = (State.LIVE, State.HELD)  # a face that is held still speaks, as the seal of the lips has it


class Expressing:
    """Lay an expression under every face, with sound or without.

    Args:
        expression: Outlives this stage: a new configuration makes a new stage, and the mood goes on.
    """

    def __init__(self, expression: Expression) -> None:
        self._expression = expression

    def apply(self, frame: AUFrame, newest: Float32Array) -> None:
        """Move a face, in place."""
        gate = 1.0 if frame.state in SPEAKING else 0.0
        self._expression.apply(frame.activations, frame.head_deg, frame.capture_time_s, gate)

    def reset(self) -> None:
        """Do nothing: what the application wants does not end with a stream."""
