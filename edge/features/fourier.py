"""The Fourier transform of real rows into a buffer of the caller."""

from __future__ import annotations

import inspect

import numpy as np
from numpy.typing import NDArray

from edge.frames import Float32Array

_HAS_OUT = "out" in inspect.signature(np.fft.rfft).parameters  # since numpy 2.0, with a float32 transform


def real_spectrum(rows: Float32Array, out: NDArray[np.complex64]) -> None:
    """Write the spectrum of each row; allocates nothing where numpy can do without.

    Args:
        rows: float32 [n_rows, n_fft].
        out: complex64 [n_rows, n_fft // 2 + 1]; overwritten.
    """
    if _HAS_OUT:
        np.fft.rfft(rows, axis=-1, out=out)  # type: ignore[arg-type,unused-ignore]  # numpy types it complex128 only
    else:
        out[...] = np.fft.rfft(rows, axis=-1)
