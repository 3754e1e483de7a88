"""The Fourier transform of real rows into a buffer of the caller."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.frames import Float32Array

_HAS_OUT = "out" in inspect.signature(np.fft.rfft).parameters  # since numpy 2.0, with a float32 transform


def _transform_of_even_rows() -> Any:
    """Return numpy's own transform without the checks around it, or None where numpy has it elsewhere.

    Between two frames all of that leaves the cache: fetched again, the checks cost as much as the transform.
    """
    try:
        found = importlib.import_module("numpy.fft._pocketfft_umath").rfft_n_even
        rows = np.arange(12, dtype=np.float32).reshape(2, 6) ** 2
        out = np.empty((2, 4), np.complex64)
        found(rows, 1, out=out)
    except Exception:  # private, and free to change in any way
        return None
    return found if np.allclose(out, np.fft.rfft(rows, axis=-1), rtol=1e-5) else None


_RFFT_EVEN = _transform_of_even_rows()


def real_spectrum(rows: Float32Array, out: NDArray[np.complex64]) -> None:
    """Write the spectrum of each row; allocates nothing where numpy can do without.

    Args:
        rows: float32 [n_rows, n_fft].
        out: complex64 [n_rows, n_fft // 2 + 1]; overwritten.
    """
    if _RFFT_EVEN is not None and rows.shape[-1] % 2 == 0:
        _RFFT_EVEN(rows, 1, out=out)
    elif _HAS_OUT:
        np.fft.rfft(rows, axis=-1, out=out)  # type: ignore[arg-type,unused-ignore]  # numpy types it complex128 only
    else:
        out[...] = np.fft.rfft(rows, axis=-1)
