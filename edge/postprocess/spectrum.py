"""How bright a voice is: four measures of the newest 33 ms that rise with vocal effort, and none with the gain.

A voice that is raised closes its folds faster: the spectrum falls less steeply. The measures are ratios of bands, so
that neither the microphone's gain nor the network's own features (each network has others) change what they mean.

Source: alpha ratio, Hammarberg index and slope as in eGeMAPS, Eyben et al., IEEE Trans. Affective Computing 7(2), 2016;
the index here is by its sign the higher the more effort.
"""

from __future__ import annotations

import inspect
import math

import numpy as np

from edge.frames import Float32Array

SPECTRUM_RATE_HZ = 22_050.0  # means of samples at about this rate: what folds back lies above speech
WINDOW_S = 0.0327  # 720 samples at 22050 Hz: nearly a whole frame, and quick to transform
LOWEST_HZ, HIGHEST_HZ = 60.0, 5000.0
LOW_TO_HZ, MIDDLE_FROM_HZ, HIGH_FROM_HZ, PEAK_FROM_HZ = 500.0, 1500.0, 1000.0, 2000.0
QUIETEST_POWER = 1e-12
MEASURES = ("alpha_db", "hammarberg_db", "slope_db", "centroid_octaves")
_HAS_OUT = "out" in inspect.signature(np.fft.rfft).parameters  # since numpy 2.0, with a float32 transform


class VoiceSpectrum:
    """Measure the newest sound.

    Args:
        rate_hz: Of the samples.
    """

    def __init__(self, rate_hz: int) -> None:
        self._step = max(1, round(rate_hz / SPECTRUM_RATE_HZ))
        slow_rate_hz = rate_hz / self._step
        n = round(WINDOW_S * slow_rate_hz / 8) * 8
        self._mean_weights = np.full(self._step, 1.0 / self._step, np.float32)
        self._slow = np.zeros(n, np.float32)
        self._hann = np.hanning(n + 1)[:-1].astype(np.float32)
        self._windowed = np.empty(n, np.float32)
        self._spectrum = np.empty(n // 2 + 1, np.complex64)
        at_hz = np.arange(n // 2 + 1) * slow_rate_hz / n
        self._first, self._end = (int(np.searchsorted(at_hz, hz)) for hz in (LOWEST_HZ, HIGHEST_HZ))
        at_hz = at_hz[self._first : self._end]
        self._power = np.empty(len(at_hz), np.float32)
        self._square = np.empty_like(self._power)
        bands = (
            at_hz < HIGH_FROM_HZ, at_hz >= HIGH_FROM_HZ, at_hz < LOW_TO_HZ,
            (at_hz >= LOW_TO_HZ) & (at_hz < MIDDLE_FROM_HZ), at_hz, np.ones(len(at_hz)),
        )  # fmt: skip
        self._bands = np.array(bands, np.float32)
        self._sums = np.empty(len(bands), np.float32)
        self._peaks_at = int(np.searchsorted(at_hz, PEAK_FROM_HZ))
        self.values = np.zeros(len(MEASURES))

    def reset(self) -> None:
        """Forget the past."""
        self._slow[:] = 0.0

    def hear(self, samples: Float32Array) -> None:
        """Take in sound.

        Args:
            samples: float32 [n], what came since the call before; of more than 33 ms, the newest.
        """
        n = min(len(samples) // self._step, len(self._slow))
        if n == 0:
            return
        if n < len(self._slow):
            self._slow[:-n] = self._slow[n:]
        kept = samples[len(samples) - n * self._step :].reshape(n, self._step)
        np.matmul(kept, self._mean_weights, out=self._slow[len(self._slow) - n :])

    def measure(self, samples: Float32Array) -> None:
        """Take in sound and write `values` [4], in the order of MEASURES: three ratios in dB, the centroid in octaves.

        Args:
            samples: As `hear` takes them.
        """
        self.hear(samples)
        np.multiply(self._slow, self._hann, out=self._windowed)
        if _HAS_OUT:
            np.fft.rfft(self._windowed, out=self._spectrum)  # type: ignore[arg-type,unused-ignore]
        else:
            self._spectrum[:] = np.fft.rfft(self._windowed)
        bins = self._spectrum[self._first : self._end]
        np.square(bins.real, out=self._power)
        np.square(bins.imag, out=self._square)
        np.add(self._power, self._square, out=self._power)
        np.matmul(self._bands, self._power, out=self._sums)
        below_1000, above_1000, below_500, above_500, moment, whole = self._sums.tolist()
        low_peak, high_peak = float(self._power[: self._peaks_at].max()), float(self._power[self._peaks_at :].max())
        values = self.values
        values[0] = ratio_db(above_1000, below_1000)
        values[1] = ratio_db(high_peak, low_peak)
        values[2] = ratio_db(above_500, below_500)
        values[3] = math.log2(max(moment, QUIETEST_POWER) / max(whole, QUIETEST_POWER))


def ratio_db(above: float, below: float) -> float:
    """Return a ratio of powers in dB; of two that are nothing, 0."""
    return 10.0 * math.log10(max(above, QUIETEST_POWER) / max(below, QUIETEST_POWER))
