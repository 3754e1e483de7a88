"""Vocal effort and tension, as they are heard: how much more, or less, a voice does than it usually does.

Per frame, of the past alone and relative to the speaker: pitch, level and the brightness of the spectrum are compared
with the speaker's own averages, which begin at those of many speakers. A weighted sum of the differences is effort;
other weights give tension. A voice that is below its usual self is subdued. What a voice says is that and no more:
what moves somebody cannot be heard from these, and is not guessed.

Averages hardly move while effort is high, so that somebody who shouts for minutes is not taken for somebody who speaks.
A pause holds what was heard last, then lets it fade.

Source: the weights' file (`python -m engine_build effort`); times and scales are measured in docs/postprocessing.md.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edge.postprocess.effort_weights import N_MEASURES, EffortWeights

VOICED_PERIODICITY = 0.5  # a sound that is less so has no pitch, and its spectrum is that of a consonant
AVERAGE_S = 60.0  # of voiced sound, over which the speaker is known
PRIOR_S = 2.0  # of voiced sound, that the averages of many speakers are worth
LEVEL_PRIOR_S = 0.3  # a level has no average of many speakers: it is the microphone's
LEARNING_LEFT = 0.05  # share of the averages' speed that is left at full effort
LONGEST_Z = 3.0  # an octave jump of the pitch, a door: not more than three deviations
WINDOW_S = 0.5  # time constant over voiced sound: about a second is heard
FADE_IN_S = 2.0  # of voiced sound, until which the speaker is not known well enough to show all
RISE_S, FALL_S = 0.25, 0.8
HOLD_S, FADE_S = 0.5, 3.0  # in a pause
PITCH, LEVEL, PERIODICITY = 0, 1, 6  # in the order of MEASURES


class Effort:
    """Follow one speaker.

    Args:
        weights: What each measure counts for.
        frame_period_s: Time between two frames.
    """

    def __init__(self, weights: EffortWeights, frame_period_s: float) -> None:
        self._weights = weights
        self._period_s = frame_period_s
        self._deviation = np.array(weights.deviation)
        self._sums = np.array([weights.effort, weights.tension])
        self._window_share = 1.0 - math.exp(-frame_period_s / WINDOW_S)
        self._mean = np.empty(N_MEASURES)
        self._difference = np.empty(N_MEASURES)
        self._learning = np.empty(N_MEASURES)
        self._prior_s = np.full(N_MEASURES, PRIOR_S)
        self._prior_s[LEVEL] = LEVEL_PRIOR_S
        self.now = np.empty(N_MEASURES)  # z-scores over the window
        self._drives = np.empty(2)
        self.reset()

    def reset(self) -> None:
        """Forget the speaker."""
        self._mean[:] = self._weights.mean
        self._mean[LEVEL] = math.nan
        self.now[:] = 0.0
        self._voiced_s = self._pause_s = 0.0
        self.effort = self.tension = self.subdued = 0.0

    def hear(self, measures: NDArray[np.float64]) -> None:
        """Take in a voiced frame.

        Args:
            measures: float64 [7], in the order of MEASURES.
        """
        self._pause_s = 0.0
        if self._voiced_s == 0.0:
            self._mean[LEVEL] = measures[LEVEL]
        self._voiced_s += self._period_s
        np.subtract(measures, self._mean, out=self._difference)
        # A mean that counts each frame alike at first, with the prior as so many frames before it; later a running one.
        np.add(self._prior_s, self._voiced_s, out=self._learning)
        np.minimum(self._learning, AVERAGE_S, out=self._learning)
        speed = self._period_s * (1.0 - (1.0 - LEARNING_LEFT) * self.effort)
        np.divide(speed, self._learning, out=self._learning)
        self._learning *= self._difference
        self._mean += self._learning
        self._difference /= self._deviation
        np.minimum(self._difference, LONGEST_Z, out=self._difference)
        np.maximum(self._difference, -LONGEST_Z, out=self._difference)
        self._difference -= self.now
        self._difference *= max(self._window_share, self._period_s / self._voiced_s)
        self.now += self._difference
        np.matmul(self._sums, self.now, out=self._drives)
        effort, tension = self._drives.tolist()
        known = min(1.0, self._voiced_s / FADE_IN_S)
        weights = self._weights
        wanted = known * _unit((effort - weights.neutral_to) / weights.full)
        self.effort = self._eased(self.effort, wanted)
        self.tension = self._eased(self.tension, wanted * _unit((tension - weights.tense_from) / weights.tense_full))
        self.subdued = self._eased(self.subdued, known * _unit((weights.neutral_from - effort) / weights.full_subdued))

    def pause(self) -> None:
        """Take in a frame without a voice: hold, then fade."""
        self._pause_s += self._period_s
        if self._pause_s > HOLD_S:
            left = math.exp(-3.0 * self._period_s / FADE_S)  # within FADE_S to a twentieth
            self.effort, self.tension, self.subdued = self.effort * left, self.tension * left, self.subdued * left

    def _eased(self, value: float, wanted: float) -> float:
        time_s = RISE_S if wanted > value else FALL_S
        return value + (wanted - value) * (1.0 - math.exp(-self._period_s / time_s))


def _unit(value: float) -> float:
    return min(1.0, max(0.0, value))
