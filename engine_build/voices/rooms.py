"""Make impulse responses of small rooms.

Box-shaped rooms by image sources (Allen, Berkley, JASA 1979) for the early part, and noise that decays at Sabine's rate
for the late part. The direct sound is the first sample and has amplitude 1, so a convolution neither delays speech nor
changes its level by much: labels keep their times.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SPEED_OF_SOUND_M_PER_S = 343.0
RESPONSE_S = 0.6
EARLY_S = 0.06  # after this the reflections are too dense to be told apart
IMAGE_ORDER = 3


def make_room(rate_hz: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Make the impulse response of one random room.

    Args:
        rate_hz: sample rate.
        rng: source of chance: size 2 to 10 m, absorption 0.2 to 0.8, talker 0.3 to 2 m from the microphone.

    Returns:
        [RESPONSE_S * rate_hz], first sample 1.
    """
    size_m = rng.uniform([2.0, 2.0, 2.2], [10.0, 8.0, 3.5])
    absorption = float(rng.uniform(0.2, 0.8))
    microphone = rng.uniform(0.15, 0.85, 3) * size_m
    direction = rng.standard_normal(3) * (1.0, 1.0, 0.2)
    distance_m = float(np.exp(rng.uniform(np.log(0.3), np.log(2.0))))
    talker = np.clip(microphone + distance_m * direction / np.linalg.norm(direction), 0.1, size_m - 0.1)
    distance_m = max(0.1, float(np.linalg.norm(talker - microphone)))

    n_taps = int(RESPONSE_S * rate_hz)
    response = np.zeros(n_taps)
    path_m, gain = _images(size_m, talker, microphone, np.sqrt(1.0 - absorption))
    delay = np.rint((path_m - distance_m) / SPEED_OF_SOUND_M_PER_S * rate_hz).astype(np.int64)
    early = (delay > 0) & (delay < int(EARLY_S * rate_hz))
    np.add.at(response, delay[early], gain[early] * distance_m / path_m[early])

    area_m2 = 2.0 * float(size_m[0] * size_m[1] + size_m[0] * size_m[2] + size_m[1] * size_m[2])
    volume_m3 = float(np.prod(size_m))
    decay_s = float(np.clip(0.161 * volume_m3 / (area_m2 * absorption), 0.08, 1.2))  # time to fall by 60 dB
    response += _tail(
        n_taps, rate_hz, decay_s, distance_m**2 * 16.0 * np.pi * (1.0 - absorption) / (absorption * area_m2), rng
    )
    response[0] = 1.0
    return response.astype(np.float32)


def _images(
    size_m: NDArray[np.float64], talker: NDArray[np.float64], microphone: NDArray[np.float64], reflection: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return path lengths [n] and reflection gains [n] of the image sources of a box."""
    period = np.arange(-IMAGE_ORDER, IMAGE_ORDER + 1)
    grid = np.stack(np.meshgrid(period, period, period, [0, 1], [0, 1], [0, 1], indexing="ij"), axis=-1).reshape(-1, 6)
    cell, mirror = grid[:, :3], grid[:, 3:]
    position = (1 - 2 * mirror) * talker + 2 * cell * size_m
    n_bounces = np.abs(cell - mirror).sum(axis=1) + np.abs(cell).sum(axis=1)
    path_m = np.linalg.norm(position - microphone, axis=1)
    return np.maximum(path_m, 0.05), reflection**n_bounces


def _tail(n_taps: int, rate_hz: int, decay_s: float, energy: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the late part [n_taps]: noise of a given energy against the direct sound, decaying, duller with time."""
    from scipy.signal import lfilter

    time_s = np.arange(n_taps) / rate_hz
    bright = rng.standard_normal(n_taps) * 10.0 ** (-3.0 * time_s / (0.5 * decay_s))
    dull = lfilter([0.25], [1.0, -0.75], rng.standard_normal(n_taps)) * 10.0 ** (-3.0 * time_s / decay_s)
    noise = (bright + 2.0 * dull) * np.clip(time_s / EARLY_S, 0.0, 1.0)
    noise *= np.sqrt(min(energy, 4.0) / max(1e-12, float(np.sum(noise**2))))
    return np.asarray(noise, dtype=np.float64)


def make_room_bank(n_rooms: int, rate_hz: int, seed: int = 0) -> NDArray[np.float32]:
    """Make the impulse responses of many rooms.

    Args:
        n_rooms: how many.
        rate_hz: sample rate.
        seed: chance.

    Returns:
        [n_rooms, n_taps].
    """
    rng = np.random.default_rng(seed)
    return np.stack([make_room(rate_hz, rng) for _ in range(n_rooms)])
