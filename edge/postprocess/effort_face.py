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
from edge.frames import AUFrame, Float32Array, State
from edge.postprocess.effort import VOICED_PERIODICITY, Effort
from edge.postprocess.effort_weights import N_MEASURES, EffortWeights
from edge.postprocess.spectrum import MEASURES as SPECTRAL
from edge.postprocess.spectrum import WINDOW_S, VoiceSpectrum
from edge.postprocess.voice import Voicing

# channel without its side -> (effort without tension, effort with tension, subdued), at amount 1
MOVES = {
    "browInnerUp": (0.50, 0.0, 0.20),
    "browOuterUp": (0.40, 0.0, 0.0),
    "browDown": (0.0, 0.45, 0.0),
    "eyeWide": (0.35, 0.10, 0.0),
    "eyeSquint": (0.0, 0.30, 0.0),
    "eyeBlink": (0.0, 0.0, 0.15),
    "cheekSquint": (0.20, 0.15, 0.0),
    "noseSneer": (0.0, 0.25, 0.0),
}
GROUPS = {"brow": "brows", "eye": "eyes", "cheek": "cheeks", "nose": "cheeks"}
MOUTH_PREFIXES = ("mouth", "jaw")
MOUTH_EFFORT, MOUTH_SUBDUED = 0.35, -0.20  # change of the factor on jaw and mouth
HEAD_EFFORT, HEAD_SUBDUED = 0.5, -0.25  # change of the factor on the head's turns
HEAD_DOWN_DEG = -2.0  # pitch of a wholly subdued voice
SPECTRUM_EVERY_S = 1 / 15  # of voiced sound: what is heard is a mean over a second


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
        self._voicing = voicing
        self._spectrum = VoiceSpectrum(rate_hz)
        self._spectrum_every = max(1, round(SPECTRUM_EVERY_S / frame_period_s))
        self._is_frame_short = frame_period_s < WINDOW_S
        self._measures = np.zeros(N_MEASURES)
        self._moves = np.zeros((len(channels), 3), np.float32)
        for i, name in enumerate(channels):
            bare = name.removesuffix("Left").removesuffix("Right")
            if bare in MOVES:
                group = next(amount for prefix, amount in GROUPS.items() if bare.startswith(prefix))
                self._moves[i] = np.array(MOVES[bare]) * settings.amount * getattr(settings, group)
        self._is_mouth = np.array([name.startswith(MOUTH_PREFIXES) for name in channels], np.float32)
        self._mouth_amount = settings.amount * settings.mouth
        self._head_amount = settings.amount * settings.head
        self._drives = np.zeros(3, np.float32)
        self._added = np.empty(len(channels), np.float32)
        self.effort = Effort(weights, frame_period_s)
        self.reset()

    def reset(self) -> None:
        """Forget the speaker; the gate resets the voicing."""
        self.effort.reset()
        self._spectrum.reset()
        self._n_voiced = 0

    def apply(self, frame: AUFrame, newest: Float32Array) -> None:
        """Move a face in place; its level, its state and the voicing are known already."""
        if not self._is_on:
            return
        self._hear(frame, newest)
        heard = self.effort
        if heard.effort + heard.subdued < 1e-3:
            return
        tense = min(heard.tension, heard.effort)
        self._drives[0], self._drives[1], self._drives[2] = heard.effort - tense, tense, heard.subdued
        change = self._mouth_amount * (MOUTH_EFFORT * heard.effort + MOUTH_SUBDUED * heard.subdued)
        np.multiply(self._is_mouth, np.float32(max(change, -1.0)), out=self._added)
        self._added += np.float32(1.0)
        frame.activations *= self._added
        np.matmul(self._moves, self._drives, out=self._added)
        frame.activations += self._added
        turns = self._head_amount * (HEAD_EFFORT * heard.effort + HEAD_SUBDUED * heard.subdued)
        frame.head_deg *= np.float32(max(0.0, 1.0 + turns))
        frame.head_deg[0] += self._head_amount * HEAD_DOWN_DEG * heard.subdued

    def _hear(self, frame: AUFrame, newest: Float32Array) -> None:
        """Follow the voice by one frame."""
        is_voiced = self._voicing.periodicity >= VOICED_PERIODICITY
        is_heard = is_voiced and frame.state is State.LIVE and not frame.is_over
        is_due = is_heard and self._n_voiced % self._spectrum_every == 0
        if self._is_frame_short and not is_due:  # the window of a later one reaches back into this frame
            self._spectrum.hear(newest)
        if not is_heard:
            self.effort.pause()
            return
        measures = self._measures
        if is_due:
            self._spectrum.measure(newest)
            measures[2 : 2 + len(SPECTRAL)] = self._spectrum.values
        self._n_voiced += 1
        measures[0] = self._voicing.pitch_semitones()
        measures[1] = frame.level_dbfs
        measures[-1] = self._voicing.periodicity
        self.effort.hear(measures)
