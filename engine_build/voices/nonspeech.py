"""Sounds that are not speech, for which the mouth stays shut: breath, keys, music, fan, room tone, hum.

Each generator is a function (n_samples, rate_hz, rng) -> float32 wave of unit root mean square; `draw_nonspeech` picks
one and sets its level. They serve twice: as noise under speech, and alone as negatives whose labels are all zero.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Wave = NDArray[np.float32]
LEVEL_RANGE_DBFS = (-60.0, -20.0)


def shaped_noise(
    n_samples: int, rate_hz: int, rng: np.random.Generator, gain: Callable[[Wave], NDArray[np.floating]]
) -> Wave:
    """Make noise with a given spectrum.

    Args:
        n_samples: length.
        rate_hz: sample rate.
        rng: source of chance.
        gain: maps frequencies in Hz [n_bins] to amplitudes [n_bins].

    Returns:
        [n_samples], unit root mean square.
    """
    from scipy.fft import irfft, next_fast_len

    n_fft = int(next_fast_len(max(n_samples, 16), real=True))
    n_bins = n_fft // 2 + 1
    frequency = np.linspace(0.0, rate_hz / 2, n_bins, dtype=np.float32)
    spectrum = rng.standard_normal(n_bins, dtype=np.float32) + 1j * rng.standard_normal(n_bins, dtype=np.float32)
    spectrum *= gain(frequency).astype(np.float32)
    spectrum[0] = 0.0
    return unit(irfft(spectrum, n_fft)[:n_samples])


def unit(wave: NDArray[np.floating]) -> Wave:
    """Scale to unit root mean square; silence stays silence."""
    level = float(np.sqrt(np.mean(np.square(wave, dtype=np.float64)))) if len(wave) else 0.0
    return (wave / level if level > 0 else wave).astype(np.float32)


def white(n_samples: int, rate_hz: int, rng: np.random.Generator) -> Wave:
    """Make white noise."""
    return unit(rng.standard_normal(n_samples, dtype=np.float32))


def pink(n_samples: int, rate_hz: int, rng: np.random.Generator) -> Wave:
    """Make noise that falls by 3 dB an octave."""
    return shaped_noise(n_samples, rate_hz, rng, lambda f: np.maximum(f, 20.0) ** -0.5)


def brown(n_samples: int, rate_hz: int, rng: np.random.Generator) -> Wave:
    """Make noise that falls by 6 dB an octave."""
    return shaped_noise(n_samples, rate_hz, rng, lambda f: np.maximum(f, 20.0) ** -1.0)


def room_tone(n_samples: int, rate_hz: int, rng: np.random.Generator) -> Wave:
    """Make the tone of an empty room: noise with a random slope and a random upper edge."""
    slope = rng.uniform(0.3, 1.3)
    edge_hz = rng.uniform(800.0, 8000.0)
    return shaped_noise(
        n_samples, rate_hz, rng, lambda f: np.maximum(f, 30.0) ** np.float32(-slope) / (1.0 + (f / edge_hz) ** 2)
    )


def hum(n_samples: int, rate_hz: int, rng: np.random.Generator) -> Wave:
    """Make mains hum: 50 or 60 Hz, its harmonics, a little noise."""
    mains_hz = float(rng.choice([50.0, 60.0])) * rng.uniform(0.998, 1.002)
    time_s = np.arange(n_samples) / rate_hz
    wave = 0.05 * pink(n_samples, rate_hz, rng).astype(np.float64)
    for harmonic in range(1, 1 + int(rng.integers(3, 14))):
        strength = rng.uniform(0.2, 1.0) / harmonic
        wave += strength * np.sin(2 * np.pi * (mains_hz * harmonic * time_s + rng.uniform()))
    return unit(wave)


def fan(n_samples: int, rate_hz: int, rng: np.random.Generator) -> Wave:
    """Make a fan: low noise, whistling blades, slow beating."""
    edge_hz = rng.uniform(200.0, 1500.0)
    wave = shaped_noise(n_samples, rate_hz, rng, lambda f: 1.0 / (1.0 + (f / edge_hz) ** 1.5)).astype(np.float64)
    time_s = np.arange(n_samples) / rate_hz
    blade_hz = rng.uniform(60.0, 400.0)
    for harmonic in range(1, 5):
        wave += rng.uniform(0.05, 0.5) / harmonic * np.sin(2 * np.pi * (blade_hz * harmonic * time_s + rng.uniform()))
    wave *= 1.0 + rng.uniform(0.0, 0.3) * np.sin(2 * np.pi * (rng.uniform(0.3, 4.0) * time_s + rng.uniform()))
    return unit(wave)


def breathing(n_samples: int, rate_hz: int, rng: np.random.Generator) -> Wave:
    """Make breaths: noise through broad resonances, in and out, with pauses."""
    centre_hz, width_hz = rng.uniform(500.0, 2500.0), rng.uniform(400.0, 2500.0)
    noise = shaped_noise(
        n_samples,
        rate_hz,
        rng,
        lambda f: np.exp(-(((f - centre_hz) / width_hz) ** 2)) + 0.15 / (1.0 + f / 3000.0),
    )
    course = np.full(n_samples, 0.01)
    start_s = rng.uniform(0.0, 0.6)
    while start_s * rate_hz < n_samples:
        length_s = rng.uniform(0.3, 1.6)
        first, last = int(start_s * rate_hz), min(n_samples, int((start_s + length_s) * rate_hz))
        phase = np.linspace(0.0, 1.0, max(1, last - first))
        course[first:last] += rng.uniform(0.3, 1.0) * np.sin(np.pi * phase ** rng.uniform(0.5, 1.5)) ** 2
        start_s += length_s + rng.uniform(0.1, 1.2)
    return unit(noise * course)


def keyboard(n_samples: int, rate_hz: int, rng: np.random.Generator) -> Wave:
    """Make typing: pairs of short clicks, pressed and released, each with its own ring."""
    wave = 0.004 * rng.standard_normal(n_samples)
    start_s = rng.uniform(0.0, 0.3)
    n_ring = int(0.03 * rate_hz)
    time_s = np.arange(n_ring) / rate_hz
    while start_s * rate_hz < n_samples:
        for offset_s, strength in ((0.0, 1.0), (rng.uniform(0.05, 0.14), 0.5)):
            first = int((start_s + offset_s) * rate_hz)
            decay = np.exp(-time_s / rng.uniform(0.001, 0.008))
            ring = np.sin(2 * np.pi * rng.uniform(800.0, 6000.0) * time_s) + rng.standard_normal(n_ring)
            last = min(n_samples, first + n_ring)
            if first < last:
                wave[first:last] += strength * rng.uniform(0.3, 1.0) * (ring * decay)[: last - first]
        start_s += rng.uniform(0.07, 0.6)
    return unit(wave)


def music(n_samples: int, rate_hz: int, rng: np.random.Generator) -> Wave:
    """Make music without a voice: held chords, plucked notes, drums, at a random tempo and key."""
    wave = np.zeros(n_samples)
    beat_s = 60.0 / rng.uniform(70.0, 160.0)
    root_hz = 110.0 * 2.0 ** rng.uniform(0.0, 1.0)
    scale = np.array([0, 2, 4, 5, 7, 9, 11, 12]) if rng.random() < 0.5 else np.array([0, 2, 3, 5, 7, 8, 10, 12])
    has_chords, has_plucks, has_drums = rng.random(3) < (0.6, 0.7, 0.6)
    n_partials = int(rng.integers(2, 8))
    for beat in range(int(n_samples / rate_hz / beat_s) + 1):
        first = int(beat * beat_s * rate_hz)
        if has_plucks or not (has_chords or has_drums):
            note_hz = root_hz * 2.0 ** (rng.choice(scale) / 12.0 + rng.integers(0, 3))
            _add_note(wave, first, rate_hz, note_hz, n_partials, rng.uniform(0.1, 0.6), rng.uniform(0.3, 0.8))
        if has_chords and beat % 4 == 0:
            degree = int(rng.integers(0, 4))
            for step in (0, 2, 4):
                note_hz = root_hz * 2.0 ** (scale[min(degree + step, 7)] / 12.0)
                _add_note(wave, first, rate_hz, note_hz, n_partials, 3.0 * beat_s, 0.3)
        if has_drums:
            n_hit = int(0.15 * rate_hz)
            time_s = np.arange(n_hit) / rate_hz
            kick = np.sin(2 * np.pi * 60.0 * time_s * (1.0 + np.exp(-time_s / 0.02))) * np.exp(-time_s / 0.08)
            snare = rng.standard_normal(n_hit) * np.exp(-time_s / 0.03)
            hit = kick if beat % 2 == 0 else 0.5 * snare
            last = min(n_samples, first + n_hit)
            wave[first:last] += hit[: max(0, last - first)]
    return unit(wave + 1e-4 * rng.standard_normal(n_samples))


def _add_note(
    wave: NDArray[np.float64],
    first: int,
    rate_hz: int,
    note_hz: float,
    n_partials: int,
    decay_s: float,
    strength: float,
) -> None:
    """Add one struck note with harmonics to a wave, in place."""
    n_note = min(len(wave) - first, int(3.0 * decay_s * rate_hz))
    if n_note <= 0:
        return
    time_s = np.arange(n_note) / rate_hz
    envelope = strength * np.exp(-time_s / decay_s) * np.minimum(1.0, time_s / 0.004)
    for partial in range(1, n_partials + 1):
        if note_hz * partial < rate_hz / 2:
            wave[first : first + n_note] += envelope / partial * np.sin(2 * np.pi * note_hz * partial * time_s)


GENERATORS: dict[str, Callable[[int, int, np.random.Generator], Wave]] = {
    "breathing": breathing,
    "keyboard": keyboard,
    "music": music,
    "fan": fan,
    "room_tone": room_tone,
    "hum": hum,
    "white": white,
    "pink": pink,
    "brown": brown,
}


def draw_nonspeech(
    n_samples: int,
    rate_hz: int,
    rng: np.random.Generator,
    *,
    kind: str | None = None,
    level_dbfs: float | None = None,
) -> tuple[Wave, str]:
    """Make a stretch of sound for which the mouth stays shut.

    Args:
        n_samples: length.
        rate_hz: sample rate.
        rng: source of chance.
        kind: a key of GENERATORS; None draws one.
        level_dbfs: root mean square relative to full scale; None draws from LEVEL_RANGE_DBFS.

    Returns:
        The wave [n_samples], within +-1, and the kind's name.

    Raises:
        KeyError: the kind is not known.
    """
    name = kind if kind is not None else str(rng.choice(list(GENERATORS)))
    level = level_dbfs if level_dbfs is not None else float(rng.uniform(*LEVEL_RANGE_DBFS))
    wave = GENERATORS[name](n_samples, rate_hz, rng) * np.float32(10.0 ** (level / 20.0))
    return np.clip(wave, -1.0, 1.0), name
