"""How much sound lies between driver and callback, which PyAudio cannot say.

By default PortAudio's ALSA ring holds 10 to 20 ms, and the callback needs the interpreter's lock: a collection of
garbage or a long call in C that holds it longer loses sound. A larger ring costs no latency, since the callback comes
at every period as before. Where sound is played it does cost: the ring is kept full, so what is written leaves that
much later, and what was written cannot be taken back. PyAudio passes `PaDeviceInfo.defaultLowInputLatency` (or
`...Output...`) as the latency that it suggests, and PortAudio makes the ring of that latency plus one period; so the
field is written before a stream is opened.

Source: portaudio.h (PaDeviceInfo, structure version 2) and pa_linux_alsa.h (PaAlsa_SetNumPeriods) of PortAudio 19.
"""

from __future__ import annotations

import ctypes
import math

CAPTURE_RING_S = 0.3  # three times the longest hold of the interpreter's lock that must lose nothing
PLAYBACK_RING_S = 0.05  # a hold of 40 ms is not heard, and a loudspeaker is silent 60 ms after it was told to be
MIN_PERIODS = 4
_STRUCTURE_VERSION = 2
_HAIR_S = 1e-4  # latency plus period must stay below the ring, or PortAudio doubles the period


class _DeviceInfo(ctypes.Structure):
    _fields_ = (
        ("structVersion", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("hostApi", ctypes.c_int),
        ("maxInputChannels", ctypes.c_int),
        ("maxOutputChannels", ctypes.c_int),
        ("defaultLowInputLatency", ctypes.c_double),
        ("defaultLowOutputLatency", ctypes.c_double),
        ("defaultHighInputLatency", ctypes.c_double),
        ("defaultHighOutputLatency", ctypes.c_double),
        ("defaultSampleRate", ctypes.c_double),
    )


def size_ring(library_path: str, device_index: int, rate_hz: int, period_samples: int, ring_s: float) -> int:
    """Ask for a ring of this length for the streams that will be opened on a device.

    Args:
        library_path: The extension module of PyAudio, which is linked to PortAudio.
        device_index: PortAudio's index; PortAudio must be initialised.
        rate_hz: Rate that the stream will have.
        period_samples: Period that it will have.
        ring_s: Length; rounded up to whole periods.

    Returns:
        The number of periods asked for, or 0 where this PortAudio cannot be asked.
    """
    n_periods = max(MIN_PERIODS, math.ceil(ring_s * rate_hz / period_samples))
    try:
        library = ctypes.CDLL(library_path)  # symbols are found through it in the library it is linked to
        get_info = library.Pa_GetDeviceInfo
        set_periods = library.PaAlsa_SetNumPeriods
    except (OSError, AttributeError):
        return 0
    get_info.restype = ctypes.POINTER(_DeviceInfo)
    get_info.argtypes = [ctypes.c_int]
    set_periods.argtypes = [ctypes.c_int]
    info = get_info(device_index)
    if not info or info.contents.structVersion != _STRUCTURE_VERSION:
        return 0
    set_periods(n_periods)
    latency_s = (n_periods - 1) * period_samples / rate_hz - _HAIR_S
    info.contents.defaultLowInputLatency = info.contents.defaultLowOutputLatency = latency_s
    return n_periods
