"""Silence from ALSA and JACK, which print a page of complaints to stderr whenever PortAudio lists the devices."""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from collections.abc import Iterator

_HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p)
_JACK_HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_char_p)
_standard_error = threading.Lock()  # there is one in a process
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


@contextlib.contextmanager
def refusals_unprinted() -> Iterator[None]:
    """Turn stderr away from PortAudio for as long as this takes.

    It prints "Expression ... failed" for every rate and sample type that a device refuses while it is asked; and it has
    no switch for that. What is refused is returned all the same, and said by the caller. The log has a way of its own.
    """
    if not _standard_error.acquire(blocking=False):  # somebody has it turned away already, and may hang
        yield
        return
    try:
        try:
            kept = os.dup(2)
        except OSError:  # closed: nothing prints
            yield
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
    finally:
        _standard_error.release()
