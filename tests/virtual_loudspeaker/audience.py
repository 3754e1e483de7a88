"""Who hears the virtual loudspeakers: what was played, when, and what is wrong with the loudspeaker.

`write_configuration` compiles virtual_loudspeaker.c and makes ALSA devices of it, `Audience` is the control of one of
them. The layouts are those of `struct page` and `struct run`.
"""

from __future__ import annotations

import mmap
import os
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.requirements import need
from tests.virtual_microphone.air import Device, why_not
from tests.virtual_microphone.studio import let_go_of_portaudio

PAGE_BYTES = 4096
MAX_RUNS = 2048
KEPT_S = 40.0  # of the newest sound
FAULTS = {"none": 0, "unplugged": 1, "stalled": 2, "busy": 3, "underrun": 4, "hung": 5}
_SOURCE = Path(__file__).with_name("virtual_loudspeaker.c")
_RUN = np.dtype([("start_ns", "<i8"), ("first_frame", "<u8"), ("n_played", "<u8"), ("clock_error_ppm", "<i8")])
_OFFSETS = {
    "fault": (8, "I"),
    "n_channels": (12, "I"),
    "clock_error_ppm": (16, "q"),
    "granule_frames": (24, "Q"),
    "n_opens": (32, "Q"),
    "n_starts": (40, "Q"),
    "n_underruns": (48, "Q"),
    "n_runs": (56, "Q"),
    "n_frames": (64, "Q"),
}


@dataclass(frozen=True)
class Heard:
    """A stretch that was played without a pause.

    Attributes:
        samples: float32 [n, n_channels], full scale = 1.0.
        start_s: CLOCK_MONOTONIC time at which the first left the converter.
        sample_s: True seconds a sample lasted.
    """

    samples: NDArray[np.float32]
    start_s: float
    sample_s: float

    def times(self) -> NDArray[np.float64]:
        """Return when each sample left, [n]."""
        return self.start_s + np.arange(len(self.samples)) * self.sample_s


class Audience:
    """What one virtual loudspeaker plays."""

    def __init__(self, path: Path, device: Device) -> None:
        self._device = device
        n_bytes = PAGE_BYTES + MAX_RUNS * _RUN.itemsize + int(KEPT_S * device.rate_hz) * device.n_channels * 4
        if not path.exists():
            with path.open("wb") as file:
                file.write(b"AUEDGE02")
                file.truncate(n_bytes)
        descriptor = os.open(path, os.O_RDWR)
        self._map = mmap.mmap(descriptor, 0)
        os.close(descriptor)
        self._set("n_channels", device.n_channels)

    def fault(self, name: str) -> None:
        """Break the loudspeaker ("unplugged", "stalled", "hung", "busy", "underrun") or repair it ("none")."""
        self._set("fault", FAULTS[name])

    def run_fast(self, ppm: int) -> None:
        """Let the device's clock be wrong from the next start on."""
        self._set("clock_error_ppm", ppm)

    def move_in_steps(self, n_frames: int) -> None:
        """Let the device tell its position in steps of so many frames."""
        self._set("granule_frames", n_frames)

    def __getitem__(self, name: str) -> int:
        """Return a value of the page, by its name in `struct page`."""
        offset, kind = _OFFSETS[name]
        return int(struct.unpack_from("<" + kind, self._map, offset)[0])

    def heard(self) -> list[Heard]:
        """Return what was played and is still kept, oldest first."""
        n_runs = self["n_runs"]
        table = np.frombuffer(self._map, _RUN, MAX_RUNS, PAGE_BYTES).copy()
        sound = np.frombuffer(self._map, "<i4", -1, PAGE_BYTES + MAX_RUNS * _RUN.itemsize)
        sound = sound.reshape(-1, self._device.n_channels)
        oldest = max(0, self["n_frames"] - len(sound) + self._device.rate_hz)  # a second is about to be overwritten
        found = []
        for number in range(max(0, n_runs - MAX_RUNS), n_runs):
            run = table[number % MAX_RUNS]
            first, n = int(run["first_frame"]), int(run["n_played"])
            n_gone = max(0, oldest - first)
            if n <= n_gone:
                continue
            sample_s = 1.0 / (self._device.rate_hz * (1.0 + int(run["clock_error_ppm"]) * 1e-6))
            kept = sound[np.arange(first + n_gone, first + n) % len(sound)]
            samples = (kept.astype(np.float64) / 2.0**31).astype(np.float32)
            found.append(Heard(samples, int(run["start_ns"]) * 1e-9 + n_gone * sample_s, sample_s))
        return found

    def heard_at_once(self) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Return all that was heard of the first channel, [n], and when, [n]."""
        runs = self.heard()
        if not runs:
            return np.zeros(0, np.float32), np.zeros(0)
        return np.concatenate([run.samples[:, 0] for run in runs]), np.concatenate([run.times() for run in runs])

    def _set(self, name: str, value: int) -> None:
        offset, kind = _OFFSETS[name]
        struct.pack_into("<" + kind, self._map, offset, value)


def build_plugin(folder: Path) -> Path:
    """Compile the plug-in into a folder and return the library."""
    library = folder / "libasound_module_pcm_au_edge_audience.so"
    if not library.exists():
        command = ["gcc", "-shared", "-fPIC", "-O2", "-DPIC", "-Wall", "-Wextra", "-Werror", "-o", library, _SOURCE]
        subprocess.run([*command, "-lasound"], check=True, capture_output=True)
    return library


def write_configuration(folder: Path, devices: list[Device]) -> Path:
    """Make ALSA devices of the plug-in, each with `folder/NAME.audience`; return the file for ALSA_CONFIG_PATH."""
    library = build_plugin(folder)
    lines = ["</usr/share/alsa/alsa.conf>", f'pcm_type.au_edge_audience {{ lib "{library}" }}']
    for device in devices:
        path = folder / f"{device.name}.audience"
        Audience(path, device)
        lines.append(
            f'pcm.{device.name} {{ type au_edge_audience audience "{path}" rate {device.rate_hz} '
            f"channels {device.n_channels} format {device.sample_format} }}"
        )
    path = folder / "asound.conf"
    path.write_text("\n".join(lines) + "\n")
    return path


@contextmanager
def open_hall(folder: Path, devices: list[Device]) -> Iterator[dict[str, Audience]]:
    """Yield the audience of each loudspeaker by its name; they are the only devices that ALSA shows to this process."""
    missing = why_not()
    need("microphone", not missing, f"the virtual loudspeaker cannot be built; {missing}")
    let_go_of_portaudio()
    configuration = write_configuration(folder, devices)
    before = os.environ.get("ALSA_CONFIG_PATH")
    os.environ["ALSA_CONFIG_PATH"] = str(configuration)
    try:
        yield {device.name: Audience(folder / f"{device.name}.audience", device) for device in devices}
    finally:
        if before is None:
            del os.environ["ALSA_CONFIG_PATH"]
        else:
            os.environ["ALSA_CONFIG_PATH"] = before
