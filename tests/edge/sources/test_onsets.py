"""A clap is found to a millisecond, once, however its sound is cut up; speech and noise are no claps."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.frames import AudioChunk
from edge.sources.onsets import OnsetDetector, lag_between


def claps(times_s: list[float], rate_hz: int, seconds: float, noise: float = 0.002) -> NDArray[np.float32]:
    """Return noise with claps: sharp, then ringing down for a quarter of a second."""
    rng = np.random.default_rng(1)
    sound = noise * rng.standard_normal(round(seconds * rate_hz))
    for time_s in times_s:
        start = round(time_s * rate_hz)
        n = min(round(0.25 * rate_hz), len(sound) - start)
        sound[start : start + n] += 0.5 * rng.standard_normal(n) * np.exp(-np.arange(n) / (0.05 * rate_hz))
    return sound.astype(np.float32)


def found(sound: NDArray[np.float32], rate_hz: int, n_chunk: int, origin_s: float = 1000.0) -> list[float]:
    detector, onsets = OnsetDetector(rate_hz), []
    for start in range(0, len(sound), n_chunk):
        samples = sound[start : start + n_chunk]
        onsets += detector.take(AudioChunk(samples, start, origin_s + (start + len(samples)) / rate_hz))
    return [onset - origin_s for onset in onsets]


@pytest.mark.parametrize("rate_hz", [8000, 44100, 48000])
@pytest.mark.parametrize("n_chunk", [37, 256, 1024, 100_000])
def test_claps_are_found_once_each_and_to_two_milliseconds(rate_hz: int, n_chunk: int) -> None:
    times_s = [0.5, 1.3, 2.75]
    assert found(claps(times_s, rate_hz, 3.5), rate_hz, n_chunk) == pytest.approx(times_s, abs=0.002)


@pytest.mark.parametrize("level", [0.0, 0.001, 0.05, 0.3])
def test_even_noise_is_no_clap(level: float) -> None:
    assert found(claps([], 44100, 3.0, noise=level), 44100, 512)[1:] == []


def test_a_tone_that_swells_is_no_clap() -> None:
    time_s = np.arange(3 * 44100) / 44100
    swell = 0.5 * np.sin(2 * np.pi * 200 * time_s) * (0.5 - 0.5 * np.cos(2 * np.pi * 1.5 * time_s)) + 0.02
    assert found(swell.astype(np.float32), 44100, 512) == []


def test_a_number_that_is_none_does_not_end_it() -> None:
    sound = claps([1.0], 44100, 2.0)
    sound[1000:1100] = np.nan
    assert found(sound, 44100, 512) == pytest.approx([1.0], abs=0.002)


def test_the_lag_of_a_second_microphone_is_the_median_of_the_pairs() -> None:
    first = [1.0, 2.0, 3.0, 4.0, 5.5]
    lag = lag_between(first, [1.151, 2.149, 3.15, 4.9, 7.0])
    assert lag is not None
    assert lag.median_s == pytest.approx(0.15, abs=0.0005)
    assert lag.n_pairs == 3
    assert lag_between(first, [1.1, 2.1]) is None
    assert lag_between([], []) is None
