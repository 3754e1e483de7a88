"""Laws of the sounds that are not speech: right length, right level, finite, different each time."""

from __future__ import annotations

import numpy as np
import pytest

from engine_build.voices.nonspeech import GENERATORS, LEVEL_RANGE_DBFS, draw_nonspeech

RATE_HZ = 16000


@pytest.mark.parametrize("kind", sorted(GENERATORS))
@pytest.mark.parametrize("n_samples", [1, 2, 17, RATE_HZ, 3 * RATE_HZ + 1])
def test_every_kind_has_the_asked_length_and_is_finite(kind: str, n_samples: int) -> None:
    wave, name = draw_nonspeech(n_samples, RATE_HZ, np.random.default_rng(3), kind=kind)
    assert name == kind
    assert wave.dtype == np.float32
    assert wave.shape == (n_samples,)
    assert np.isfinite(wave).all()
    assert np.abs(wave).max() <= 1.0


@pytest.mark.parametrize("kind", sorted(GENERATORS))
@pytest.mark.parametrize("level_dbfs", [-60.0, -30.0])
def test_level_is_what_was_asked(kind: str, level_dbfs: float) -> None:
    wave, _ = draw_nonspeech(3 * RATE_HZ, RATE_HZ, np.random.default_rng(4), kind=kind, level_dbfs=level_dbfs)
    measured = 20 * np.log10(np.sqrt(np.mean(wave.astype(np.float64) ** 2)))
    assert measured == pytest.approx(level_dbfs, abs=1.0)  # typing at -30 loses a little where clicks clip


def test_drawn_levels_lie_in_the_range_and_kinds_differ() -> None:
    rng = np.random.default_rng(5)
    drawn = [draw_nonspeech(RATE_HZ, RATE_HZ, rng) for _ in range(60)]
    levels = [20 * np.log10(np.sqrt(np.mean(wave.astype(np.float64) ** 2))) for wave, _ in drawn]
    assert min(levels) > LEVEL_RANGE_DBFS[0] - 1
    assert max(levels) < LEVEL_RANGE_DBFS[1] + 1
    assert len({name for _, name in drawn}) >= 6


def test_brown_noise_falls_by_six_decibels_an_octave() -> None:
    wave, _ = draw_nonspeech(20 * RATE_HZ, RATE_HZ, np.random.default_rng(6), kind="brown")
    power = np.abs(np.fft.rfft(wave)) ** 2
    hertz = np.fft.rfftfreq(len(wave), 1 / RATE_HZ)
    octave = [power[(hertz >= low) & (hertz < 2 * low)].mean() for low in (200, 400, 800, 1600)]
    np.testing.assert_allclose(np.diff(10 * np.log10(octave)), -6.02, atol=0.6)
