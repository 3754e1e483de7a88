"""Sounds that are speech or not, made for tests."""

from __future__ import annotations

import numpy as np

RATE_HZ = 44_100
PERIOD_SAMPLES = 1470
PERIOD_S = PERIOD_SAMPLES / RATE_HZ
PITCH_HZ = 120.0  # four periods a frame: frames made one by one join without a seam


def at_level(sound: np.ndarray, level: float) -> np.ndarray:
    """Return a sound scaled to a level in dBFS, float32."""
    return (sound / np.sqrt(np.mean(sound**2)) * 10 ** (level / 20)).astype(np.float32)


def band_noise(
    level: float, n: int = PERIOD_SAMPLES, seed: int = 0, band_hz: tuple[float, float] = (600, 2000)
) -> np.ndarray:
    """Return noise in a band; by default in the middle of the voices', so that nearly all of its level counts."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(n))
    frequencies = np.fft.rfftfreq(n, 1 / RATE_HZ)
    spectrum[(frequencies < band_hz[0]) | (frequencies > band_hz[1])] = 0
    return at_level(np.fft.irfft(spectrum, n), level)


def vowel(level: float, pitch_hz: float = PITCH_HZ, n: int = PERIOD_SAMPLES, rate_hz: int = RATE_HZ) -> np.ndarray:
    """Return a voice: harmonics from 300 to 3000 Hz that fall by 6 dB an octave."""
    at_s = np.arange(n) / rate_hz
    wave = np.zeros(n)
    for k in range(int(300 / pitch_hz) + 1, int(3000 / pitch_hz) + 1):
        wave += np.cos(2 * np.pi * k * pitch_hz * at_s + k * k) / k
    return at_level(wave, level)
