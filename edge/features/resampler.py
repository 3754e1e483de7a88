"""Streaming change of the sample rate: any rate of a microphone to the network's, 1.5 ms late.

In: stretches of sound on the source's sample axis. Out: stretches on the output's axis, on which sample n is the sound
at source position n * source_rate / output_rate, exactly and for ever: the filter has linear phase, so it delays when a
sample is known, not which instant it stands for.

A polyphase windowed sinc of 3 ms. It is short so that the face is early; the price is a transition band of 1.2 kHz
about the lower of the two Nyquist frequencies. (libsamplerate's fastest sinc has 1.8 ms but no wheel for aarch64; soxr
holds back more than 10 ms.)

Source: Kaiser and Schafer, "On the use of the I0-sinh window for spectrum analysis", IEEE ASSP 28 (1980), for the
window's shape and the width of the transition.
"""

from __future__ import annotations

from math import ceil, gcd

import numpy as np
from numpy.typing import NDArray

from edge.errors import ConfigurationError
from edge.frames import Float32Array

MIN_RATE_HZ, MAX_RATE_HZ = 8_000, 192_000
_HALF_S = 1.5e-3  # half the filter's length, which is its delay
_STOPBAND_DB = 60.0
_KAISER_BETA = 0.1102 * (_STOPBAND_DB - 8.7)
_TRANSITION_HZ = (_STOPBAND_DB - 7.95) / (14.36 * 2 * _HALF_S)  # 1208 Hz
_SHAPES = np.linspace(0.0, 1.0, 16_385)
_WINDOW = np.i0(_KAISER_BETA * _SHAPES)
_MIN_PATTERN = 32  # output samples that the filter matrix holds at least, so that one product makes many
_MAX_MATRIX_SIZE = 1 << 21  # 8 MiB; every pair of usual rates needs less
_MAX_PRODUCT_SIZE = 9_000  # OpenBLAS starts threads for a matrix-vector product from 9216 elements on
_N_PHASES = 1024  # per source sample, for pairs of rates with a larger pattern: the nearest is taken, -70 dB
_GATHER_BLOCK_SAMPLES = 128
_CHUNK_ROOM_SAMPLES = 16_384


class Resampler:
    """Change the rate of a stream; where the rates agree, hand it through.

    The output does not depend on how the sound was cut into chunks. A jump ahead of `start_index` is a gap: the past
    becomes zeros and the output's index jumps too; the last 1.5 ms before a gap are lost with it.

    Args:
        source_rate_hz: 8 to 192 kHz.
        output_rate_hz: 8 to 192 kHz.

    Raises:
        ConfigurationError: A rate outside.
    """

    def __init__(self, source_rate_hz: int, output_rate_hz: int) -> None:
        for rate_hz in (source_rate_hz, output_rate_hz):
            if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
                raise ConfigurationError(
                    f"resampling from {source_rate_hz} Hz to {output_rate_hz} Hz",
                    f"{rate_hz} Hz is outside {MIN_RATE_HZ} to {MAX_RATE_HZ}",
                    "Choose another rate of the microphone or convert the file",
                )
        self.source_rate_hz = source_rate_hz
        self.output_rate_hz = output_rate_hz
        divisor = gcd(source_rate_hz, output_rate_hz)
        repeats = max(1, _MIN_PATTERN * divisor // output_rate_hz)  # 48 to 16 kHz: 32 from 96, not 1 from 3
        self._up, self._down = repeats * output_rate_hz // divisor, repeats * source_rate_hz // divisor
        self.is_pass_through = source_rate_hz == output_rate_hz
        self._half = 0 if self.is_pass_through else ceil(_HALF_S * source_rate_hz)
        self._n_taps = 2 * self._half
        self._buffer = np.zeros(self._n_taps + _CHUNK_ROOM_SAMPLES, np.float32)
        self._base = 0  # absolute source index of _buffer[0]
        self._n_filled = 0
        self._next_out = 0
        self._has_begun = False
        self._out = np.empty(_CHUNK_ROOM_SAMPLES, np.float32)
        self._matrix: Float32Array | None = None
        if not self.is_pass_through:
            self._prepare()

    @property
    def delay_samples(self) -> int:
        """Return how many source samples after its own instant an output sample is known."""
        return self._half

    @property
    def delay_s(self) -> float:
        """Return the same in seconds."""
        return self._half / self.source_rate_hz

    def source_position(self, output_index: int) -> float:
        """Return where on the source's axis an output sample stands."""
        return output_index * self._down / self._up

    def process(self, samples: Float32Array, start_index: int) -> tuple[Float32Array, int]:
        """Take in sound and return what is known of the output.

        Args:
            samples: float32 [n], any n.
            start_index: Absolute index of samples[0] on the source's axis.

        Returns:
            float32 [m], valid until the next call, and the absolute index of its first sample on the output's axis.

        Raises:
            ValueError: `start_index` lies before sound that has already come.
        """
        if self.is_pass_through:
            return samples, start_index
        end = self._base + self._n_filled
        if self._has_begun and start_index < end:
            raise ValueError(f"sound at {start_index} comes again: the stream is at {end} already")
        if not self._has_begun or start_index > end:
            self._restart(start_index)
        self._append(samples)
        # Output n needs the source up to floor(n * down / up) + half.
        known = -(-(self._base + self._n_filled - self._half) * self._up // self._down)
        first, count = self._next_out, max(0, known - self._next_out)
        if count > len(self._out):
            self._out = np.empty(count, np.float32)
        out = self._out[:count]
        if self._matrix is not None:
            self._filter_by_matrix(self._matrix, first, out)
        else:
            self._filter_by_phase(first, out)
        self._next_out += count
        return out, first

    def finish(self) -> tuple[Float32Array, int]:
        """Return the rest of the output, as if silence followed; the stream has then ended."""
        end = self._base + self._n_filled
        rest = self.process(np.zeros(self._half, np.float32), end)
        self.reset()
        return rest

    def reset(self) -> None:
        """Forget everything: the next call begins a stream anew."""
        self._has_begun = False

    def _restart(self, start_index: int) -> None:
        """Continue at a source index with a past of zeros."""
        self._buffer[: self._n_taps] = 0
        self._base = start_index - self._n_taps
        self._n_filled = self._n_taps
        self._next_out = -(-start_index * self._up // self._down)
        self._has_begun = True

    def _append(self, samples: Float32Array) -> None:
        """Put sound behind what is still needed."""
        n_new = len(samples)
        if self._n_filled + n_new > len(self._buffer):
            first_needed = self._next_out * self._down // self._up - self._half + 1 - self._base
            n_kept = self._n_filled - first_needed
            source = self._buffer
            if n_kept + n_new > len(source):
                self._buffer = np.zeros(n_kept + n_new + _CHUNK_ROOM_SAMPLES, np.float32)
            self._buffer[:n_kept] = source[first_needed : self._n_filled]
            self._base += first_needed
            self._n_filled = n_kept
        self._buffer[self._n_filled : self._n_filled + n_new] = samples
        self._n_filled += n_new

    def _prepare(self) -> None:
        """Make the filter's tables and buffers."""
        if self._up * (self._down + self._n_taps) <= _MAX_MATRIX_SIZE:
            self._matrix = np.zeros((self._up, self._down + self._n_taps), np.float32)
            taps = self._taps(np.arange(self._up) * self._down % self._up / self._up)
            for row in range(self._up):
                first = row * self._down // self._up
                self._matrix[row, first : first + self._n_taps] = taps[row]
            rows = _MAX_PRODUCT_SIZE // (self._n_taps + 1)
            while rows > 1 and rows * (rows * self._down // self._up + self._n_taps) > _MAX_PRODUCT_SIZE:
                rows -= 1
            self._rows_per_product = rows
            return
        # Where the rate falls, filters are as much longer and differ as much less from phase to phase.
        lower = min(self.source_rate_hz, self.output_rate_hz) / self.source_rate_hz
        self._n_phases = ceil(_N_PHASES * lower)
        self._phases = self._taps(np.arange(self._n_phases + 1) / self._n_phases)
        shape = (_GATHER_BLOCK_SAMPLES, self._n_taps)
        self._gathered, self._gathered_taps = np.empty(shape, np.float32), np.empty(shape, np.float32)

    def _taps(self, fractions: NDArray[np.float64]) -> Float32Array:
        """Return the filters, float32 [n, n_taps], of output samples that lie these fractions after a source sample."""
        nyquist_hz = min(self.source_rate_hz, self.output_rate_hz) / 2
        cutoff = 2 * (nyquist_hz - _TRANSITION_HZ / 4) / self.source_rate_hz
        distance = np.arange(1 - self._half, self._half + 1) - fractions[:, None]  # source samples
        shape = np.sqrt(np.maximum(0.0, 1 - (distance / self._half) ** 2))
        taps = np.sinc(cutoff * distance) * np.interp(shape, _SHAPES, _WINDOW)  # np.i0 itself takes half a second
        normalised: Float32Array = (taps / taps.sum(axis=1, keepdims=True)).astype(np.float32)
        return normalised

    def _filter_by_matrix(self, matrix: Float32Array, first: int, out: Float32Array) -> None:
        """Filter where the pattern of phases is short: rows of a band matrix times the sound."""
        done = 0
        while done < len(out):
            block, row = divmod(first + done, self._up)
            end_row = min(row + self._rows_per_product, self._up, row + len(out) - done)
            left = row * self._down // self._up
            right = (end_row - 1) * self._down // self._up + self._n_taps
            at = block * self._down - self._half + 1 - self._base
            sound = self._buffer[at + left : at + right]
            np.matmul(matrix[row:end_row, left:right], sound, out=out[done : done + end_row - row])
            done += end_row - row

    def _filter_by_phase(self, first: int, out: Float32Array) -> None:
        """Filter at any pair of rates: each sample with the filter of the nearest of 1024 phases."""
        tap = np.arange(self._n_taps)
        for done in range(0, len(out), _GATHER_BLOCK_SAMPLES):
            n = min(_GATHER_BLOCK_SAMPLES, len(out) - done)
            position = (first + done + np.arange(n)) * self._down
            phase = ((position % self._up) * self._n_phases + self._up // 2) // self._up
            at = position // self._up - self._half + 1 - self._base
            np.take(self._buffer, at[:, None] + tap, out=self._gathered[:n], mode="clip")
            np.take(self._phases, phase, axis=0, out=self._gathered_taps[:n], mode="clip")
            np.einsum("kt,kt->k", self._gathered[:n], self._gathered_taps[:n], out=out[done : done + n])
