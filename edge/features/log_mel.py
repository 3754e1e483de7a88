"""Log-mel energies of the newest columns: the causal network's input.

In: float32 [n_fft + (n_columns - 1) * hop] samples that end with the frame's last. Out: float32
[1, n_mels, n_columns] of (10 log10(energy + floor) - offset_db) / scale_db. The last column's window ends exactly with
the frame's last sample: nothing of the future is needed and nothing of the present is left out.

Source: the filters are Slaney's Auditory Toolbox mel scale with unit area, as `librosa.filters.mel` (tested).
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from edge.features.fourier import real_spectrum
from edge.features.framing import FrameAxis
from edge.features.mel import mel_filters
from edge.features.parameters import bad_parameters, read_parameters
from edge.frames import Float32Array

_PARAMETERS = {
    "n_fft": int, "hop": int, "n_columns": int, "n_mels": int, "fmin_hz": float, "fmax_hz": float,
    "floor_db": float, "offset_db": float, "scale_db": float,
}  # fmt: skip
_SEQUENCE_BLOCK_FRAMES = 256  # of `compute_sequence`: 3 MiB of windows at n_fft 1024 and three columns


class LogMel:
    """Log-mel columns, not centred.

    Args:
        sample_rate_hz: Rate of the samples.
        n_fft: Length of the Fourier transform and of its periodic Hann window, samples.
        hop: Distance of columns, samples.
        n_columns: Columns per frame.
        n_mels: Mel bands.
        fmin_hz: Lower edge of the first band.
        fmax_hz: Upper edge of the last band.
        floor_db: Energy that is added before the logarithm, dB (as 10 log10 of it).
        offset_db: Subtracted from the level.
        scale_db: What the level is divided by after that.
    """

    kind = "log_mel"

    def __init__(
        self,
        sample_rate_hz: int,
        *,
        n_fft: int,
        hop: int,
        n_columns: int,
        n_mels: int,
        fmin_hz: float,
        fmax_hz: float,
        floor_db: float,
        offset_db: float,
        scale_db: float,
    ) -> None:
        self.n_fft = n_fft
        self.hop = hop
        self.window_samples = n_fft + (n_columns - 1) * hop
        self.shape = (1, n_mels, n_columns)
        filters = mel_filters(sample_rate_hz, n_fft, n_mels, fmin_hz, fmax_hz)
        used = np.flatnonzero(filters.any(axis=0))
        self._first_bin, self._end_bin = int(used[0]), int(used[-1]) + 1
        self._filters = np.ascontiguousarray(filters[:, self._first_bin : self._end_bin])
        self._floor = np.float32(10 ** (floor_db / 10))
        # (10 log10 e - offset) / scale = gain * log10 e - shift
        self._gain = np.float32(10 / scale_db)
        self._shift = np.float32(offset_db / scale_db)
        self._hann = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)).astype(np.float32)
        # Views are made here and not per frame: each costs more than the arithmetic on it.
        self._samples = np.empty(self.window_samples, np.float32)
        stride = self._samples.itemsize
        self._columns = as_strided(self._samples, (n_columns, n_fft), (hop * stride, stride), writeable=False)
        self._windowed = np.empty((n_columns, n_fft), np.float32)
        self._spectrum = np.empty((n_columns, n_fft // 2 + 1), np.complex64)
        self._parts = self._spectrum.view(np.float32)  # real and imaginary in turn
        bins = self._spectrum[:, self._first_bin : self._end_bin]
        self._real_squared, self._imaginary_squared = bins.real, bins.imag
        self._power = np.empty(bins.shape, np.float32)
        self._power_by_bin = self._power.T

    @classmethod
    def from_manifest(cls, features: Mapping[str, Any], sample_rate_hz: int, frame_rate: Fraction) -> LogMel:
        """Build from a manifest's `features`.

        Raises:
            ModelError: A parameter is missing, unknown or impossible.
        """
        values = read_parameters(features, cls.kind, _PARAMETERS)
        mistakes = [
            f"{name} is {values[name]}, not positive"
            for name in _PARAMETERS
            if values[name] <= 0 and (name in ("n_fft", "hop", "n_columns", "n_mels", "scale_db"))
        ]
        if values["n_fft"] % 2 or values["n_fft"] > 1 << 16:
            mistakes.append(f"n_fft {values['n_fft']} is not an even number up to 65536")
        if max(values["hop"], values["n_columns"], values["n_mels"]) > 1 << 16:
            mistakes.append("hop, n_columns and n_mels must be at most 65536")
        if not 0 <= values["fmin_hz"] < values["fmax_hz"] <= sample_rate_hz / 2:
            mistakes.append(
                f"fmin_hz {values['fmin_hz']} and fmax_hz {values['fmax_hz']} must rise within 0 to "
                f"{sample_rate_hz / 2} (half the sample rate)"
            )
        if not -200 <= values["floor_db"] <= 0:
            mistakes.append(f"floor_db {values['floor_db']} is outside -200 to 0")
        if mistakes:
            raise bad_parameters(cls.kind, mistakes)
        filters = mel_filters(sample_rate_hz, values["n_fft"], values["n_mels"], values["fmin_hz"], values["fmax_hz"])
        n_empty = int((~filters.any(axis=1)).sum())
        if n_empty:
            raise bad_parameters(cls.kind, [f"{n_empty} of {values['n_mels']} bands hold no frequency of n_fft"])
        return cls(sample_rate_hz, **values)

    def compute(self, window: Float32Array, out: Float32Array) -> None:
        """Write one frame's columns; allocates nothing.

        Args:
            window: float32 [window_samples], the last sample being the frame's last.
            out: float32 [1, n_mels, n_columns], C-contiguous; overwritten.
        """
        self._samples[:] = window
        np.multiply(self._columns, self._hann, out=self._windowed)
        real_spectrum(self._windowed, self._spectrum)
        np.square(self._parts, out=self._parts)
        np.add(self._real_squared, self._imaginary_squared, out=self._power)
        np.matmul(self._filters, self._power_by_bin, out=out[0])
        self._scale(out)

    def compute_sequence(self, samples: Float32Array, axis: FrameAxis) -> Float32Array:
        """Compute all frames of a recording at once, as `Framer` and `compute` would one by one.

        Args:
            samples: float32 [n_samples] from index 0 of the axis; before it counts as zeros.
            axis: Which samples a frame ends with.

        Returns:
            float32 [n_frames, n_mels, n_columns], a new array.
        """
        n_frames = axis.n_frames_within(len(samples))
        n_columns = self.shape[2]
        out = np.empty((n_frames, *self.shape[1:]), np.float32)
        padded = np.concatenate([np.zeros(self.window_samples, np.float32), samples.astype(np.float32, copy=False)])
        starts = np.array([axis.end_of(k) for k in range(n_frames)], np.int64)  # of the window, in `padded`
        offsets = self.hop * np.arange(n_columns)[:, None] + np.arange(self.n_fft)
        for first in range(0, n_frames, _SEQUENCE_BLOCK_FRAMES):
            block = starts[first : first + _SEQUENCE_BLOCK_FRAMES]
            rows = (padded[block[:, None, None] + offsets] * self._hann).reshape(-1, self.n_fft)
            spectrum = np.empty((len(rows), self.n_fft // 2 + 1), np.complex64)
            real_spectrum(rows, spectrum)
            bins = spectrum[:, self._first_bin : self._end_bin]
            energy = (np.square(bins.real) + np.square(bins.imag)) @ self._filters.T
            out[first : first + len(block)] = energy.reshape(len(block), n_columns, -1).transpose(0, 2, 1)
        self._scale(out)
        return out

    def _scale(self, energy: Float32Array) -> None:
        """Turn energies into the network's numbers, in place."""
        np.add(energy, self._floor, out=energy)
        np.log10(energy, out=energy)
        np.multiply(energy, self._gain, out=energy)
        np.subtract(energy, self._shift, out=energy)
