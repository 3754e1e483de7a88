"""Numpy samples to the bytes of the wire."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FRAME_S = 0.1  # of sound in one message: a word gets through between two
MOST_CHANNELS = 2
_LOUDEST = 2.0  # beyond it, float samples are no sound in [-1, 1]


class SoundFormat:
    """How the samples of one utterance are sent; fixed by its first chunk.

    Args:
        first: The first chunk.
        rate_hz: Samples a second.

    Raises:
        TypeError: Neither float nor int16.
        ValueError: Neither [n], [n, 1] nor [n, 2], or the rate is not a positive whole number.
    """

    def __init__(self, first: NDArray[Any], rate_hz: int) -> None:
        if int(rate_hz) != rate_hz or rate_hz <= 0:
            raise ValueError(f"a rate of {rate_hz} Hz: give a positive whole number")
        self.rate_hz = int(rate_hz)
        self._is_float = _is_float(first)
        self.n_channels = _n_channels(first)
        self._frame_bytes = (4 if self._is_float else 2) * self.n_channels

    @property
    def name(self) -> str:
        """Return "f32le" or "s16le"."""
        return "f32le" if self._is_float else "s16le"

    def messages(self, samples: NDArray[Any]) -> list[bytes]:
        """Return a chunk as the bytes of messages of at most `FRAME_S`.

        Args:
            samples: [n], [n, 1] or [n, 2], float in [-1, 1] or int16, as the first chunk.

        Raises:
            TypeError: Another type than the first chunk's.
            ValueError: Other channels, samples that are not numbers, or far beyond [-1, 1].
        """
        if _is_float(samples) != self._is_float or _n_channels(samples) != self.n_channels:
            raise TypeError("a chunk of another type or of other channels than the first of its utterance")
        if self._is_float and samples.size:
            loudest = float(np.max(np.abs(samples)))
            if not np.isfinite(loudest):
                raise ValueError("samples that are not numbers (NaN or infinite)")
            if loudest > _LOUDEST:
                raise ValueError(f"a float sample of {loudest:g}: full scale is 1.0. Divide, or give int16")
        data = np.ascontiguousarray(samples, "<f4" if self._is_float else "<i2").tobytes()
        n_bytes = max(1, int(FRAME_S * self.rate_hz)) * self._frame_bytes
        return [data[i : i + n_bytes] for i in range(0, len(data), n_bytes)]

    def seconds(self, message: bytes) -> float:
        """Return how long a message sounds."""
        return len(message) / self._frame_bytes / self.rate_hz


def _is_float(samples: NDArray[Any]) -> bool:
    if samples.dtype == np.int16:
        return False
    if samples.dtype in (np.float32, np.float64):
        return True
    raise TypeError(f"samples of type {samples.dtype}: give float32 in [-1, 1] or int16")


def _n_channels(samples: NDArray[Any]) -> int:
    n_channels = samples.shape[1] if samples.ndim == 2 else 1
    if samples.ndim not in (1, 2) or not 1 <= n_channels <= MOST_CHANNELS:
        raise ValueError(f"samples of shape {samples.shape}: give [n] or [n, 2]")
    return n_channels
