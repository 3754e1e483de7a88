"""Level and voicing: rumble does not count, a voice is told from a noise of any level."""

from __future__ import annotations

import numpy as np
import pytest

from edge.postprocess.speech import OPENING_VOICING
from edge.postprocess.voice import VoiceLevel, Voicing, level_dbfs
from tests.edge.postprocess.sounds import PERIOD_SAMPLES, RATE_HZ, band_noise, vowel


@pytest.mark.parametrize("level", [-60.0, -20.0, -6.0])
def test_level_is_the_root_mean_square(level: float) -> None:
    assert level_dbfs(band_noise(level)) == pytest.approx(level, abs=0.01)


def test_a_full_scale_sine_has_minus_three_decibels() -> None:
    sine = np.sin(2 * np.pi * 300 * np.arange(PERIOD_SAMPLES) / RATE_HZ).astype(np.float32)
    assert level_dbfs(sine) == pytest.approx(-3.01, abs=0.01)


def test_digital_silence_has_a_level_and_no_voice() -> None:
    silence = np.zeros(PERIOD_SAMPLES, np.float32)
    assert level_dbfs(silence) == level_dbfs(silence[:0]) == -120.0
    assert VoiceLevel(RATE_HZ, 1.0).of(silence) == VoiceLevel(RATE_HZ, 1.0).of(silence[:0]) == -120.0
    assert Voicing(RATE_HZ).of(silence) == Voicing(RATE_HZ).of(silence[:0]) == 0.0


@pytest.mark.parametrize("rate_hz", [16_000, 44_100, 48_000])
@pytest.mark.parametrize(("hz", "lost_db"), [(0, 80), (5, 60), (20, 60), (50, 40), (80, 25), (120, 15)])
def test_rumble_hum_knocks_and_offset_are_not_sound(rate_hz: int, hz: float, lost_db: float) -> None:
    at_s = np.arange(rate_hz // 5) / rate_hz
    wave = (0.5 * np.cos(2 * np.pi * hz * at_s)).astype(np.float32)
    assert VoiceLevel(rate_hz, 1.0).of(wave) < level_dbfs(wave) - lost_db


@pytest.mark.parametrize("rate_hz", [16_000, 44_100, 48_000])
@pytest.mark.parametrize("hz", [300, 500, 1000, 2500])
def test_the_band_of_voices_counts_nearly_whole(rate_hz: int, hz: float) -> None:
    wave = (0.5 * np.sin(2 * np.pi * hz * np.arange(rate_hz // 5) / rate_hz)).astype(np.float32)
    assert VoiceLevel(rate_hz, 1.0).of(wave) == pytest.approx(level_dbfs(wave), abs=1.5)


def test_the_tail_is_the_end_of_the_stretch() -> None:
    sound = band_noise(-30)
    sound[-700:] = 0.0  # 16 ms
    level = VoiceLevel(RATE_HZ, 1.0)
    assert level.of(sound) > -35
    assert level.tail_dbfs < -100
    assert level.of(sound[::-1].copy()) > -35
    assert level.tail_dbfs == pytest.approx(-30, abs=4)


@pytest.mark.parametrize("rate_hz", [16_000, 44_100, 48_000])
@pytest.mark.parametrize("pitch_hz", [80, 120, 210, 300, 390, 520])
def test_a_voice_is_periodic_at_any_pitch_and_level(rate_hz: int, pitch_hz: float) -> None:
    for level in (-20.0, -60.0):
        voicing = Voicing(rate_hz)
        found = [voicing.of(piece) for piece in np.split(vowel(level, pitch_hz, rate_hz // 30 * 10, rate_hz), 10)]
        assert min(found[2:]) > OPENING_VOICING


@pytest.mark.parametrize("band_hz", [(20, 20_000), (600, 2000), (300, 3000), (3000, 9000)])
def test_noise_is_not_periodic(band_hz: tuple[float, float]) -> None:
    voicing = Voicing(RATE_HZ)
    sound = band_noise(-20, 300 * PERIOD_SAMPLES, band_hz=band_hz)
    found = [voicing.of(piece) for piece in np.split(sound, 300)]
    assert np.quantile(found, 0.99) < 0.55


def test_voicing_forgets_at_reset() -> None:
    voicing = Voicing(RATE_HZ)
    first = voicing.of(vowel(-20, 120, PERIOD_SAMPLES))
    voicing.of(vowel(-20, 200, PERIOD_SAMPLES))
    voicing.reset()
    assert voicing.of(vowel(-20, 120, PERIOD_SAMPLES)) == first
