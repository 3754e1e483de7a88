"""The paper's input: the log-magnitude spectrogram of the newest 90 ms, normalised to its own maximum.

In: float32 [3968] at 44.1 kHz. Out: float32 [1, 1, 128, 32] in [0, 1], where 0 is the loudest bin of the window and 1
is 80 dB below it. Silence gives 0 everywhere, since every bin is then as loud as the maximum: the level of the sound
has to be known beside it.

Source: Pham, Wang, Pavlovic, "End-to-end Learning for 3D Facial Animation from Raw Waveforms of Speech",
arXiv 1710.00920, section 3; equal to librosa's `stft` and `amplitude_to_db(ref=max)` (tested).
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from edge.features.fourier import real_spectrum
from edge.features.parameters import bad_parameters, read_parameters
from edge.frames import Float32Array

_PARAMETERS = {"n_fft": int, "hop": int, "n_columns": int, "floor_db": float, "padding": str}
_MIN_POWER = 1e-10  # librosa's amin = 1e-5 as amplitude: nothing is quieter than this


class PaperSpectrogram:
    """Spectrogram of one window, columns centred, zeros beyond both ends.

    Args:
        n_fft: Length of the Fourier transform and of its periodic Hann window, samples.
        hop: Distance of columns, samples.
        n_columns: Columns; the window is (n_columns - 1) * hop long.
        floor_db: Level below the maximum at which the output is 1 (negative).
    """

    kind = "paper_spectrogram"

    def __init__(self, n_fft: int = 256, hop: int = 128, n_columns: int = 32, floor_db: float = -80.0) -> None:
        self.window_samples = (n_columns - 1) * hop
        n_rows = n_fft // 2  # the Nyquist row is dropped
        self.shape = (1, 1, n_rows, n_columns)
        self._floor_db = np.float32(floor_db)
        self._pad = n_fft // 2
        self._hann = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)).astype(np.float32)
        self._padded = np.zeros(self.window_samples + 2 * self._pad, np.float32)
        self._columns = as_strided(self._padded, (n_columns, n_fft), (4 * hop, 4), writeable=False)
        self._windowed = np.empty((n_columns, n_fft), np.float32)
        self._spectrum = np.empty((n_columns, n_rows + 1), np.complex64)
        self._power = np.empty((n_columns, n_rows), np.float32)
        self._square = np.empty((n_columns, n_rows), np.float32)

    @classmethod
    def from_manifest(cls, features: Mapping[str, Any], sample_rate_hz: int, frame_rate: Fraction) -> PaperSpectrogram:
        """Build from a manifest's `features`.

        Raises:
            ModelError: A parameter is missing, unknown or impossible.
        """
        values = read_parameters(features, cls.kind, _PARAMETERS)
        mistakes = []
        if values["n_fft"] < 4 or values["n_fft"] % 2:
            mistakes.append(f"n_fft {values['n_fft']} is not an even number of at least 4")
        if not 0 < values["hop"] <= values["n_fft"]:
            mistakes.append(f"hop {values['hop']} is outside 1 to n_fft")
        if not 1 < values["n_columns"] <= 4096:
            mistakes.append(f"n_columns {values['n_columns']} is outside 2 to 4096")
        if not -200 <= values["floor_db"] < 0:
            mistakes.append(f"floor_db {values['floor_db']} is outside -200 to 0")
        if values["padding"] != "constant":
            mistakes.append(f"padding {values['padding']!r} is not 'constant' (zeros)")
        if mistakes:
            raise bad_parameters(cls.kind, mistakes)
        return cls(values["n_fft"], values["hop"], values["n_columns"], values["floor_db"])

    def compute(self, window: Float32Array, out: Float32Array) -> None:
        """Write one window's spectrogram; allocates nothing.

        Args:
            window: float32 [window_samples].
            out: float32 [1, 1, n_rows, n_columns], C-contiguous; overwritten.
        """
        self._padded[self._pad : self._pad + self.window_samples] = window
        np.multiply(self._columns, self._hann, out=self._windowed)
        real_spectrum(self._windowed, self._spectrum)
        bins = self._spectrum[:, :-1]
        np.square(bins.real, out=self._power)
        np.square(bins.imag, out=self._square)
        np.add(self._power, self._square, out=self._power)
        np.maximum(self._power, _MIN_POWER, out=self._power)
        loudest = self._power.max()
        level = np.divide(self._power, loudest, out=self._power)  # (0, 1]
        np.log10(level, out=level)
        np.multiply(level, np.float32(10.0) / self._floor_db, out=level)  # dB / floor: 0 is the loudest
        np.minimum(level, np.float32(1.0), out=out[0, 0].T)
