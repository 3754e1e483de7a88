"""Let loudness and pitch move brows, eyes and cheeks: a rule, not a trained network, for want of honest data.

Both are taken relative to the speaker's own running average, so that neither a loud voice nor a high one is a mood.
Higher than usual raises the brows, louder than usual widens the eyes and lifts the cheeks, louder and lower draws the
brows down. All of it eases in and out within a few hundred milliseconds, and an even voice moves nothing.

Source: that brows rise with pitch: Cave et al., "About the relationship between eyebrow movements and F0 variations",
ICSLP 1996 (in 71 % of rises). The amounts below are a choice, to be seen and not to be noticed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edge.frames import AUFrame, Float32Array, State

LOWEST_PITCH_HZ, HIGHEST_PITCH_HZ = 70.0, 400.0  # of speaking voices
PITCH_RATE_HZ = 8000.0  # pitch needs no more; sound is averaged down to about this
VOICED_CORRELATION = 0.5  # normalised autocorrelation above which a sound has a pitch
AVERAGE_TIME_S = 6.0  # of speech, over which the speaker's averages are taken
SETTLE_TIME_S = 1.0  # of speech, before which nothing is moved: the averages are not known yet
EASE_IN_S, EASE_OUT_S = 0.12, 0.45
FULL_PITCH_SEMITONES = 5.0  # above the average: brows fully (as far as MOVES says) raised
FULL_LOUDNESS_DB = 8.0  # above the average

# channel -> (share of high pitch, share of loudness, share of loudness with low pitch), at amount 1
MOVES = {
    "browInnerUp": (0.35, 0.0, 0.0),
    "browOuterUpLeft": (0.25, 0.05, 0.0),
    "browOuterUpRight": (0.25, 0.05, 0.0),
    "browDownLeft": (0.0, 0.0, 0.3),
    "browDownRight": (0.0, 0.0, 0.3),
    "eyeWideLeft": (0.1, 0.1, 0.0),
    "eyeWideRight": (0.1, 0.1, 0.0),
    "eyeSquintLeft": (0.0, 0.0, 0.15),
    "eyeSquintRight": (0.0, 0.0, 0.15),
    "cheekSquintLeft": (0.0, 0.2, 0.0),
    "cheekSquintRight": (0.0, 0.2, 0.0),
}


class Prosody:
    """Add the voice's movements to a face.

    Args:
        amount: How much; 0 is off.
        rate_hz: Of the samples that `apply` is given.
        frame_period_s: Time between two frames.
        channels: Names in the frame's order; those of MOVES that are missing are left out.
    """

    def __init__(self, amount: float, rate_hz: int, frame_period_s: float, channels: Sequence[str]) -> None:
        self._amount = np.float32(amount)
        self._period_s = frame_period_s
        self._pitch = PitchTracker(rate_hz)
        self._moves = np.zeros((len(channels), 3), np.float32)
        for i, name in enumerate(channels):
            self._moves[i] = MOVES.get(name, (0.0, 0.0, 0.0))
        self._added = np.empty(len(channels), np.float32)
        self._drive = np.empty(3, np.float32)
        self.reset()

    def reset(self) -> None:
        """Forget the speaker."""
        self._speech_s = 0.0
        self._mean_level_db = 0.0
        self._mean_pitch_semitones = 0.0
        self._voiced_s = 0.0
        self._drive[:] = 0.0
        self._pitch.reset()

    def apply(self, frame: AUFrame, newest: Float32Array) -> None:
        """Add to a frame's brows, eyes and cheeks, in place; the frame's level and state are known already."""
        if self._amount == 0.0:
            return
        self.update(newest, frame.level_dbfs, frame.state is State.LIVE)
        np.matmul(self._moves, self._drive, out=self._added)
        np.multiply(self._added, self._amount, out=self._added)
        np.add(frame.activations, self._added, out=frame.activations)
        np.minimum(frame.activations, np.float32(1.0), out=frame.activations)

    def update(self, newest: Float32Array, level_dbfs: float, is_speech: bool) -> None:
        """Follow the voice by one frame.

        Args:
            newest: Samples since the frame before, float32 [n].
            level_dbfs: Their level.
            is_speech: Whether anybody speaks; the averages wait where not.
        """
        pitch_hz = self._pitch.follow(newest)
        high = loud = 0.0
        if is_speech:
            self._speech_s += self._period_s
            keep = self._keep(self._speech_s)
            self._mean_level_db = keep * self._mean_level_db + (1 - keep) * level_dbfs
            loud = (level_dbfs - self._mean_level_db) / FULL_LOUDNESS_DB
            if pitch_hz > 0.0:
                semitones = 12.0 * math.log2(pitch_hz)
                self._voiced_s += self._period_s
                keep = self._keep(self._voiced_s)
                self._mean_pitch_semitones = keep * self._mean_pitch_semitones + (1 - keep) * semitones
                high = (semitones - self._mean_pitch_semitones) / FULL_PITCH_SEMITONES
        known = min(self._speech_s, self._voiced_s * 2.0) >= SETTLE_TIME_S
        high, loud = (min(1.0, max(-1.0, high)), min(1.0, max(0.0, loud))) if known else (0.0, 0.0)
        self._ease(0, max(0.0, high))
        self._ease(1, loud)
        self._ease(2, loud * max(0.0, -high))

    @property
    def drive(self) -> Float32Array:
        """Return how high, how loud, and how loud and low the voice is now, each in [0, 1]; overwritten."""
        return self._drive

    def _keep(self, known_s: float) -> float:
        """Return the share of the old average: a plain mean at first, then a running one."""
        return 1.0 - self._period_s / min(max(known_s, self._period_s), AVERAGE_TIME_S)

    def _ease(self, index: int, wanted: float) -> None:
        now = float(self._drive[index])
        time_s = EASE_IN_S if wanted > now else EASE_OUT_S
        self._drive[index] = now + (wanted - now) * (1.0 - math.exp(-self._period_s / time_s))


class PitchTracker:
    """Find the pitch of the newest 60 ms by normalised autocorrelation.

    Args:
        rate_hz: Of the samples.
    """

    def __init__(self, rate_hz: int) -> None:
        self._step = max(1, round(rate_hz / PITCH_RATE_HZ))
        self._rate_hz = rate_hz / self._step
        self._shortest = int(self._rate_hz / HIGHEST_PITCH_HZ)
        longest = int(self._rate_hz / LOWEST_PITCH_HZ) + 1
        self._n_compared = int(0.03 * self._rate_hz)
        self._past = np.zeros(self._n_compared + longest, np.float32)
        self._products = np.empty(longest - self._shortest + 1, np.float32)
        self._energies = np.empty_like(self._products)
        self._squares = np.empty_like(self._past)
        self._sums = np.empty(len(self._past) + 1, np.float64)
        self._energies_to = np.empty(len(self._products))
        self._energies_from = np.empty(len(self._products))
        self._starts = len(self._past) - self._n_compared - self._shortest - np.arange(len(self._products))
        self._ends = self._starts + self._n_compared
        self._mean_weights = np.full(self._step, 1.0 / self._step, np.float32)

    def reset(self) -> None:
        """Forget the past."""
        self._past[:] = 0.0

    def follow(self, newest: Float32Array) -> float:
        """Take in samples and return the pitch in Hz, or 0 where there is none."""
        n = min(len(newest) // self._step, len(self._past))
        if n == 0:
            return 0.0
        kept = newest[len(newest) - n * self._step :].reshape(n, self._step)
        self._past[:-n] = self._past[n:]
        np.matmul(kept, self._mean_weights, out=self._past[len(self._past) - n :])
        now = self._past[-self._n_compared :]
        energy = float(np.dot(now, now))
        if energy < 1e-6 * self._n_compared:  # -60 dBFS: whatever correlates there is not a voice
            return 0.0
        # one value per lag, the longest first; a quarter of the time of a product with overlapping rows
        self._products[:] = np.correlate(self._past[: -self._shortest], now)[::-1]
        np.square(self._past, out=self._squares)
        self._sums[0] = 0.0
        np.cumsum(self._squares, out=self._sums[1:])
        np.take(self._sums, self._ends, out=self._energies_to)
        np.take(self._sums, self._starts, out=self._energies_from)
        np.subtract(self._energies_to, self._energies_from, out=self._energies, casting="same_kind")
        np.maximum(self._energies, np.float32(1e-9), out=self._energies)
        np.sqrt(self._energies, out=self._energies)
        np.divide(self._products, self._energies, out=self._products)
        largest = float(self._products.max())
        if largest / math.sqrt(energy) < VOICED_CORRELATION:
            return 0.0
        # the shortest lag that is nearly as good: longer ones are multiples of the period
        lag = int(np.argmax(self._products > 0.9 * largest))
        while lag + 1 < len(self._products) and self._products[lag + 1] > self._products[lag]:
            lag += 1
        return self._rate_hz / (self._shortest + lag)
