"""Moods as action units, laid under the speech so that lips which meet still meet.

A mood is what the application sets, never what a voice is taken for. Its units are the prototypes of the FACS
Investigator's Guide, the amounts a choice for a face that is seen from a metre or two. While somebody speaks, the
mouth's share is a third: a mood that spoils the lips is worse than none. What would part the lips waits until speech
parts them.

Source: Ekman, Friesen, Hager, "Facial Action Coding System: Investigator's Guide", 2002, table of emotion predictions
(sad's 17: Du, Tao, Martinez, "Compound facial expressions of emotion", PNAS 2014, table 1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edge.contracts import MOODS
from edge.frames import Float32Array
from edge.vocabulary import FACS_PROXIES, positions

# mood -> FACS number -> amount of its channels at amount 1. What a unit is in channels: edge.vocabulary.FACS_PROXIES.
PROTOTYPES: Mapping[str, Mapping[int, float]] = {
    "neutral": {},
    "happy": {6: 0.6, 12: 0.7},
    "sad": {1: 0.9, 4: 0.35, 15: 0.6, 17: 0.25},
    "angry": {4: 0.9, 5: 0.15, 7: 0.6, 17: 0.25, 24: 0.7},
    "afraid": {1: 0.9, 2: 0.4, 4: 0.35, 5: 0.8, 20: 0.6, 26: 0.06},
    "surprised": {1: 0.9, 2: 0.9, 5: 0.6, 26: 0.35},
    "disgusted": {4: 0.5, 9: 0.9, 10: 0.45, 17: 0.4},
}
EASE_S = 1.0  # from one mood to the next
MOUTH_SHARE = 1.0 / 3.0  # of the mouth, while somebody speaks
# How far channels part the inner lips of a face of natural size, in mm per activation, with the jaw a little open.
# Source: measured on the blendshape face of engine_build.labels (see engine_build.network.lip_seal.gap_slopes).
GAP_SLOPES_MM: Mapping[str, float] = {
    "jawOpen": 34.8, "mouthFunnel": 13.1, "mouthShrugUpper": 3.5, "mouthUpperUpLeft": 2.5, "mouthUpperUpRight": 2.5,
    "mouthLowerDownLeft": 1.9, "mouthLowerDownRight": 1.9, "jawForward": 1.4, "mouthDimpleLeft": 0.2,
    "mouthDimpleRight": 0.3, "mouthStretchLeft": 0.3, "mouthStretchRight": 0.3, "mouthFrownLeft": 0.1,
    "mouthFrownRight": 0.1, "mouthRollUpper": -1.2, "mouthPressLeft": -1.2, "mouthPressRight": -1.2,
    "cheekPuff": -1.2, "mouthLeft": -1.4, "mouthRight": -1.4, "mouthSmileLeft": -1.4, "mouthSmileRight": -1.4,
    "mouthPucker": -2.4, "mouthRollLower": -3.2, "mouthShrugLower": -5.0, "mouthClose": -34.8,
}  # fmt: skip
PARTING_MM = 1.0  # a channel that opens the lips by more, at 1, waits for speech to part them
SHUT_MM, APART_MM = 1.2, 5.0  # speech whose lips are nearer than the first is left alone; than the second, in part


def mood_channels(mood: str) -> dict[str, float]:
    """Return the channels of a mood and their activation at amount 1.

    Args:
        mood: One of `MOODS`.
    """
    return {name: amount for unit, amount in PROTOTYPES[mood].items() for name in FACS_PROXIES[unit]}


def is_of_mouth(channel: str) -> bool:
    """Return whether speech moves a channel too."""
    return channel.startswith(("mouth", "jaw", "tongue"))


class Moods:
    """The mood of a face, on its way to the one that is wanted.

    Args:
        channels: Names in the frame's order; what is missing does not move.
    """

    def __init__(self, channels: Sequence[str]) -> None:
        n = len(channels)
        self._poses = np.zeros((len(MOODS), n), np.float32)
        for row, mood in enumerate(MOODS):
            pose = mood_channels(mood)
            self._poses[row] = [pose.get(name, 0.0) for name in channels]
        slopes = [GAP_SLOPES_MM.get(name, 0.0) for name in channels]
        self._slopes = np.array(slopes, np.float32)
        of_mouth = np.array([is_of_mouth(name) for name in channels])
        parting = of_mouth & (self._slopes > PARTING_MM)
        self._upper = (~of_mouth).astype(np.float32)
        self._mouth = (of_mouth & ~parting).astype(np.float32)
        self._parting = parting.astype(np.float32)
        self._lids = tuple(
            positions([f"{part}{side}" for part in ("eyeWide", "eyeSquint")], channels) for side in ("Left", "Right")
        )
        (self._close,) = positions(("mouthClose",), channels)
        self._from, self._to = np.zeros(len(MOODS), np.float32), np.zeros(len(MOODS), np.float32)
        self._weights = np.zeros(len(MOODS), np.float32)
        self._step = np.empty(len(MOODS), np.float32)
        self._pose, self._share = np.zeros(n, np.float32), np.empty(n, np.float32)
        self._room = np.empty(n, np.float32)
        self._eased_s = EASE_S

    def want(self, mood: str, amount: float, is_at_once: bool = False) -> None:
        """Begin to ease to a mood from what is shown now.

        Args:
            mood: One of `MOODS`.
            amount: 0 to 1.
            is_at_once: Without easing, for a face that has just begun.
        """
        self._from[:] = self._weights
        self._to.fill(0.0)
        self._to[MOODS.index(mood)] = amount
        self._to[0] = 0.0  # neutral has no pose
        self._eased_s = 0.0
        if is_at_once:
            self.step(EASE_S)

    @property
    def is_shown(self) -> bool:
        """Return whether there is any mood to be seen, or one on its way."""
        return self._eased_s < EASE_S or bool(self._weights.any())

    def step(self, step_s: float) -> None:
        """Let time pass."""
        if self._eased_s >= EASE_S:
            return
        self._eased_s = min(self._eased_s + step_s, EASE_S)
        part = self._eased_s / EASE_S
        np.subtract(self._to, self._from, out=self._step)
        np.multiply(self._step, np.float32(part * part * (3.0 - 2.0 * part)), out=self._step)
        np.add(self._from, self._step, out=self._weights)

    def add(self, activations: Float32Array, speaking: float, shut_left: float, shut_right: float) -> None:
        """Lay the mood under a face, in place.

        Args:
            activations: float32 [n_channels], the speech.
            speaking: 1 while somebody speaks, 0 at rest, between on the way.
            shut_left: How far a blink shuts the left lid: an eye that is wide or narrow would keep it from closing.
            shut_right: The same of the right lid.
        """
        np.matmul(self._weights, self._poses, out=self._pose)
        gap_mm = float(np.dot(self._slopes, activations))
        apart = min(max((gap_mm - SHUT_MM) / (APART_MM - SHUT_MM), 0.0), 1.0)
        mouth = 1.0 + speaking * (MOUTH_SHARE - 1.0)
        self._share[:] = self._upper
        np.multiply(self._mouth, np.float32(mouth), out=self._room)
        np.add(self._share, self._room, out=self._share)
        np.multiply(self._parting, np.float32(mouth * (1.0 + speaking * (apart - 1.0))), out=self._room)
        np.add(self._share, self._room, out=self._share)
        for places, shut in zip(self._lids, (shut_left, shut_right), strict=True):
            for place in places:
                if place >= 0:
                    self._share[place] *= 1.0 - shut
        np.multiply(self._pose, self._share, out=self._pose)
        # Of what a channel has left, so that speech and mood together never pass 1 and neither is lost.
        np.subtract(np.float32(1.0), activations, out=self._room)
        np.maximum(self._room, np.float32(0.0), out=self._room)
        np.multiply(self._room, self._pose, out=self._room)
        np.add(activations, self._room, out=activations)
        parted_mm = float(np.dot(self._slopes, self._room))
        if self._close >= 0 and parted_mm > 0.0:  # what little is left over: corners that are drawn aside
            closed = speaking * (1.0 - apart) * parted_mm / -GAP_SLOPES_MM["mouthClose"]
            activations[self._close] = min(1.0, float(activations[self._close]) + closed)
