"""Gaze: the eyes jump to where the face shall look, the head follows, the eyes stay on it while the head comes.

Directions are yaw (to the face's own left positive) and pitch (up positive) in degrees, seen from the body. The eyes
turn against every movement of the head that the frame has (speech, nods, sway) as in people (vestibulo-ocular reflex).

Source: duration of a saccade 2.2 ms a degree and 21 ms (Carpenter, "Movements of the Eyes", 1988); that the eyes alone
serve small shifts and the head most of what is beyond: Stahl, "Amplitude of human head movements associated with
horizontal saccades", Experimental Brain Research 1999; blinks with large shifts: Evinger et al., "Not looking while
leaping: the linkage of blinking and saccadic gaze shifts", Experimental Brain Research 1994. The rest is a choice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge.frames import Float32Array
from edge.vocabulary import positions

SACCADE_S, SACCADE_S_PER_DEG = 0.021, 0.0022
EYES_ALONE_DEG = 12.0  # up to here the head does not move for a look
HEAD_PART = 0.8  # of what is beyond, the head takes
HEAD_DELAY_S = 0.08  # after the eyes
HEAD_RATE = 6.0  # 1/s, of a critically damped head: 90 % of the way after 0.65 s
BLINK_FROM_DEG = 20.0  # a shift as large as this brings a blink
HOLD_S = 0.1  # in which the eyes of the frame give way to a look, and come back after it

_LOOKS = (
    ("eyeLookOutLeft", "eyeLookInRight"),  # to the left
    ("eyeLookInLeft", "eyeLookOutRight"),
    ("eyeLookUpLeft", "eyeLookUpRight"),
    ("eyeLookDownLeft", "eyeLookDownRight"),
)


@dataclass(frozen=True)
class Reach:
    """How far eyes and head may turn, in degrees.

    Attributes:
        eye_full_deg: Of an eyeLook channel at 1.
        eyes_deg: The eyes at most to the left, right, up and down.
        head_deg: The head at most in pitch and yaw, for a look.
    """

    eye_full_deg: float
    eyes_deg: tuple[float, float, float, float]
    head_deg: tuple[float, float]

    @classmethod
    def of_rig(
        cls, eye_full_deg: float, limits: Mapping[str, float], head_pitch_deg: float, head_yaw_deg: float
    ) -> Reach:
        """Return the reach of a rig whose channels are limited.

        Args:
            eye_full_deg: Of an eyeLook channel at 1.
            limits: Largest activation by channel name, and under `default`.
            head_pitch_deg: Of the head, for a look.
            head_yaw_deg: Of the head, for a look.
        """
        default = limits.get("default", 1.0)
        ways = [eye_full_deg * min(limits.get(name, default) for name in names) for names in _LOOKS]
        return cls(eye_full_deg, (ways[0], ways[1], ways[2], ways[3]), (head_pitch_deg, head_yaw_deg))

    def eye(self, axis: int, angle_deg: float) -> float:
        """Return the nearest angle that the eyes can have, about axis 0 (pitch) or 1 (yaw)."""
        most, least = (self.eyes_deg[2], self.eyes_deg[3]) if axis == 0 else (self.eyes_deg[0], self.eyes_deg[1])
        return min(max(angle_deg, -least), most)

    def head(self, axis: int, angle_deg: float) -> float:
        """Return how far the head turns for a look."""
        beyond = max(0.0, abs(angle_deg) - EYES_ALONE_DEG)
        needed = abs(angle_deg - self.eye(axis, angle_deg))
        return math.copysign(min(max(HEAD_PART * beyond, needed), self.head_deg[axis]), angle_deg)


class Gaze:
    """Where a face looks.

    Args:
        reach: Of the rig.
        channels: Names in the frame's order; what is missing does not move.

    Attributes:
        hold: 1 while there is somewhere to look, 0 while the eyes are free.
        eye_deg: Pitch and yaw of the eyes in the head.
    """

    def __init__(self, reach: Reach, channels: Sequence[str]) -> None:
        self._reach = reach
        self._places = [[place for place in positions(names, channels) if place >= 0] for names in _LOOKS]
        self.eye_deg = [0.0, 0.0]
        self._head_deg, self._head_speed = [0.0, 0.0], [0.0, 0.0]
        self.stop()

    def stop(self) -> None:
        """Look straight ahead, freely, at once."""
        self._target: tuple[float, float] | None = None
        self.hold = 0.0
        self._from, self._to, self._goal = [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]
        self._jump_s = 0.0  # how long the jump takes; 0 for none
        self._jumped_s = 0.0
        for pair in (self.eye_deg, self._head_deg, self._head_speed):
            pair[0] = pair[1] = 0.0

    def want(self, target: tuple[float, float] | None, head_deg: Float32Array, gesture_deg: Sequence[float]) -> bool:
        """Begin to look somewhere, or freely again.

        Args:
            target: Pitch and yaw, or None.
            head_deg: The head's pitch, yaw and roll in the frame before.
            gesture_deg: What of it are gestures.

        Returns:
            Whether the shift is large enough for a blink.
        """
        for axis in (0, 1):
            # A look is fixed in space; free eyes are fixed in the head, but for its gestures.
            self._from[axis] = self.eye_deg[axis] + (float(head_deg[axis]) if target is not None else gesture_deg[axis])
            self._to[axis] = target[axis] if target is not None else 0.0
            self._goal[axis] = self._reach.head(axis, self._to[axis])
        self._target = target
        shift_deg = math.hypot(self._to[0] - self._from[0], self._to[1] - self._from[1])
        self._jump_s = SACCADE_S + SACCADE_S_PER_DEG * shift_deg
        self._jumped_s = 0.0
        return shift_deg >= BLINK_FROM_DEG

    @property
    def is_shown(self) -> bool:
        """Return whether it moves anything."""
        return self._jump_s > 0.0 or self._target is not None or self.hold > 0.0

    def step(self, step_s: float, head_deg: Float32Array, gesture_deg: Sequence[float]) -> None:
        """Let time pass, turn the head and compute the eyes.

        Args:
            step_s: Since the frame before.
            head_deg: float32 [3], the head of the frame with its gestures; the look's part is added.
            gesture_deg: Pitch, yaw (and roll) of the gestures in it: free eyes turn against these alone.
        """
        self._jumped_s += step_s
        is_held = self._target is not None
        change = step_s / HOLD_S
        self.hold = min(1.0, self.hold + change) if is_held else max(0.0, self.hold - change)
        done = min(self._jumped_s / self._jump_s, 1.0) if self._jump_s > 0.0 else 1.0
        done = done * done * done * (10.0 + done * (6.0 * done - 15.0))  # the smoothest way between two rests
        head_step_s = min(step_s, max(0.0, self._jumped_s - HEAD_DELAY_S))
        for axis in (0, 1):
            self._turn_head(axis, head_step_s)
            head_deg[axis] += self._head_deg[axis]
            wanted = self._from[axis] + (self._to[axis] - self._from[axis]) * done
            against = float(head_deg[axis]) if is_held else gesture_deg[axis]
            self.eye_deg[axis] = self._reach.eye(axis, wanted - against)
        if not is_held and done == 1.0 and self.hold == 0.0 and self._is_head_back():
            self._jump_s = 0.0
            for pair in (self._head_deg, self._head_speed):
                pair[0] = pair[1] = 0.0

    def _turn_head(self, axis: int, step_s: float) -> None:
        """Move the head towards its goal; exact for any step."""
        away = self._head_deg[axis] - self._goal[axis]
        pull = self._head_speed[axis] + HEAD_RATE * away
        decay = math.exp(-HEAD_RATE * step_s)
        self._head_deg[axis] = self._goal[axis] + (away + pull * step_s) * decay
        self._head_speed[axis] = (self._head_speed[axis] - pull * HEAD_RATE * step_s) * decay

    def _is_head_back(self) -> bool:
        return all(abs(self._head_deg[axis]) < 0.01 and abs(self._head_speed[axis]) < 0.1 for axis in (0, 1))

    def turn_eyes(self, activations: Float32Array) -> None:
        """Write the eyes into a face, in place: over its own as far as the look is held, else onto them."""
        pitch, yaw = self.eye_deg
        keep = 1.0 - self.hold
        for places, angle_deg in zip(self._places, (yaw, -yaw, pitch, -pitch), strict=True):
            for place in places:
                own = keep * float(activations[place])
                activations[place] = min(1.0, own + max(0.0, angle_deg) / self._reach.eye_full_deg)
