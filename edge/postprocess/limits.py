"""Gains and limits per channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edge.frames import AUFrame, Float32Array

KNEE = 0.8  # of the limit
MOUTH_PREFIXES = ("mouth", "jaw")
HEAD_LIMIT_DEG = 45.0  # no speaking head turns further; a damaged network must not throw a robot's neck


def _per_channel(table: Mapping[str, float], channels: Sequence[str]) -> Float32Array:
    default = table.get("default", 1.0)
    return np.array([table.get(name, default) for name in channels], np.float32)


class Gains:
    """Multiply each channel by its configured factor.

    Args:
        gain: Factor by channel name, `default` for the others.
        channels: Names in the frame's order.
    """

    def __init__(self, gain: Mapping[str, float], channels: Sequence[str]) -> None:
        self._gain = _per_channel(gain, channels)

    def reset(self) -> None:
        """Do nothing: there is no state."""

    def apply(self, frame: AUFrame, newest: Float32Array) -> None:
        """Scale a frame in place."""
        frame.activations *= self._gain


class Limits:
    """Keep activations in [0, limit] and the head within HEAD_LIMIT_DEG.

    Jaw and mouth bend towards their limit from `KNEE` of it on, so that a loud face does not stand at its stop; lids
    and brows reach theirs: a blink closes the eye.

    Args:
        limit: Largest activation by channel name, `default` for the others.
        channels: Names in the frame's order.
    """

    def __init__(self, limit: Mapping[str, float], channels: Sequence[str]) -> None:
        self._limit = _per_channel(limit, channels)
        is_mouth = np.array([name.startswith(MOUTH_PREFIXES) for name in channels])
        self._knee = np.where(is_mouth, np.float32(KNEE) * self._limit, self._limit).astype(np.float32)
        self._room = np.maximum(self._limit - self._knee, np.float32(1e-6))
        self._over = np.empty_like(self._limit)

    def reset(self) -> None:
        """Do nothing: there is no state."""

    def apply(self, frame: AUFrame, newest: Float32Array) -> None:
        """Bend and clip a frame in place."""
        values = frame.activations
        np.maximum(values, 0.0, out=values)
        np.subtract(values, self._knee, out=self._over)
        if np.maximum.reduce(self._over) > 0.0:  # most faces are below all knees
            np.maximum(self._over, 0.0, out=self._over)
            np.divide(self._over, self._room, out=self._over)
            np.tanh(self._over, out=self._over)
            self._over *= self._room
            np.minimum(values, self._knee, out=values)
            values += self._over
            np.minimum(values, self._limit, out=values)
        np.maximum(frame.head_deg, -HEAD_LIMIT_DEG, out=frame.head_deg)
        np.minimum(frame.head_deg, HEAD_LIMIT_DEG, out=frame.head_deg)
