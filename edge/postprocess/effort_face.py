"""What vocal effort does to a face: one table, with an amount for each part of the face.

The voice is heard by `edge.postprocess.effort`, from the pitch and voicing that the silence gate found and a small
spectrum. Jaw and mouth are scaled together, never the jaw alone, so that closed lips stay closed. Brows, lids, cheeks
and nose are moved by the table; the head moves more with effort and less in a subdued voice. The silence gate behind
this stage brings all of it to rest.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge.config.settings import EffortSettings
from edge.frames import AUFrame, Float32Array
from edge.postprocess.effort import DRIVES, EFFORT, SUBDUED, Effort
from edge.postprocess.effort_weights import EffortWeights
from edge.postprocess.voice import Voicing
from edge.postprocess.voice_measures import VoiceMeasures

# channel without its side -> for each of DRIVES (effort, tension, high, loud, subdued), at amount 1. A high voice lifts
# the brows and a tense one lowers them; what of the two is less than nothing is nothing.
MOVES = {
    "browInnerUp": (0.10, -0.25, 0.60, 0.0, 0.15),
    "browOuterUp": (0.10, -0.25, 0.50, 0.0, 0.0),
    "browDown": (0.0, 0.55, -0.20, 0.0, 0.0),
    "eyeWide": (0.0, 0.0, 0.10, 0.45, 0.0),
    "eyeSquint": (0.0, 0.35, 0.0, 0.0, 0.0),
    "eyeBlink": (0.0, 0.0, 0.0, 0.0, 0.25),
    "cheekSquint": (0.25, 0.0, 0.0, 0.0, 0.0),
    "noseSneer": (0.0, 0.30, 0.0, 0.0, 0.0),
}
GROUPS = {"brow": "brows", "eye": "eyes", "cheek": "cheeks", "nose": "cheeks"}
MOUTH_PREFIXES = ("mouth", "jaw")
MOUTH_EFFORT, MOUTH_SUBDUED = 0.35, -0.20  # change of the factor on jaw and mouth
HEAD_EFFORT, HEAD_SUBDUED = 0.5, -0.25  # change of the factor on the head's turns
HEAD_DOWN_DEG = -2.0  # pitch of a wholly subdued voice
LEAST_DRIVE = 1e-3  # of all together: below, nothing is moved


class EffortFace:
    """Add what is heard to a face.

    Args:
        settings: Amounts.
        weights: What each measure of the voice counts for.
        voicing: Shared with the silence gate, which lets it hear each frame first.
        rate_hz: Of the samples that `apply` is given.
        frame_period_s: Time between two frames.
        channels: Names in the frame's order; those of MOVES that are missing are left out.
    """

    def __init__(
        self,
        settings: EffortSettings,
        weights: EffortWeights,
        voicing: Voicing,
        rate_hz: int,
        frame_period_s: float,
        channels: Sequence[str],
    ) -> None:
        self._is_on = settings.amount > 0
        self._measures = VoiceMeasures(voicing, rate_hz, frame_period_s)
        self._moves = np.zeros((len(channels), len(DRIVES)), np.float32)
        for i, name in enumerate(channels):
            bare = name.removesuffix("Left").removesuffix("Right")
            if bare in MOVES:
                group = next(amount for prefix, amount in GROUPS.items() if bare.startswith(prefix))
                self._moves[i] = np.array(MOVES[bare]) * settings.amount * getattr(settings, group)
        self._is_mouth = np.array([name.startswith(MOUTH_PREFIXES) for name in channels], np.float32)
        self._mouth_amount = settings.amount * settings.mouth
        self._head_amount = settings.amount * settings.head
        self._drives = np.zeros(len(DRIVES), np.float32)
        self._added = np.empty(len(channels), np.float32)
        self.effort = Effort(weights, frame_period_s)
        self.reset()

    def reset(self) -> None:
        """Forget the speaker; the gate resets the voicing."""
        self.effort.reset()
        self._measures.reset()

    def apply(self, frame: AUFrame, newest: Float32Array) -> None:
        """Move a face in place; its level, its state and the voicing are known already."""
        if not self._is_on:
            return
        measures = self._measures.hear(frame, newest)
        if measures is None:
            self.effort.pause()
        else:
            self.effort.hear(measures)
        drives = self.effort.drives
        if drives.sum() < LEAST_DRIVE:
            return
        self._drives[:] = drives
        effort, subdued = float(drives[EFFORT]), float(drives[SUBDUED])
        change = self._mouth_amount * (MOUTH_EFFORT * effort + MOUTH_SUBDUED * subdued)
        np.multiply(self._is_mouth, np.float32(max(change, -1.0)), out=self._added)
        self._added += np.float32(1.0)
        frame.activations *= self._added
        np.matmul(self._moves, self._drives, out=self._added)
        np.maximum(self._added, np.float32(0.0), out=self._added)
        frame.activations += self._added
        turns = self._head_amount * (HEAD_EFFORT * effort + HEAD_SUBDUED * subdued)
        frame.head_deg *= np.float32(max(0.0, 1.0 + turns))
        frame.head_deg[0] += self._head_amount * HEAD_DOWN_DEG * subdued
