"""Computed sound: level, spectrum and independence of how it is cut."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from edge.errors import ConfigurationError
from edge.sources.synthetic import SyntheticSource
from tests.edge.sources.manual_clock import ManualClock

RATE_HZ = 44_100


def sound(kind: str, seconds: float, chunk_samples: int = 1000, **options: float) -> np.ndarray:
    source = SyntheticSource(
        kind, clock=ManualClock(), pace="fast", duration_s=seconds, chunk_samples=chunk_samples, **options
    )
    source.open()
    parts = []
    while True:
        chunk = source.read(1.0)
        assert chunk is not None
        parts.append(chunk.samples.copy())
        if chunk.is_last:
            return np.concatenate(parts)


@pytest.mark.parametrize("kind", ["silence", "tone", "noise", "pink"])
def test_the_sound_does_not_depend_on_how_it_is_cut(kind: str) -> None:
    np.testing.assert_array_equal(sound(kind, 0.5, 256), sound(kind, 0.5, 7919))


@pytest.mark.parametrize("kind", ["tone", "noise", "pink"])
@pytest.mark.parametrize("level_dbfs", [-60.0, -20.0])
def test_the_level_is_the_root_mean_square(kind: str, level_dbfs: float) -> None:
    samples = sound(kind, (1 << 18) / RATE_HZ, level_dbfs=level_dbfs)
    measured = 20 * np.log10(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
    assert measured == pytest.approx(level_dbfs, abs=0.05)


def test_the_loudest_tone_and_noise_stay_within_full_scale() -> None:
    for kind in ("tone", "noise", "pink"):
        assert np.max(np.abs(sound(kind, 1.0, level_dbfs=0.0))) <= 1.0


def test_the_tone_has_its_frequency_also_after_a_day() -> None:
    source = SyntheticSource("tone", clock=ManualClock(), pace="fast", tone_hz=1000.0, chunk_samples=44_100)
    source.open()
    source._next_index = 24 * 3600 * RATE_HZ
    chunk = source.read(1.0)
    assert chunk is not None
    spectrum = np.abs(np.fft.rfft(chunk.samples * np.hanning(44_100)))
    assert np.argmax(spectrum) == 1000
    spectrum[995:1006] = 0
    assert spectrum.max() < 1e-5 * 44_100 / 4 * 0.14  # 100 dB below the tone


@pytest.mark.parametrize(("kind", "slope_db"), [("noise", 0.0), ("pink", -3.01)])
def test_the_spectrum_falls_as_its_colour_says(kind: str, slope_db: float) -> None:
    hz, density = signal.welch(sound(kind, 5.9), RATE_HZ, nperseg=8192)
    octaves = [10 * np.log10(density[(hz >= low) & (hz < 2 * low)].mean()) for low in (125, 250, 500, 1000, 2000, 4000)]
    assert np.mean(np.diff(octaves)) == pytest.approx(slope_db, abs=0.3)


def test_a_seed_fixes_the_noise() -> None:
    np.testing.assert_array_equal(sound("noise", 0.1, seed=4), sound("noise", 0.1, seed=4))
    assert np.any(sound("noise", 0.1, seed=4) != sound("noise", 0.1, seed=5))


@pytest.mark.parametrize("seconds", [0.01, 1.0])
def test_a_duration_is_kept_to_the_sample(seconds: float) -> None:
    assert len(sound("silence", seconds)) == round(seconds * RATE_HZ)


def test_without_a_duration_it_never_ends() -> None:
    source = SyntheticSource("silence", clock=ManualClock())
    source.open()
    for _ in range(1000):
        chunk = source.read(1.0)
        assert chunk is not None
        assert not chunk.is_last


@pytest.mark.parametrize(("kind", "options"), [("birdsong", {}), ("tone", {"tone_hz": 22_050.0})])
def test_what_cannot_be_computed_is_refused(kind: str, options: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError):
        SyntheticSource(kind, clock=ManualClock(), **options)
