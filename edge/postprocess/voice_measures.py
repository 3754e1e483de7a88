"""What is measured of a voice in one frame: pitch, level, brightness, periodicity, in the order of MEASURES.

Pitch and periodicity are those that the silence gate found; the spectrum is the one thing that is computed for effort
alone, and not anew in every frame, since what is heard is a mean over many.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.frames import AUFrame, Float32Array, State
from edge.postprocess.effort import LEVEL, PERIODICITY, PITCH, VOICED_PERIODICITY
from edge.postprocess.effort_weights import N_MEASURES
from edge.postprocess.spectrum import MEASURES as SPECTRAL
from edge.postprocess.spectrum import WINDOW_S, VoiceSpectrum
from edge.postprocess.voice import Voicing

SPECTRUM_EVERY_S = 1 / 15  # of voiced sound


class VoiceMeasures:
    """Measure the voice of each frame.

    Args:
        voicing: Shared with the silence gate, which lets it hear each frame first.
        rate_hz: Of the samples that `hear` is given.
        frame_period_s: Time between two frames.
    """

    def __init__(self, voicing: Voicing, rate_hz: int, frame_period_s: float) -> None:
        self._voicing = voicing
        self._spectrum = VoiceSpectrum(rate_hz)
        self._every = max(1, round(SPECTRUM_EVERY_S / frame_period_s))
        self._is_frame_short = frame_period_s < WINDOW_S
        self._values = np.zeros(N_MEASURES)
        self._n_voiced = 0

    def reset(self) -> None:
        """Forget the past; the gate resets the voicing."""
        self._spectrum.reset()
        self._n_voiced = 0

    def hear(self, frame: AUFrame, newest: Float32Array) -> NDArray[np.float64] | None:
        """Take in a frame's sound.

        Args:
            frame: Its level and state are known already.
            newest: float32 [n], the samples since the frame before.

        Returns:
            float64 [7], overwritten by the next call; None where no voice is heard.
        """
        is_voiced = self._voicing.periodicity >= VOICED_PERIODICITY
        is_heard = is_voiced and frame.state is State.LIVE and not frame.is_over
        is_due = is_heard and self._n_voiced % self._every == 0
        if self._is_frame_short and not is_due:  # the window of a later one reaches back into this frame
            self._spectrum.hear(newest)
        if not is_heard:
            return None
        values = self._values
        if is_due:
            self._spectrum.measure(newest)
            values[LEVEL + 1 : LEVEL + 1 + len(SPECTRAL)] = self._spectrum.values
        self._n_voiced += 1
        values[PITCH] = self._voicing.pitch_semitones()
        values[LEVEL] = frame.level_dbfs
        values[PERIODICITY] = self._voicing.periodicity
        return values
