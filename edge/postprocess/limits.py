"""Gains and limits per channel, and rest for the channels that the network was never taught."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edge.frames import AUFrame, Float32Array

HEAD_LIMIT_DEG = 45.0  # no speaking head turns further; a damaged network must not throw a robot's neck


def _per_channel(table: Mapping[str, float], channels: Sequence[str]) -> Float32Array:
    default = table.get("default", 1.0)
    return np.array([table.get(name, default) for name in channels], np.float32)


class Gains:
    """Multiply each channel by its configured factor; masked channels by zero.

    Args:
        gain: Factor by channel name, `default` for the others.
        channels: Names in the frame's order.
        masked: Channels that stay at rest.
    """

    def __init__(self, gain: Mapping[str, float], channels: Sequence[str], masked: Sequence[str]) -> None:
        self._gain = _per_channel(gain, channels)
        for name in masked:
            self._gain[list(channels).index(name)] = 0
        self._is_finite = np.ones(len(channels), np.bool_)

    def reset(self) -> None:
        """Do nothing: there is no state."""

    def apply(self, frame: AUFrame, newest: Float32Array) -> None:
        """Scale a frame in place; a value that is not finite becomes 0, so that no receiver ever sees it."""
        np.isfinite(frame.activations, out=self._is_finite)
        if not self._is_finite.all():
            np.nan_to_num(frame.activations, copy=False, nan=0.0, posinf=1.0, neginf=0.0)
        if not np.isfinite(frame.head_deg).all():
            np.nan_to_num(frame.head_deg, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        frame.activations *= self._gain


class Limits:
    """Keep activations in [0, limit] and the head within HEAD_LIMIT_DEG.

    Args:
        limit: Largest activation by channel name, `default` for the others.
        channels: Names in the frame's order.
    """

    def __init__(self, limit: Mapping[str, float], channels: Sequence[str]) -> None:
        self._limit = _per_channel(limit, channels)

    def reset(self) -> None:
        """Do nothing: there is no state."""

    def apply(self, frame: AUFrame, newest: Float32Array) -> None:
        """Clip a frame in place."""
        np.maximum(frame.activations, 0.0, out=frame.activations)
        np.minimum(frame.activations, self._limit, out=frame.activations)
        np.maximum(frame.head_deg, -HEAD_LIMIT_DEG, out=frame.head_deg)
        np.minimum(frame.head_deg, HEAD_LIMIT_DEG, out=frame.head_deg)
