"""Vocal effort and tension, as they are heard: how much more, or less, a voice does than it usually does.

Per frame, of the past alone and relative to the speaker: pitch, level and the brightness of the spectrum are compared
with the speaker's own averages, which begin at those of many speakers. A weighted sum of the differences is effort;
other weights give tension. Two parts of effort are kept apart as well, how high and how loud a voice is, since a sum
hides which of them rose. A voice that is below its usual self is subdued. What a voice says is that and no more: what
moves somebody cannot be heard from these, and is not guessed.

Averages hardly move while a voice is raised or high, so that somebody who shouts for minutes is not taken for somebody
who speaks. A voice that is louder alone does not hold them: it may be no more than a microphone that came nearer.
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
PITCH_PRIOR_S = 0.8  # speakers differ in it by more than any of them varies
LEVEL_PRIOR_S = 0.3  # a level has no average of many speakers: it is the microphone's
LEARNING_LEFT = 0.05  # share of the averages' speed that is left where a voice is wholly raised or high
LONGEST_Z = 3.0  # an octave jump of the pitch, a door: not more than three deviations
WINDOW_S = 0.3  # time constant over voiced sound: a word or two
FADE_IN_S = 2.0  # of voiced sound, until which the speaker is not known well enough to show all
RISE_S, FALL_S = 0.12, 0.3
HOLD_S, FADE_S = 0.5, 3.0  # in a pause
PITCH, LEVEL, PERIODICITY = 0, 1, 6  # in the order of MEASURES
DRIVES = ("effort", "tension", "high", "loud", "subdued")
EFFORT, TENSION, HIGH, LOUD, SUBDUED = range(len(DRIVES))


class Effort:
    """Follow one speaker.

    Args:
        weights: What each measure counts for.
        frame_period_s: Time between two frames.

    Attributes:
        drives: float64 [5], in the order of DRIVES, each in [0, 1].
        now: float64 [7], how far each measure is from the speaker's average, in deviations, over the window.
    """

    def __init__(self, weights: EffortWeights, frame_period_s: float) -> None:
        self._weights = weights
        self._period_s = frame_period_s
        self._deviation = np.array(weights.deviation)
        self._sums = np.zeros((len(DRIVES), N_MEASURES))
        self._sums[EFFORT], self._sums[TENSION] = weights.effort, weights.tension
        self._sums[HIGH, PITCH] = self._sums[LOUD, LEVEL] = 1.0
        self._sums[SUBDUED] = -self._sums[EFFORT]
        w = weights
        self._from = np.array([w.neutral_to, w.tense_from, w.high_from, w.loud_from, -w.neutral_from])
        self._full = np.array([w.full, w.tense_full, w.high_full, w.loud_full, w.full_subdued])
        self._window_share, self._rise, self._fall = (
            1.0 - math.exp(-frame_period_s / time_s) for time_s in (WINDOW_S, RISE_S, FALL_S)
        )
        self._fade = math.exp(-3.0 * frame_period_s / FADE_S)  # within FADE_S to a twentieth
        self._mean = np.empty(N_MEASURES)
        self._difference = np.empty(N_MEASURES)
        self._learning = np.empty(N_MEASURES)
        self._prior_s = np.full(N_MEASURES, PRIOR_S)
        self._prior_s[PITCH], self._prior_s[LEVEL] = PITCH_PRIOR_S, LEVEL_PRIOR_S
        self.now = np.empty(N_MEASURES)
        self.drives = np.empty(len(DRIVES))
        self._step = np.empty(len(DRIVES))
        self._share = np.empty(len(DRIVES))
        self._is_rising = np.empty(len(DRIVES), np.bool_)
        self.reset()

    def reset(self) -> None:
        """Forget the speaker."""
        self._mean[:] = self._weights.mean
        self._mean[LEVEL] = math.nan
        self.now[:] = 0.0
        self.drives[:] = 0.0
        self._voiced_s = self._pause_s = 0.0

    @property
    def effort(self) -> float:
        """Return how much more the voice does than usually, 0 to 1."""
        return float(self.drives[EFFORT])

    @property
    def tension(self) -> float:
        """Return how pressed it is beyond what its pitch asks for, 0 to 1."""
        return float(self.drives[TENSION])

    @property
    def subdued(self) -> float:
        """Return how much less it does than usually, 0 to 1."""
        return float(self.drives[SUBDUED])

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
        unusual = max(float(self.drives[EFFORT]), float(self.drives[HIGH]))
        speed = self._period_s * (1.0 - (1.0 - LEARNING_LEFT) * unusual)
        np.divide(speed, self._learning, out=self._learning)
        self._learning *= self._difference
        self._mean += self._learning
        self._difference /= self._deviation
        np.minimum(self._difference, LONGEST_Z, out=self._difference)
        np.maximum(self._difference, -LONGEST_Z, out=self._difference)
        self._difference -= self.now
        self._difference *= max(self._window_share, self._period_s / self._voiced_s)
        self.now += self._difference
        self._follow(min(1.0, self._voiced_s / FADE_IN_S))

    def pause(self) -> None:
        """Take in a frame without a voice: hold, then fade."""
        self._pause_s += self._period_s
        if self._pause_s > HOLD_S:
            self.drives *= self._fade

    def _follow(self, known: float) -> None:
        """Ease the drives towards what is heard now.

        Args:
            known: How well the speaker is known, 0 to 1.
        """
        step = self._step
        np.matmul(self._sums, self.now, out=step)
        step -= self._from
        step /= self._full
        np.minimum(step, 1.0, out=step)
        np.maximum(step, 0.0, out=step)
        step *= known
        step -= self.drives
        np.greater(step, 0.0, out=self._is_rising)
        self._share[:] = self._fall
        np.copyto(self._share, self._rise, where=self._is_rising)
        step *= self._share
        self.drives += step
