"""Laws of augmentation: nothing is delayed, the speed that is told is the speed that was made, levels stay in range."""

from __future__ import annotations

import time
import timeit
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.errors import InputError
from engine_build.voices.augment import AugmentSettings, augment, filter_and_resample, make_noise_bank, requantise
from engine_build.voices.rooms import make_room, make_room_bank
from tests.requirements import need_module

RATE_HZ = 16000
NOTHING = AugmentSettings(
    chance_speed=0.0,
    chance_microphone=0.0,
    chance_band=0.0,
    chance_room=0.0,
    chance_noise=0.0,
    chance_codec=0.0,
    chance_clip=0.0,
    gain_db=0.0,
)


def chirps(n_samples: int = 3 * RATE_HZ) -> NDArray[np.float32]:
    """Three bursts of a rising tone at 0.5, 1.2 and 2.3 s."""
    time_s = np.arange(n_samples) / RATE_HZ
    wave = np.zeros(n_samples)
    for start_s in (0.5, 1.2, 2.3):
        local = time_s - start_s
        burst = np.sin(2 * np.pi * (400 * local + 2000 * local**2)) * np.exp(-(((local - 0.1) / 0.04) ** 2))
        wave += np.where((local > 0) & (local < 0.2), burst, 0.0)
    return (0.3 * wave).astype(np.float32)


def centre_s(wave: NDArray[np.float32], near_s: float) -> float:
    """Centre of energy within 0.25 s of an instant."""
    time_s = np.arange(len(wave)) / RATE_HZ
    power = np.where(np.abs(time_s - near_s) < 0.25, wave.astype(np.float64) ** 2, 0.0)
    return float((power * time_s).sum() / power.sum())


def test_all_chances_zero_returns_the_wave() -> None:
    wave = chirps()
    changed, speed = augment(wave, RATE_HZ, np.random.default_rng(0), settings=NOTHING)
    assert speed == 1.0
    np.testing.assert_allclose(changed, wave, atol=2e-5)


@pytest.mark.parametrize("speed", [0.85, 0.93, 1.0, 1.07, 1.15])
def test_told_speed_is_where_the_bursts_are(speed: float) -> None:
    flat = np.array([[20.0, 8000.0], [0.0, 0.0]], dtype=np.float32)
    changed, told = filter_and_resample(chirps(), RATE_HZ, flat, speed)
    assert told == pytest.approx(speed, abs=0.02)
    assert len(changed) == round(3 * RATE_HZ / told)
    for start_s in (0.5, 1.2, 2.3):
        expected_s = centre_s(chirps(), start_s + 0.1) / told
        assert centre_s(changed, expected_s) == pytest.approx(expected_s, abs=0.002)


@pytest.mark.parametrize("speed", [0.87, 1.13])
def test_resampling_agrees_with_scipy(speed: float) -> None:
    from scipy.signal import resample_poly

    flat = np.array([[20.0, 8000.0], [0.0, 0.0]], dtype=np.float32)
    wave = chirps()
    changed, told = filter_and_resample(wave, RATE_HZ, flat, speed)
    ratio = Fraction(1.0 / told).limit_denominator(200_000)
    oracle = resample_poly(wave.astype(np.float64), ratio.numerator, ratio.denominator)
    n_shared = min(len(oracle), len(changed))
    assert np.corrcoef(oracle[:n_shared], changed[:n_shared])[0, 1] > 0.995


def test_augmented_speech_stays_within_full_scale_and_is_reproducible() -> None:
    rooms = make_room_bank(3, RATE_HZ)
    noise = make_noise_bank(RATE_HZ, speech=[chirps()])
    for seed in range(40):
        first, speed = augment(chirps(), RATE_HZ, np.random.default_rng(seed), rooms=rooms, noise=noise)
        second, again = augment(chirps(), RATE_HZ, np.random.default_rng(seed), rooms=rooms, noise=noise)
        assert np.isfinite(first).all()
        assert np.abs(first).max() <= 1.0
        assert speed == again
        np.testing.assert_array_equal(first, second)
        assert len(first) == pytest.approx(3 * RATE_HZ / speed, abs=1)


@pytest.mark.parametrize("n_samples", [0, 1, 2, 100, 50 * RATE_HZ])
def test_any_length_passes(n_samples: int) -> None:
    wave = np.random.default_rng(1).standard_normal(n_samples).astype(np.float32) * np.float32(0.1)
    always = AugmentSettings(chance_noise=1.0, chance_speed=1.0, chance_band=1.0, chance_codec=1.0, chance_clip=1.0)
    changed, speed = augment(wave, RATE_HZ, np.random.default_rng(2), settings=always)
    assert len(changed) == round(n_samples / speed)
    assert np.isfinite(changed).all()


def test_silence_stays_silent_without_division_by_zero() -> None:
    changed, _ = augment(np.zeros(RATE_HZ, np.float32), RATE_HZ, np.random.default_rng(0))
    assert np.abs(changed).max() == 0.0


def test_wrong_rate_of_noise_is_refused() -> None:
    with pytest.raises(ValueError, match="make the bank"):
        augment(chirps(), RATE_HZ, np.random.default_rng(0), noise=make_noise_bank(8000))


def test_rooms_start_with_the_direct_sound_and_decay() -> None:
    rng = np.random.default_rng(5)
    for _ in range(20):
        room = make_room(RATE_HZ, rng)
        assert room[0] == 1.0
        half = len(room) // 2
        assert np.sum(room[half:] ** 2) < 0.2 * np.sum(room[:half] ** 2)


def test_few_bits_on_a_mu_law_keep_quiet_sound_better_than_on_a_line() -> None:
    quiet = np.float32(0.003) * chirps()
    error = [float(np.std(requantise(quiet, 8, is_mu_law=law) - quiet)) for law in (True, False)]
    assert error[0] < 0.5 * error[1]


def test_three_seconds_take_less_than_a_generous_tenth_of_a_second() -> None:
    wave = np.resize(chirps(), 3 * 44100)
    noise = make_noise_bank(44100)
    rng = np.random.default_rng(0)
    augment(wave, 44100, rng, noise=noise)
    timed = timeit.Timer(lambda: augment(wave, 44100, rng, noise=noise), timer=time.thread_time)
    assert min(timed.repeat(10, number=1)) < 0.1  # 3 ms measured; the margin is for busy machines


def test_augmented_copies_keep_their_times_and_are_made_once(tmp_path: Path) -> None:
    soundfile = need_module("soundfile")
    from engine_build.voices.augmented_corpus import make_augmented_corpus

    (tmp_path / "one").mkdir()
    soundfile.write(tmp_path / "one" / "clip.flac", chirps(), RATE_HZ)
    quiet_room = AugmentSettings(chance_speed=1.0, chance_room=1.0, chance_noise=0.0, chance_clip=0.0, chance_codec=0.0)
    assert make_augmented_corpus([tmp_path / "one"], tmp_path / "out", settings=quiet_room) == 1
    made = tmp_path / "out" / "audio" / "clip.flac"
    wave, _ = soundfile.read(made, dtype="float32")
    assert len(wave) == 3 * RATE_HZ
    onset = [np.flatnonzero(np.abs(each) > 0.2 * np.abs(each).max())[0] / RATE_HZ for each in (chirps(), wave)]
    assert onset[1] == pytest.approx(onset[0], abs=0.03)
    stamp = made.stat().st_mtime_ns
    make_augmented_corpus([tmp_path / "one"], tmp_path / "out")
    assert made.stat().st_mtime_ns == stamp
    with pytest.raises(InputError):
        make_augmented_corpus([tmp_path / "out"], tmp_path / "other")
