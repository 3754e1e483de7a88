"""The mel scale and its triangular filters.

Source: Slaney, "Auditory Toolbox", Apple Technical Report 45 (1993): linear below 1 kHz, logarithmic above, each
triangle scaled to unit area.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.frames import Float32Array

_HZ_PER_MEL = 200 / 3  # below the break
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27  # above it: 27 mels make a factor of 6.4


def hz_to_mel(hz: float) -> float:
    """Return the mel value of a frequency."""
    if hz < _BREAK_HZ:
        return hz / _HZ_PER_MEL
    return float(_BREAK_MEL + np.log(hz / _BREAK_HZ) / _LOG_STEP)


def mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the frequencies of mel values."""
    above = _BREAK_HZ * np.exp(_LOG_STEP * (np.maximum(mel, _BREAK_MEL) - _BREAK_MEL))
    return np.where(mel < _BREAK_MEL, mel * _HZ_PER_MEL, above)


def mel_filters(rate_hz: int, n_fft: int, n_mels: int, fmin_hz: float, fmax_hz: float) -> Float32Array:
    """Return the triangular filters.

    Args:
        rate_hz: Sample rate.
        n_fft: Length of the Fourier transform.
        n_mels: Filters.
        fmin_hz: Where the first triangle begins.
        fmax_hz: Where the last triangle ends.

    Returns:
        float32 [n_mels, n_fft // 2 + 1], weights for a power spectrum.
    """
    corners = mel_to_hz(np.linspace(hz_to_mel(fmin_hz), hz_to_mel(fmax_hz), n_mels + 2))
    bins = np.arange(n_fft // 2 + 1) * (rate_hz / n_fft)
    left, centre, right = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    rising = (bins - left) / (centre - left)
    falling = (right - bins) / (right - centre)
    triangles = np.maximum(0, np.minimum(rising, falling))
    return (triangles * (2 / (right - left))).astype(np.float32)
