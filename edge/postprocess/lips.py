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
OPENER = "jawOpen"
PARTING = ("mouthLowerDown", "mouthUpperUp", "mouthFunnel", "mouthShrugUpper")
PRESSED_MM = 1.6  # how far met lips may press into each other: at 0 the corners of some faces show teeth
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


class Parting:
    """Behind the articulation: lips that the network parted stay parted, as far as it had them, up to `parted_mm`.

    A curve that keeps a jaw from hovering half open also shuts the lips of a jaw that is hardly open. What closes them
    goes first, then the jaw opens: a millimetre of gap is a thirtieth of its way.

    Args:
        lips: As `Meeting` has them.
        channels: Names in the frame's order; without `jawOpen` nothing is parted.
        masked: Channels that stay at rest.
    """

    def __init__(self, lips: Lips | None, channels: Sequence[str], masked: Sequence[str]) -> None:
        slopes = lips.gap_mm if lips else {}
        has_jaw = OPENER in channels and OPENER not in masked and slopes.get(OPENER, 0.0) > 0
        self._lips = lips if has_jaw else None
        self._slopes = np.array([slopes.get(name, 0.0) for name in channels], np.float32)
        self._opener = list(channels).index(OPENER) if has_jaw else 0
        self._closer = list(channels).index(CLOSER) if CLOSER in channels and slopes.get(CLOSER, 0.0) < 0 else None

    def reset(self) -> None:
        """Do nothing: there is no state."""

    def apply(self, frame: AUFrame, newest: Float32Array) -> None:
        """Open the lips of a frame in place."""
        lips = self._lips
        if lips is None or frame.lips_met >= 1.0:
            return
        values = frame.activations
        missing_mm = shown_gap_mm(lips, frame.lips_met) - float(np.dot(values, self._slopes)) - lips.rest_mm
        if missing_mm <= 0:
            return
        if self._closer is not None:
            per_unit_mm = -float(self._slopes[self._closer])
            taken = min(float(values[self._closer]), missing_mm / per_unit_mm)
            values[self._closer] -= taken
            missing_mm -= taken * per_unit_mm
        values[self._opener] += missing_mm / float(self._slopes[self._opener])


class Sealing:
    """The second half, behind everything that moves a mouth: close what was closed, and no further than lips press.

    Args:
        lips: As `Meeting` has them.
        channels: Names in the frame's order; without `mouthClose` nothing is sealed.
    """

    def __init__(self, lips: Lips | None, channels: Sequence[str]) -> None:
        self._lips = lips if lips is not None and CLOSER in channels and lips.gap_mm.get(CLOSER, 0.0) < 0 else None
        slopes = lips.gap_mm if lips else {}
        self._slopes = np.array([slopes.get(name, 0.0) for name in channels], np.float32)
        is_parting = np.array([name.startswith(PARTING) for name in channels], np.float32)
        self._parting = is_parting * np.float32(1.0 - PARTING_LEFT)  # share of each channel that met lips lose
        self._taken = np.empty_like(self._parting)
        self._closer = list(channels).index(CLOSER) if CLOSER in channels else 0

    def reset(self) -> None:
        """Do nothing: there is no state."""

    def apply(self, frame: AUFrame, newest: Float32Array) -> None:
        """Close the lips of a speaking face in place; at rest a mood may hold them open."""
        share = frame.lips_met
        if self._lips is None or share <= 0 or frame.state not in SPEAKING:
            return
        values = frame.activations
        gap_mm = float(np.dot(values, self._slopes)) + self._lips.rest_mm
        over_mm = gap_mm + PRESSED_MM
        if over_mm < 0:  # a lip is drawn over the other: the curve of `mouthClose` rises more than the jaw's there
            values[self._closer] -= min(float(values[self._closer]), over_mm / float(self._slopes[self._closer]))
            return
        over_mm = gap_mm - shown_gap_mm(self._lips, share)
        if over_mm <= 0:
            return
        over_mm *= share  # a gap of `parted_mm` is left as wide as it is shown
        np.multiply(self._parting, values, out=self._taken)
        by_parting_mm = float(np.dot(self._taken, self._slopes))
        if by_parting_mm > 0:
            part = min(1.0, over_mm / by_parting_mm)
            self._taken *= np.float32(part)
            values -= self._taken
            over_mm -= part * by_parting_mm
        values[self._closer] += over_mm / -float(self._slopes[self._closer])


def shown_gap_mm(lips: Lips, met: float) -> float:
    """Return the gap to be shown of lips that are not fully parted: none where they met, the network's where not.

    Args:
        lips: The network's.
        met: How surely they met, as `AUFrame.lips_met`.
    """
    return lips.parted_mm - met * (lips.parted_mm - lips.rest_mm)
