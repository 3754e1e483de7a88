"""The air that the virtual microphones hear: what sounds, when, and what is wrong with the microphone.

`build_plugin` compiles virtual_microphone.c, `write_configuration` makes ALSA devices of it, `Air` is the control of
one of them. The layout of the page is that of `struct air_page`.
"""

from __future__ import annotations

import mmap
import os
import shutil
import struct
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PAGE_BYTES = 4096
FAULTS = {"none": 0, "unplugged": 1, "stalled": 2, "busy": 3, "overrun": 4, "wedged": 5, "hung": 6}
_SOURCE = Path(__file__).with_name("virtual_microphone.c")
_OFFSETS = {
    "fault": (8, "I"),
    "n_channels": (12, "I"),
    "sound_start_ns": (16, "q"),
    "n_frames": (24, "Q"),
    "clock_error_ppm": (32, "q"),
    "n_opens": (40, "Q"),
    "n_starts": (48, "Q"),
    "n_overruns": (56, "Q"),
    "stream_start_ns": (64, "q"),
    "stream_first_index": (72, "q"),
    "n_captured": (80, "Q"),
}


@dataclass(frozen=True)
class Device:
    """One virtual microphone: an ALSA device of this name with fixed properties, like a sound card."""

    name: str
    rate_hz: int = 48_000
    n_channels: int = 1
    sample_format: str = "S16_LE"


class Air:
    """What one virtual microphone hears."""

    def __init__(self, path: Path, n_channels: int = 1, seconds: float = 12.0, rate_hz: int = 48_000) -> None:
        if not path.exists():
            with path.open("wb") as file:
                file.write(b"AUEDGE01")
                file.truncate(PAGE_BYTES + int(seconds * rate_hz) * n_channels * 4)
        descriptor = os.open(path, os.O_RDWR)
        self._map = mmap.mmap(descriptor, 0)
        os.close(descriptor)
        self._set("n_channels", n_channels)
        self.rate_hz = rate_hz
        self.sound: NDArray[np.int32] = np.zeros((0, n_channels), np.int32)

    def play(self, sound: NDArray[np.int32]) -> None:
        """Let a sound, int32 [n, n_channels], be heard from now on, again and again."""
        data = np.ascontiguousarray(sound, "<i4").tobytes()
        self._set("n_frames", 0)
        self._map[PAGE_BYTES : PAGE_BYTES + len(data)] = data
        self._set("n_channels", sound.shape[1])
        self._set("sound_start_ns", time.monotonic_ns())
        self._set("n_frames", len(sound))
        self.sound = sound

    def fault(self, name: str) -> None:
        """Break the microphone ("unplugged", "stalled", "busy", "overrun", "wedged", "hung") or repair it ("none")."""
        self._set("fault", FAULTS[name])

    def run_fast(self, ppm: int) -> None:
        """Let the device's clock be wrong from the next start on."""
        self._set("clock_error_ppm", ppm)

    def __getitem__(self, name: str) -> int:
        """Return a value of the page, by its name in `struct air_page`."""
        offset, kind = _OFFSETS[name]
        return int(struct.unpack_from("<" + kind, self._map, offset)[0])

    def time_of(self, index: int) -> float:
        """Return the CLOCK_MONOTONIC second at which a sample of the sound is at the microphone."""
        return self["sound_start_ns"] / 1e9 + index / self.rate_hz

    def index_at(self, time_s: float) -> float:
        """Return which sample of the sound is at the microphone at a time."""
        return (time_s - self["sound_start_ns"] / 1e9) * self.rate_hz

    def _set(self, name: str, value: int) -> None:
        offset, kind = _OFFSETS[name]
        struct.pack_into("<" + kind, self._map, offset, value)


def why_not() -> str:
    """Return what is missing to build the virtual microphone, or nothing."""
    missing = [] if shutil.which("gcc") else ["gcc"]
    if not Path("/usr/include/alsa/pcm_external.h").exists():
        missing.append("libasound2-dev")
    try:
        import pyaudio  # noqa: F401
    except ImportError:
        missing.append("PyAudio (with portaudio19-dev)")
    return f"install {' '.join(missing)}" if missing else ""


def build_plugin(folder: Path) -> Path:
    """Compile the plug-in into a folder and return the library."""
    library = folder / "libasound_module_pcm_au_edge_air.so"
    if not library.exists():
        command = ["gcc", "-shared", "-fPIC", "-O2", "-DPIC", "-Wall", "-Wextra", "-Werror", "-o", library, _SOURCE]
        subprocess.run([*command, "-lasound"], check=True, capture_output=True)
    return library


def write_configuration(folder: Path, devices: list[Device]) -> Path:
    """Make ALSA devices of the plug-in, their air in `folder/NAME.air`, and return the file for ALSA_CONFIG_PATH."""
    library = build_plugin(folder)
    lines = ["</usr/share/alsa/alsa.conf>", f'pcm_type.au_edge_air {{ lib "{library}" }}']
    for device in devices:
        Air(folder / f"{device.name}.air", device.n_channels, rate_hz=device.rate_hz)
        lines.append(
            f'pcm.{device.name} {{ type au_edge_air air "{folder / device.name}.air" rate {device.rate_hz} '
            f"channels {device.n_channels} format {device.sample_format} }}"
        )
    path = folder / "asound.conf"
    path.write_text("\n".join(lines) + "\n")
    return path
