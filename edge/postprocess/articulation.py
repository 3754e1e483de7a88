"""How far a face moves: the network's own measure becomes the range that ARKit rigs and robots are built for.

A network learns where lips are on an average head, and, as its error is squared, it prefers the mean: a jaw that hovers
half open. The manifest gives a curve for each channel that brings its median and its 99th percentile in running speech
to those of an ARKit capture. Each curve is 0 at 0, rises everywhere, and is straight above its knee:

    y = gain * (hinge(x) - hinge(0)),   hinge(x) = (x - start + sqrt((x - start)^2 + knee^2)) / 2

`articulation.amount` then multiplies jaw and mouth together, so that lips keep their shape while they move more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from edge.frames import AUFrame, Float32Array
from edge.manifest import Curve

MOUTH_PREFIXES = ("mouth", "jaw")
STRAIGHT = Curve(start=0.0, knee=0.0, gain=1.0)


class Articulation:
    """Bend every channel by its curve; masked channels rest, and what is no number is 0.

    Args:
        amount: Factor on jaw and mouth, 1 as the manifest has it.
        curves: By channel name; a channel without one stays as it is.
        channels: Names in the frame's order.
        masked: Channels that stay at rest.
    """

    def __init__(
        self, amount: float, curves: Mapping[str, Curve], channels: Sequence[str], masked: Sequence[str]
    ) -> None:
        found = [curves.get(name, STRAIGHT) for name in channels]
        self._start = np.array([curve.start for curve in found], np.float32)
        self._knee_squared = np.array([curve.knee**2 for curve in found], np.float32)
        self._twice_at_zero = np.array([2.0 * hinge(0.0, curve) for curve in found], np.float32)
        factor = [amount if name.startswith(MOUTH_PREFIXES) else 1.0 for name in channels]
        self._half_gain = np.array([0.5 * curve.gain * f for curve, f in zip(found, factor, strict=True)], np.float32)
        for name in masked:
            self._half_gain[list(channels).index(name)] = 0
        self._root = np.empty(len(channels), np.float32)

    def reset(self) -> None:
        """Do nothing: there is no state."""

    def apply(self, frame: AUFrame, newest: Float32Array) -> None:
        """Bend a frame in place; a value that is not finite becomes 0, so that no receiver ever sees it."""
        values = frame.activations
        # One number tells for all; where only the square is infinite, nothing is changed.
        if not math.isfinite(float(np.dot(values, values))):
            np.nan_to_num(values, copy=False, nan=0.0, posinf=1.0, neginf=0.0)
        if not math.isfinite(sum(frame.head_deg.tolist())):
            np.nan_to_num(frame.head_deg, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        np.maximum(values, 0.0, out=values)  # a damaged network; the square of what it may say is infinite
        np.minimum(values, 1.0, out=values)
        values -= self._start
        np.multiply(values, values, out=self._root)
        self._root += self._knee_squared
        np.sqrt(self._root, out=self._root)
        values += self._root
        values -= self._twice_at_zero
        values *= self._half_gain


def hinge(value: float, curve: Curve) -> float:
    """Return where a curve's hinge puts a value, before its zero is taken away."""
    above = value - curve.start
    return float(above + np.hypot(above, curve.knee)) / 2


def undone(activations: Float32Array, curves: Mapping[str, Curve], channels: Sequence[str]) -> Float32Array:
    """Return what the network said of a face that was bent: the measure in which millimetres hold.

    Args:
        activations: float32 [n_frames, n_channels], bent with amount 1 and not limited.
        curves: By channel name.
        channels: Names in order.
    """
    result = np.array(activations, np.float64)
    for i, name in enumerate(channels):
        curve = curves.get(name, STRAIGHT)
        height = result[:, i] / curve.gain + hinge(0.0, curve)
        # hinge(x) = h  <=>  x = start + h - knee^2 / (4 h)
        result[:, i] = (
            curve.start + height - curve.knee**2 / (4.0 * np.maximum(height, 1e-9))
            if curve.knee
            else (np.where(height > 0, curve.start + height, 0.0))
        )
    return np.maximum(result, 0.0).astype(np.float32)
