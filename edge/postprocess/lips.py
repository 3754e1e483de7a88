"""Lips that meet: where the network closes the mouth, it is closed whatever was done to the face after.

The network's own gap, in millimetres of an average head, says how surely the lips have met. What lies behind it
(a wider articulation, effort, a mood, a gain) opens them again; so at the end the lips are brought together as far as
the network had them together. What parts them goes down first (the jaw stays where it is), then `mouthClose` takes the
rest, as a talker's lips reach over an open jaw.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge.frames import AUFrame, Float32Array, State
from edge.manifest import Lips

SPEAKING = (State.LIVE, State.HELD)  # a face that is held still speaks: its lips stay as they were
CLOSER = "mouthClose"
PARTING = ("mouthLowerDown", "mouthUpperUp", "mouthFunnel", "mouthShrugUpper")
PARTING_LEFT = 0.15  # share of the parting channels that closed lips keep: a snarl or a funnel may still be seen


class Meeting:
    """The first half, right behind the network: measure its gap.

    Args:
        lips: The network's lips; None: it has no measure of them, and nothing is sealed.
        channels: Names in the frame's order.
    """

    def __init__(self, lips: Lips | None, channels: Sequence[str]) -> None:
        self._lips = lips
        slopes = lips.gap_mm if lips else {}
        self._slopes = np.array([slopes.get(name, 0.0) for name in channels], np.float32)

    def reset(self) -> None:
        """Do nothing: there is no state."""

    def apply(self, frame: AUFrame, newest: Float32Array) -> None:
        """Write into a frame how surely its lips have met."""
        if self._lips is None:
            frame.lips_met = 0.0
            return
        gap_mm = float(np.dot(frame.activations, self._slopes)) + self._lips.rest_mm
        share = (self._lips.parted_mm - gap_mm) / (self._lips.parted_mm - self._lips.met_mm)
        frame.lips_met = min(1.0, max(0.0, share))


class Sealing:
    """The second half, behind everything that moves a mouth: close what was closed.

    Args:
        lips: As `Meeting` has them.
        channels: Names in the frame's order; without `mouthClose` nothing is sealed.
    """

    def __init__(self, lips: Lips | None, channels: Sequence[str]) -> None:
        self._lips = lips if lips is not None and CLOSER in channels and lips.gap_mm.get(CLOSER, 0.0) < 0 else None
        slopes = lips.gap_mm if lips else {}
        self._slopes = np.array([slopes.get(name, 0.0) for name in channels], np.float32)
        is_parting = np.array([name.startswith(PARTING) for name in channels], np.float32)
        self._taken = is_parting * np.float32(1.0 - PARTING_LEFT)  # share of each channel that met lips lose
        self._left = np.empty_like(self._taken)
        self._closer = list(channels).index(CLOSER) if CLOSER in channels else 0

    def reset(self) -> None:
        """Do nothing: there is no state."""

    def apply(self, frame: AUFrame, newest: Float32Array) -> None:
        """Close the lips of a speaking face in place; at rest a mood may hold them open."""
        share = np.float32(frame.lips_met)
        if self._lips is None or share <= 0 or frame.state not in SPEAKING:
            return
        values = frame.activations
        np.multiply(self._taken, -share, out=self._left)
        self._left += np.float32(1.0)
        values *= self._left
        gap_mm = float(np.dot(values, self._slopes)) + self._lips.rest_mm
        if gap_mm > self._lips.rest_mm:
            values[self._closer] += share * (gap_mm - self._lips.rest_mm) / -float(self._slopes[self._closer])
