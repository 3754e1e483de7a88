"""Whether bytes can be samples of the format that was said, and which other format they look like.

Speech is smooth: neighbouring samples resemble each other. Read in a wrong format the same bytes are a roar, as white
noise. A number tells them apart: the mean step from sample to sample over the mean magnitude, 1.4 for white noise and
0.1 to 0.7 for speech at 8 to 48 kHz.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MIN_ROUGH = 1.15  # as noise ...
MIN_LEVEL_DBFS = -15.0  # ... and a roar: bits of no meaning reach full scale. Neither a hiss nor a fricative is both
MAX_SMOOTH = 0.7  # what speech does not exceed over half a second
MIN_SANE_SHARE = 0.99  # of float samples: within +-2, and zero or no smaller than this:
MIN_FLOAT = 1e-12  # whole numbers read as floats are NaN, huge, or far smaller (their sign bits are an exponent)
MIN_LOUD = 1e-4  # of full scale: below it all formats look like rounding noise


def likely_format(data: bytes, declared: str, n_channels: int) -> str:
    """Say which format bytes look like, where they cannot be the declared one.

    Args:
        data: Half a second of sound or so, from the beginning of a sample of the declared format.
        declared: "s16le", "s24le", "s32le" or "f32le".
        n_channels: Interleaved channels.

    Returns:
        The name of another format, or "" where the declared one is possible or nothing fits better.
    """
    shapes = {name: _shape(samples) for name, samples in _readings(data, n_channels).items()}
    is_float = shapes["f32le"][0] < MAX_SMOOTH and shapes["f32le"][1] > MIN_LOUD  # sane floats are nothing else
    if _is_possible(*shapes[declared]) and not is_float:
        return ""
    if is_float:
        return "" if declared == "f32le" else "f32le"
    smooth = {name: rough for name, (rough, level) in shapes.items() if rough < MAX_SMOOTH and level > MIN_LOUD}
    smooth.pop(declared, None)
    return min(smooth, key=lambda name: smooth[name], default="")


def _is_possible(rough: float, level: float) -> bool:
    return np.isfinite(rough) and not (rough > MIN_ROUGH and level > 10 ** (MIN_LEVEL_DBFS / 20))


def _readings(data: bytes, n_channels: int) -> dict[str, NDArray[np.float32]]:
    """Return the first channel, full scale 1.0, as every format reads it."""
    whole = data[: len(data) // (12 * n_channels) * 12 * n_channels]
    triples = np.frombuffer(whole, np.uint8).reshape(-1, 3)
    wide = np.zeros((len(triples), 4), np.uint8)
    wide[:, 1:] = triples
    shifted = np.frombuffer(whole[1:-1], "<i2")
    readings = {
        "s16le": np.frombuffer(whole, "<i2") / np.float32(2**15),
        "s16be": np.frombuffer(whole, ">i2") / np.float32(2**15),
        "s16le that begins with half a sample": shifted / np.float32(2**15),
        "s24le": wide.view("<i4")[:, 0] / np.float32(2**31),
        "s32le": np.frombuffer(whole, "<i4") / np.float32(2**31),
        "f32le": np.frombuffer(whole, "<f4"),
    }
    return {name: samples[::n_channels].astype(np.float32) for name, samples in readings.items()}


def _shape(samples: NDArray[np.float32]) -> tuple[float, float]:
    """Return roughness and RMS level; infinite roughness where the samples are no sound at all."""
    with np.errstate(invalid="ignore"):
        magnitude = np.abs(samples)
        is_sane = (magnitude <= 2.0) & ((magnitude >= MIN_FLOAT) | (magnitude == 0.0))
    if len(samples) < 2 or np.count_nonzero(is_sane) < MIN_SANE_SHARE * len(samples):
        return float("inf"), 0.0
    clean = np.where(is_sane, samples, np.float32(0.0))
    centred = clean - clean.mean()
    level = float(np.sqrt(np.mean(centred * centred)))
    mean_magnitude = float(np.mean(np.abs(centred)))
    return float(np.mean(np.abs(np.diff(clean)))) / max(mean_magnitude, 1e-12), level
