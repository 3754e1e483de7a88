"""How loud a stretch of sound is in the band of voices, and how much it sounds like a voice.

The level leaves out what lies below voices, so that neither rumble nor a knock at the microphone counts as sound. The
voicing is the largest normalised autocorrelation at the periods of voices: near 1 in a vowel, near 0.2 in breath,
hiss, wind and fans, however loud they are. Neither filters with memory, so nothing rings after a gap: what is kept of
the past is sound, so that both hear alike at any frame rate.
"""

from __future__ import annotations

import math

import numpy as np

from edge.frames import Float32Array

LEVEL_FLOOR_DBFS = -120.0  # of digital silence, so that no logarithm of zero is taken
BAND_RATE_HZ = 11_025.0  # means of samples at about this rate: what lies above 5 kHz hardly counts
# Blocks of 1/150 s lose a cubic: -49 dB at 50 Hz, -20 dB at 120 Hz, -7 dB at 200 Hz, -1 dB at 300 Hz.
BLOCK_HZ = 150.0
POLYNOMIAL_DEGREE = 3
LEVEL_S = 1 / 30  # of sound that a level is taken over at least: a shorter frame's sound alone swings with the pitch
TAIL_S = 0.0135  # the end of a stretch: two blocks; a click is over by then, the beginning of a word is not

VOICING_RATE_HZ = 5500.0  # enough for the harmonics that make a voice periodic
LOWEST_PITCH_HZ, HIGHEST_PITCH_HZ = 75.0, 400.0  # a higher voice is found at two of its periods
HIGHEST_FOUND_PITCH_HZ = 550.0  # of a loud voice; the gate does not look there, where the first formant is periodic too
COMPARED_S = 0.028  # two periods of a low voice
OCTAVE_GUARD = 0.85  # of the best likeness: the shortest lag that reaches it is the period, longer ones its multiples
QUIETEST_ENERGY = 1e-10  # mean square, -100 dBFS: what correlates there is the rounding of a file


def level_dbfs(samples: Float32Array) -> float:
    """Return the RMS level.

    Args:
        samples: float32 [n], full scale = 1.0.

    Returns:
        dB relative to a full-scale square wave (a full-scale sine has -3 dB); at least LEVEL_FLOOR_DBFS.
    """
    if len(samples) == 0:
        return LEVEL_FLOOR_DBFS
    mean_square = float(np.dot(samples, samples)) / len(samples)
    return max(LEVEL_FLOOR_DBFS, 10.0 * math.log10(mean_square)) if mean_square > 0 else LEVEL_FLOOR_DBFS


class VoiceLevel:
    """Measure the level between about 250 Hz and 5 kHz.

    Args:
        rate_hz: Of the samples.
        longest_s: Of a stretch that is measured whole; of a longer one, the newest part. A stretch below LEVEL_S is
            measured with what came before it.
    """

    def __init__(self, rate_hz: int, longest_s: float) -> None:
        self._step = max(1, round(rate_hz / BAND_RATE_HZ))
        slow_rate_hz = rate_hz / self._step
        self._n_in_block = max(POLYNOMIAL_DEGREE + 2, round(slow_rate_hz / BLOCK_HZ))
        self._n_tail_blocks = max(1, round(TAIL_S * slow_rate_hz / self._n_in_block))
        n_blocks = math.ceil(max(longest_s, LEVEL_S) * slow_rate_hz / self._n_in_block)
        self._past = np.zeros(round(LEVEL_S * rate_hz), np.float32)
        self._slow = np.empty(n_blocks * self._n_in_block, np.float32)
        self._slope = np.empty_like(self._slow)
        self._parts = np.empty((n_blocks, POLYNOMIAL_DEGREE + 1), np.float32)
        self._mean_weights = np.full(self._step, 1.0 / self._step, np.float32)
        axis = np.linspace(-1.0, 1.0, self._n_in_block)
        powers = np.stack([axis**degree for degree in range(POLYNOMIAL_DEGREE + 1)], axis=1)
        self._polynomials = np.linalg.qr(powers)[0].astype(np.float32)
        self._polynomials_back = np.ascontiguousarray(self._polynomials.T)
        self.tail_dbfs = LEVEL_FLOOR_DBFS

    def reset(self) -> None:
        """Forget the past."""
        self._past[:] = 0.0
        self.tail_dbfs = LEVEL_FLOOR_DBFS

    def of(self, samples: Float32Array) -> float:
        """Return the level, and keep that of the end in `tail_dbfs`.

        Args:
            samples: float32 [n], full scale = 1.0, what came since the call before.

        Returns:
            dB relative to a full-scale square wave; at least LEVEL_FLOOR_DBFS.
        """
        if 0 < len(samples) < len(self._past):
            self._past[: -len(samples)] = self._past[len(samples) :]
            self._past[len(self._past) - len(samples) :] = samples
            samples = self._past
        n_blocks = min(len(samples) // (self._step * self._n_in_block), len(self._parts))
        n = n_blocks * self._n_in_block
        if n == 0:
            self.tail_dbfs = LEVEL_FLOOR_DBFS
            return LEVEL_FLOOR_DBFS
        slow, slope, parts = self._slow[:n], self._slope[:n], self._parts[:n_blocks]
        np.matmul(samples[len(samples) - n * self._step :].reshape(n, self._step), self._mean_weights, out=slow)
        blocks = slow.reshape(n_blocks, self._n_in_block)
        np.matmul(blocks, self._polynomials, out=parts)
        np.matmul(parts, self._polynomials_back, out=slope.reshape(n_blocks, self._n_in_block))
        np.subtract(slow, slope, out=slow)
        self.tail_dbfs = level_dbfs(slow[-self._n_tail_blocks * self._n_in_block :])
        return level_dbfs(slow)


class Voicing:
    """Tell voices from other sound, whatever their level, and how high they are: one analysis for gate and effort.

    Args:
        rate_hz: Of the samples.
    """

    def __init__(self, rate_hz: int) -> None:
        self._step = max(1, round(rate_hz / VOICING_RATE_HZ))
        self._rate_hz = rate_hz / self._step
        shortest = int(self._rate_hz / HIGHEST_PITCH_HZ)
        self._shortest = int(self._rate_hz / HIGHEST_FOUND_PITCH_HZ)
        n_lags = int(self._rate_hz / LOWEST_PITCH_HZ) + 2 - self._shortest
        self._n_compared = int(COMPARED_S * self._rate_hz)
        n = self._n_compared + self._shortest + n_lags - 1
        self._past = np.zeros(n + 1, np.float32)
        self._steps = np.empty(n, np.float32)
        self._squares = np.empty(n, np.float32)
        self._sums = np.zeros(n + 1)
        self._energies, self._energies_before = np.empty(n_lags), np.empty(n_lags)
        self._likeness = np.zeros(n_lags)  # by lag, the longest first
        self._by_lag = self._likeness[::-1]
        self._of_gate = self._likeness[: n_lags - (shortest - self._shortest)]
        self._is_near = np.empty(n_lags, np.bool_)
        self._mean_weights = np.full(self._step, 1.0 / self._step, np.float32)
        # Views are made here and not per frame: each costs more than the arithmetic on it.
        self._later, self._earlier = self._past[1:], self._past[:-1]
        self._now, self._before = self._steps[-self._n_compared :], self._steps[: -self._shortest]
        self._running = self._sums[1:]
        self._sums_to, self._sums_from = self._sums[self._n_compared :][:n_lags], self._sums[:n_lags]
        self.periodicity = 0.0

    def reset(self) -> None:
        """Forget the past."""
        self._past[:] = 0.0
        self.periodicity = 0.0

    def of(self, samples: Float32Array) -> float:
        """Take in samples and return how periodic the newest 40 ms are: at most 1, 0 in silence.

        Args:
            samples: float32 [n], what came since the call before.
        """
        n = min(len(samples) // self._step, len(self._past))
        if n > 0:
            self._past[:-n] = self._past[n:]
            kept = samples[len(samples) - n * self._step :].reshape(n, self._step)
            np.matmul(kept, self._mean_weights, out=self._past[len(self._past) - n :])
        self.periodicity = self._compared()
        return self.periodicity

    def pitch_hz(self) -> float:
        """Return the pitch of what `of` heard last, Hz; of a sound that is not periodic it means nothing."""
        if self.periodicity <= 0.0:
            return 0.0
        likeness = self._by_lag
        np.greater(likeness, OCTAVE_GUARD * likeness.max(), out=self._is_near)
        i, last = int(self._is_near.argmax()), len(likeness) - 1
        while i < last and likeness[i + 1] > likeness[i]:
            i += 1
        lag = float(self._shortest + i)
        if 0 < i < last:  # the top of the parabola through the three likest lags
            before, at, after = float(likeness[i - 1]), float(likeness[i]), float(likeness[i + 1])
            bend = before - 2.0 * at + after
            lag += 0.5 * (before - after) / bend if bend < 0.0 else 0.0
        return self._rate_hz / lag

    def pitch_semitones(self) -> float:
        """Return the same in semitones above 1 Hz; 0 where there is no sound."""
        pitch_hz = self.pitch_hz()
        return 12.0 * math.log2(pitch_hz) if pitch_hz > 1.0 else 0.0

    def _compared(self) -> float:
        """Compare the newest sound with the sound of every lag before it; the likeness is kept."""
        # Differences lift the harmonics of a voice against rumble.
        np.subtract(self._later, self._earlier, out=self._steps)
        energy = float(np.dot(self._now, self._now))
        if not energy > QUIETEST_ENERGY * self._n_compared:
            return 0.0
        np.square(self._steps, out=self._squares)
        np.add.accumulate(self._squares, dtype=np.float64, out=self._running)
        np.subtract(self._sums_to, self._sums_from, out=self._energies)
        np.maximum(self._energies, QUIETEST_ENERGY, out=self._energies)
        np.sqrt(self._energies, out=self._energies)
        self._likeness[:] = np.correlate(self._before, self._now)
        np.divide(self._likeness, self._energies, out=self._likeness)
        return min(1.0, max(0.0, float(np.maximum.reduce(self._of_gate)) / math.sqrt(energy)))
