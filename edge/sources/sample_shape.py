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
MIN_LOUD_BYTES = 0.01  # the same of samples of one byte
MIN_PAIRED = 0.35  # RMS of samples of one byte that are taken in pairs, or more: no speech is so loud
MIN_SOUNDING_SHARE = 0.1


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
    of_bytes = _likely_byte_format(data, n_channels) if _may_be_bytes(declared, *shapes[declared]) else ""
    if of_bytes:
        return of_bytes
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


def _may_be_bytes(declared: str, rough: float, level: float) -> bool:
    return level > MIN_PAIRED or (declared == "f32le" and not np.isfinite(rough))


def _likely_byte_format(data: bytes, n_channels: int) -> str:
    """Return the format of one byte in which the data is smooth, or "": of wider samples every other byte is noise."""
    pairs = np.frombuffer(data[: len(data) // (2 * n_channels) * 2 * n_channels], np.uint8).reshape(-1, 2 * n_channels)
    sounding = pairs[pairs.any(axis=1)]  # zeros are digital silence in wide samples, and full scale in some of a byte
    if len(sounding) < MIN_SOUNDING_SHARE * len(pairs):
        return ""
    codes = sounding.reshape(-1)[::n_channels]
    readings = {
        "u8": (codes.astype(np.float32) - 128.0) / 128.0,
        "mu-law (G.711)": _MU_LAW[codes],
        "A-law (G.711)": _A_LAW[codes],
    }
    shapes = {name: _shape(samples) for name, samples in readings.items()}
    # All three are smooth in one another's reading; what is quiet, most of speech is, has its own codes in each.
    quiet = {
        "u8": np.abs(codes.astype(np.int16) - 128) <= 16,
        "mu-law (G.711)": codes & 0x7F >= 0x60,
        "A-law (G.711)": (codes ^ 0x55) & 0x7F < 0x20,
    }
    smooth = [name for name, (rough, level) in shapes.items() if rough < MAX_SMOOTH and level > MIN_LOUD_BYTES]
    return max(smooth, key=lambda name: int(np.count_nonzero(quiet[name])), default="")


def _g711_tables() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what each code is in mu-law and in A-law, float32 [256], full scale 1.0. Source: ITU-T G.711."""
    codes = np.arange(256)
    inverted = ~codes & 0xFF
    exponent, mantissa = inverted >> 4 & 7, inverted & 15
    magnitude = ((2 * mantissa + 33) << exponent) - 33
    mu_law = np.where(inverted & 0x80, -magnitude, magnitude) / 2.0**13
    toggled = codes ^ 0x55
    exponent, mantissa = toggled >> 4 & 7, toggled & 15
    magnitude = np.where(exponent == 0, 2 * mantissa + 1, (2 * mantissa + 33) << np.maximum(exponent - 1, 0))
    a_law = np.where(toggled & 0x80, magnitude, -magnitude) / 2.0**12
    return mu_law.astype(np.float32), a_law.astype(np.float32)


_MU_LAW, _A_LAW = _g711_tables()


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
