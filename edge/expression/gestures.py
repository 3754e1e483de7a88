"""Gestures: short movements of head and lids, as functions of the time since they began.

Every head gesture begins and ends with speed 0. One that is asked for again while it goes on follows once it has ended.
The sizes and times are a choice within what is usual: a nod has 5 to 15 degrees and about 2 movements a second
(Hadar, Steiner, Rose, "Head movement during listening turns in conversation", Journal of Nonverbal Behavior 1985).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from edge.contracts import GESTURES
from edge.frames import Float32Array

DURATIONS_S: Mapping[str, float] = {"nod": 1.0, "shake": 1.2, "tilt": 1.9, "blink": 0.16, "wink": 0.5}
NOD_DEG, SECOND_NOD_PART = 11.0, 0.6
SHAKE_DEG, SHAKES = 13.0, 2.0
TILT_DEG, TILT_RAMP_S = 9.0, 0.5
WINK_RAMP_S = 0.14
WINK_CHEEK = 0.45  # of cheekSquint on the side that winks
_REST = -1.0  # the time of a gesture that is not going on


class Gestures:
    """The gestures of one face. Times are in seconds, whatever the frame rate.

    Attributes:
        head_deg: Pitch, yaw, roll that they add now.
        shut: How far they shut the left and the right lid now, 0 to 1.
        cheek: How far the winking side's cheek is raised now.
    """

    def __init__(self) -> None:
        self._times_s = dict.fromkeys(GESTURES, _REST)
        self._again = dict.fromkeys(GESTURES, False)
        self.head_deg = [0.0, 0.0, 0.0]
        self.shut = [0.0, 0.0]
        self.cheek = 0.0

    def start(self, name: str) -> None:
        """Begin a gesture, or once more after the one that goes on.

        Args:
            name: One of `GESTURES`.
        """
        if self._times_s[name] >= 0.0:
            self._again[name] = True
        else:
            self._times_s[name] = 0.0

    def stop(self) -> None:
        """Forget them all."""
        for name in GESTURES:
            self._times_s[name], self._again[name] = _REST, False
        self.step(0.0)

    @property
    def is_shown(self) -> bool:
        """Return whether any goes on."""
        return max(self._times_s.values()) >= 0.0

    @property
    def is_lids_busy(self) -> bool:
        """Return whether a blink or a wink goes on."""
        return self._times_s["blink"] >= 0.0 or self._times_s["wink"] >= 0.0

    def step(self, step_s: float) -> None:
        """Let time pass and compute where head and lids are."""
        for name in GESTURES:
            time_s = self._times_s[name]
            if time_s < 0.0:
                continue
            time_s += step_s
            if time_s >= DURATIONS_S[name]:
                time_s = 0.0 if self._again[name] else _REST
                self._again[name] = False
            self._times_s[name] = time_s
        self.head_deg[0] = -nod_deg(self._times_s["nod"])
        self.head_deg[1] = shake_deg(self._times_s["shake"])
        self.head_deg[2] = TILT_DEG * plateau(self._times_s["tilt"], DURATIONS_S["tilt"], TILT_RAMP_S)
        blink = blink_shut(self._times_s["blink"])
        wink = plateau(self._times_s["wink"], DURATIONS_S["wink"], WINK_RAMP_S)
        self.shut[0], self.shut[1] = max(blink, wink), blink
        self.cheek = WINK_CHEEK * wink

    def turn(self, head_deg: Float32Array) -> None:
        """Add them to a head, in place, float32 [3]."""
        for axis in range(3):
            head_deg[axis] += self.head_deg[axis]


def nod_deg(time_s: float) -> float:
    """Return how far a nod is down: a large movement and a smaller one."""
    half_s = DURATIONS_S["nod"] / 2
    if not 0.0 <= time_s < 2 * half_s:
        return 0.0
    size = NOD_DEG if time_s < half_s else NOD_DEG * SECOND_NOD_PART
    return size * (0.5 - 0.5 * math.cos(2 * math.pi * time_s / half_s))


def shake_deg(time_s: float) -> float:
    """Return how far a shake is to the left: it swells and dies away."""
    duration_s = DURATIONS_S["shake"]
    if not 0.0 <= time_s < duration_s:
        return 0.0
    part = time_s / duration_s
    return SHAKE_DEG * math.sin(2 * math.pi * SHAKES * part) * math.sin(math.pi * part)


def plateau(time_s: float, duration_s: float, ramp_s: float) -> float:
    """Return a rise to 1, a hold and a fall, smooth at both ends."""
    if not 0.0 <= time_s < duration_s:
        return 0.0
    part = min(time_s / ramp_s, (duration_s - time_s) / ramp_s, 1.0)
    return 0.5 - 0.5 * math.cos(math.pi * part)


def blink_shut(time_s: float) -> float:
    """Return how far a blink shuts the lids: down in a third of the time, shut for a frame, up in the rest."""
    duration_s = DURATIONS_S["blink"]
    down_s, shut_s = 0.3 * duration_s, 0.23 * duration_s  # shut for 37 ms: longer than a frame at 30 a second
    if not 0.0 <= time_s < duration_s:
        return 0.0
    if time_s < down_s:
        return 0.5 - 0.5 * math.cos(math.pi * time_s / down_s)
    if time_s < down_s + shut_s:
        return 1.0
    return 0.5 + 0.5 * math.cos(math.pi * (time_s - down_s - shut_s) / (duration_s - down_s - shut_s))
