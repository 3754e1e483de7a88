"""Keep ALSA's plug-ins loaded, which it would load and unload at every initialisation of PortAudio.

PortAudio opens every ALSA device to list it, and frees ALSA's configuration when it is terminated. Each time the
plug-ins (resamplers, encoders, sound servers) and the libraries behind them are loaded anew, and some of those lose
what they allocate when they are loaded: 13 KB a round were measured with Debian's libasound2-plugins. A program that
waits for its microphone for days must not grow by that. A library that is held open is not unloaded.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

PLUGIN_FOLDER = "alsa-lib"
_held: dict[str, ctypes.CDLL] = {}


def hold_plugins(maps: str | None = None) -> int:
    """Hold every plug-in that is loaded now, for the life of the process; to be called after an initialisation.

    Args:
        maps: Content of /proc/self/maps; read from there by default.

    Returns:
        How many are held.
    """
    if maps is None:
        try:
            maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return len(_held)  # not Linux, or no /proc: they are loaded anew
    for path in {line[line.index("/") :] for line in maps.splitlines() if f"/{PLUGIN_FOLDER}/" in line}:
        if path not in _held:
            try:
                _held[path] = ctypes.CDLL(path)
            except OSError:
                continue  # replaced by an update while we run
    return len(_held)
