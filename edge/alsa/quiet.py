"""Silence from ALSA and JACK, which print a page of complaints to stderr whenever PortAudio lists the devices."""

from __future__ import annotations

import ctypes
import os

_HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p)
_JACK_HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_char_p)
_kept: list[object] = []  # a handler that C still calls must never be collected


def silence_alsa_and_jack() -> None:
    """Drop what the two libraries would print, for the life of the process; what they return is not changed."""
    if _kept:
        return
    os.environ.setdefault("JACK_NO_START_SERVER", "1")
    handler = _HANDLER(lambda *_: None)
    jack_handler = _JACK_HANDLER(lambda _: None)
    _kept.extend((handler, jack_handler))
    try:
        alsa = ctypes.CDLL("libasound.so.2")
        alsa.snd_lib_error_set_handler.argtypes = [_HANDLER]
        alsa.snd_lib_error_set_handler(handler)
    except (OSError, AttributeError):
        pass  # no ALSA: nothing prints
    try:
        jack = ctypes.CDLL("libjack.so.0")
        for name in ("jack_set_error_function", "jack_set_info_function"):
            setter = getattr(jack, name)
            setter.argtypes = [_JACK_HANDLER]
            setter(jack_handler)
    except (OSError, AttributeError):
        pass  # no JACK: nothing prints
