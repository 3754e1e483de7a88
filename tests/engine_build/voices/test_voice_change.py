"""Laws of a changed voice: pitch and resonances move as told, time does not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from engine_build.voices.voice_change import (
    KINDS_FROM_MALE,
    VoiceChange,
    analyse,
    draw_voice_change,
    resynthesise,
    warp_frequency,
)
from tests.requirements import need_module

RATE_HZ = 16000


@pytest.fixture(scope="module")
def vowels() -> NDArray[np.float32]:
    """Two stretches of a buzz at 120 Hz through resonances at 700 and 1200 Hz, 0.3 to 0.7 s and 1.0 to 1.5 s."""
    need_module("pyworld")
    from scipy.signal import lfilter

    buzz = np.zeros(2 * RATE_HZ)
    for first_s, last_s in ((0.3, 0.7), (1.0, 1.5)):
        buzz[int(first_s * RATE_HZ) : int(last_s * RATE_HZ) : RATE_HZ // 120] = 1.0
    for centre_hz in (700.0, 1200.0):
        radius = np.exp(-np.pi * 90.0 / RATE_HZ)
        buzz = lfilter([1.0], [1.0, -2 * radius * np.cos(2 * np.pi * centre_hz / RATE_HZ), radius**2], buzz)
    buzz += 1e-4 * np.random.default_rng(0).standard_normal(len(buzz))
    return (0.3 * buzz / np.abs(buzz).max()).astype(np.float32)


def loudness(wave: NDArray[np.float32]) -> NDArray[np.float64]:
    """Root mean square in steps of 10 ms."""
    return np.sqrt(np.mean(wave[: len(wave) // 160 * 160].astype(np.float64).reshape(-1, 160) ** 2, axis=1))


@pytest.mark.parametrize("f0_scale", [0.75, 1.0, 1.5, 2.2])
def test_pitch_is_multiplied(vowels: NDArray[np.float32], f0_scale: float) -> None:
    librosa = need_module("librosa")
    changed = resynthesise(analyse(vowels, RATE_HZ), VoiceChange(f0_scale=f0_scale))
    middle = changed[int(1.1 * RATE_HZ) : int(1.4 * RATE_HZ)]
    f0_hz = np.median(librosa.yin(middle, fmin=60, fmax=500, sr=RATE_HZ))
    assert f0_hz == pytest.approx(RATE_HZ / (RATE_HZ // 120) * f0_scale, rel=0.04)


def test_time_does_not_move(vowels: NDArray[np.float32]) -> None:
    parts = analyse(vowels, RATE_HZ)
    rng = np.random.default_rng(1)
    for kind in KINDS_FROM_MALE:
        changed = resynthesise(parts, draw_voice_change(kind, rng))
        assert len(changed) == len(vowels)
        assert np.abs(changed).max() <= 0.99 + 1e-6
        before, after = loudness(vowels), loudness(changed)
        lags = range(-6, 7)
        fit = [np.corrcoef(before[10:-10], np.roll(after, lag)[10:-10])[0, 1] for lag in lags]
        assert abs(lags[int(np.argmax(fit))]) <= 1  # 10 ms
        assert max(fit) > 0.8


@pytest.mark.parametrize("tract_scale", [0.8, 1.0, 1.25])
def test_resonances_are_multiplied(tract_scale: float) -> None:
    hertz = np.linspace(0, RATE_HZ / 2, 1025)
    envelope = np.exp(-(((hertz - 1500.0) / 200.0) ** 2))[None]
    warped = warp_frequency(envelope, RATE_HZ, tract_scale, (1.0, 1.0, 1.0))
    assert hertz[np.argmax(warped)] == pytest.approx(1500.0 * tract_scale, abs=10.0)


def test_silence_and_short_sound_pass() -> None:
    need_module("pyworld")
    for wave in (np.zeros(RATE_HZ, np.float32), np.full(800, 0.01, np.float32)):
        changed = resynthesise(analyse(wave, RATE_HZ), VoiceChange(f0_scale=1.5))
        assert changed.shape == wave.shape
        assert np.isfinite(changed).all()
