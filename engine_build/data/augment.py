"""Change the voice, the room and the microphone of log-mel columns, so that few recordings sound like many.

All of it on levels in units of the features (60 dB), a batch at a time, with a seeded generator: speed, length of the
vocal tract (a warp of the band axis), spectral tilt and ripple, gain, band limit, stationary noise, other recordings as
background, reverberation, masked bands and stretches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]
Floats = NDArray[np.floating[Any]]
UNIT_DB = 60.0
FLOOR = -100.0 / UNIT_DB  # of a column, units under full scale
MOST_SOFTER_DB = 24.0


@dataclass(frozen=True)
class AugmentSpec:
    """How far a voice is changed; 0 (or probability 0) switches a change off.

    Attributes:
        speed: Largest relative change of speed (labels are stretched alike).
        warp: Largest relative change of frequency.
        tilt_db: Standard deviation of the tilt from the lowest to the highest band.
        ripple_db: Standard deviation of each of four cosines over the bands.
        gain_db: Largest change of level.
        band_limit: Share of sequences that end at 3 to 7.6 kHz.
        noise: Share with stationary noise at 5 to 40 dB.
        babble: Share with other recordings as background at 10 to 35 dB.
        echo: Share with a reverberation tail.
        mask_bands: Band masks of up to eight bands.
        mask_columns: Masks of up to 100 ms.
        clean: Share of sequences that keep voice, room and microphone; only speed and level change.
    """

    speed: float = 0.2
    warp: float = 0.18
    tilt_db: float = 6.0
    ripple_db: float = 2.0
    gain_db: float = 20.0
    band_limit: float = 0.25
    noise: float = 0.5
    babble: float = 0.15
    echo: float = 0.3
    mask_bands: int = 2
    mask_columns: int = 2
    clean: float = 0.25


def warp_bands(levels: Float32Array, factors: Float32Array, band_hz: Float32Array) -> Float32Array:
    """Return columns whose frequencies are multiplied: [batch, n_bands, n_columns], one factor each."""
    out = np.empty_like(levels)
    for i, factor in enumerate(factors):
        position = np.interp(band_hz / factor, band_hz, np.arange(len(band_hz)))
        below = np.minimum(position.astype(int), len(band_hz) - 2)
        share = (position - below).astype(np.float32)[:, None]
        out[i] = levels[i, below] * (1 - share) + levels[i, below + 1] * share
    return out


def add_levels(one: Float32Array, other: Float32Array) -> Float32Array:
    """Return the level of two sounds together, from the levels of each."""
    nats = np.float32(UNIT_DB / 10.0 * np.log(10.0))
    result: Float32Array = np.logaddexp(one * nats, other * nats) / nats
    return result


def augment(
    levels: Float32Array, spec: AugmentSpec, rng: np.random.Generator, band_hz: Float32Array, columns_hz: float
) -> Float32Array:
    """Return changed columns.

    Args:
        levels: float32 [batch, n_bands, n_columns].
        spec: How far.
        rng: Chance.
        band_hz: float32 [n_bands], centres.
        columns_hz: Columns a second.
    """
    n = len(levels)
    out = levels
    if spec.warp:
        out = warp_bands(out, np.exp(rng.uniform(-spec.warp, spec.warp, n)).astype(np.float32), band_hz)
    out = _colour(out, spec, rng)
    out = _echo(out, spec, rng, columns_hz)
    out = _noise(out, spec, rng)
    out = _babble(out, spec, rng)
    out = _band_limit(out, spec, rng, band_hz)
    is_clean = rng.random(n) < spec.clean
    out = np.where(is_clean[:, None, None], levels, out)
    gain: Floats = rng.uniform(-spec.gain_db, spec.gain_db, (n, 1, 1)) / UNIT_DB
    heard: Float32Array = np.maximum(out + gain.astype(np.float32), np.float32(FLOOR))
    heard[~is_clean] = _masked(heard[~is_clean], spec, rng, columns_hz)
    return heard


def softer(levels: Float32Array, rng: np.random.Generator) -> Float32Array:
    """Return sequences [batch, ...] as a microphone up to 24 dB less sensitive hears them."""
    shape = (len(levels), *(1,) * (levels.ndim - 1))
    drop = (rng.uniform(0.0, MOST_SOFTER_DB, shape) / UNIT_DB).astype(np.float32)
    heard: Float32Array = np.maximum(levels - drop, np.float32(FLOOR))
    return heard


def _colour(levels: Float32Array, spec: AugmentSpec, rng: np.random.Generator) -> Float32Array:
    """Tilt and ripple the spectrum, as voices and microphones do."""
    n, n_bands, _ = levels.shape
    axis = np.linspace(-0.5, 0.5, n_bands)
    shape_db: Floats = rng.normal(0, spec.tilt_db, (n, 1)) * axis
    for order in range(1, 5):
        phase = rng.uniform(0, 2 * np.pi, (n, 1))
        shape_db = shape_db + rng.normal(0, spec.ripple_db, (n, 1)) * np.cos(np.pi * order * axis + phase)
    out: Float32Array = levels + (shape_db / UNIT_DB).astype(np.float32)[:, :, None]
    return out


def _band_limit(
    levels: Float32Array, spec: AugmentSpec, rng: np.random.Generator, band_hz: Float32Array
) -> Float32Array:
    """End the spectrum of some at 3 to 7.6 kHz."""
    limited = rng.random((len(levels), 1)) < spec.band_limit
    cut_hz: Floats = rng.uniform(3000.0, 7600.0, (len(levels), 1))
    share = np.clip((band_hz[None] - cut_hz) / 300.0, 0.0, 1.0).astype(np.float32)
    out: Float32Array = levels - (share * limited)[:, :, None].astype(np.float32)
    return out


def _masked(levels: Float32Array, spec: AugmentSpec, rng: np.random.Generator, columns_hz: float) -> Float32Array:
    """Hide bands and stretches of every sequence; the array is changed and returned."""
    n_bands, n_columns = levels.shape[1:]
    for sequence in levels:
        for _ in range(spec.mask_bands):
            width, start = rng.integers(0, 9), rng.integers(0, n_bands - 8)
            sequence[start : start + width] = np.quantile(sequence, 0.05) if rng.random() < 0.5 else sequence.mean()
        for _ in range(spec.mask_columns):
            width, start = rng.integers(0, max(2, int(0.1 * columns_hz))), rng.integers(0, n_columns)
            sequence[:, start : start + width] = sequence.mean()
    return levels


def _noise(levels: Float32Array, spec: AugmentSpec, rng: np.random.Generator) -> Float32Array:
    """Add stationary noise of a random colour, with the flutter that noise has in short columns."""
    n = len(levels)
    axis = np.linspace(-0.5, 0.5, levels.shape[1])
    peak = np.quantile(levels.max(axis=1), 0.95, axis=1)
    colour_db: Floats = rng.normal(-15.0, 15.0, (n, 1)) * axis + rng.normal(0, 4.0, (n, 1)) * np.cos(2 * np.pi * axis)
    snr_db: Floats = rng.uniform(5.0, 45.0, (n, 1)) + 300.0 * (rng.random((n, 1)) >= spec.noise)
    level: Floats = peak[:, None] + (colour_db - snr_db) / UNIT_DB
    flutter = rng.standard_normal(levels.shape, dtype=np.float32) * np.float32(4.5 / UNIT_DB)
    return add_levels(levels, level.astype(np.float32)[:, :, None] + flutter)


def _babble(levels: Float32Array, spec: AugmentSpec, rng: np.random.Generator) -> Float32Array:
    """Add another sequence of the batch, softly, to some."""
    n = len(levels)
    chosen = np.flatnonzero(rng.random(n) < spec.babble)
    if not len(chosen):
        return levels
    other = levels[(chosen + rng.integers(1, max(2, n), len(chosen))) % n]
    drop = rng.uniform(10.0, 35.0, (len(chosen), 1, 1)) / UNIT_DB
    out: Float32Array = levels.copy()
    shift = (levels[chosen].max(axis=(1, 2)) - other.max(axis=(1, 2)))[:, None, None]
    out[chosen] = add_levels(levels[chosen], (other + shift - drop).astype(np.float32))
    return out


def _echo(levels: Float32Array, spec: AugmentSpec, rng: np.random.Generator, columns_hz: float) -> Float32Array:
    """Let sound die away in some: a level never falls faster than the room lets it."""
    chosen = np.flatnonzero(rng.random(len(levels)) < spec.echo)
    if not len(chosen):
        return levels
    out: Float32Array = levels.copy()
    fall = (60.0 / rng.uniform(0.15, 0.7, (len(chosen), 1)) / columns_hz / UNIT_DB).astype(np.float32)
    direct = (rng.uniform(3.0, 15.0, (len(chosen), 1)) / UNIT_DB).astype(np.float32)
    tail = out[chosen, :, 0] - direct
    for t in range(1, levels.shape[2]):
        tail = np.maximum(tail - fall, levels[chosen, :, t - 1] - direct)
        out[chosen, :, t] = np.maximum(levels[chosen, :, t], tail)
    return out
