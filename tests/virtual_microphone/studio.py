"""Virtual microphones with known sound, and the comparison of what was heard with what was there."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.frames import AudioChunk
from tests.requirements import need
from tests.virtual_microphone.air import Air, Device, why_not, write_configuration

SOUND_S = 11.0  # random, so that a hundred samples of it are found nowhere else
SEARCH_SAMPLES = 2000


class Studio:
    """Virtual microphones of one ALSA configuration, each hearing its own random sound."""

    def __init__(self, folder: Path, devices: list[Device]) -> None:
        self.configuration = write_configuration(folder, devices)
        self.devices = {device.name: device for device in devices}
        self.airs = {}
        for number, device in enumerate(devices):
            air = Air(folder / f"{device.name}.air", device.n_channels, rate_hz=device.rate_hz)
            shape = (int(SOUND_S * device.rate_hz), device.n_channels)
            random = np.random.default_rng(number)
            air.play(random.integers(-(2**30), 2**30, shape, dtype=np.int32))
            self.airs[device.name] = air

    def truth(self, name: str, channel: int | None = 0) -> Truth:
        """Return what one microphone's channel (or the mean of all) gives, in its own resolution."""
        return Truth(self.airs[name], self.devices[name].sample_format, channel)


class Truth:
    """The sound of one channel as the converter gives it, to find heard samples in."""

    def __init__(self, air: Air, sample_format: str, channel: int | None) -> None:
        bits = {"S16_LE": 16, "S24_3LE": 24, "S32_LE": 32}[sample_format]
        kept = (air.sound >> (32 - bits)) << (32 - bits)
        scaled = kept.astype(np.float64) / 2.0**31
        self.samples = (scaled.mean(axis=1) if channel is None else scaled[:, channel]).astype(np.float32)
        self.air = air

    def index_of(self, chunk: AudioChunk) -> int | None:
        """Return which sample of the sound a chunk begins with, or None where it is no stretch of it."""
        expected = round(self.air.index_at(chunk.end_time_s)) - len(chunk.samples)
        for distance in range(SEARCH_SAMPLES):
            for index in {expected + distance, expected - distance}:
                if self._is_at(chunk.samples, index):
                    return index
        return None

    def _is_at(self, samples: NDArray[np.float32], index: int) -> bool:
        n = len(self.samples)
        if abs(self.samples[index % n] - samples[0]) > 1e-6:
            return False
        there = self.samples[np.arange(index, index + len(samples)) % n]
        return bool(np.max(np.abs(there - samples)) <= 2e-7)  # float32 of a 32 bit sample, or a mean of six


def let_go_of_portaudio() -> None:
    """Undo what importing sounddevice does (mediapipe imports it): PortAudio begun once keeps its list of devices."""
    sounddevice = sys.modules.get("sounddevice")
    while sounddevice is not None and sounddevice._initialized:
        sounddevice._terminate()


@contextmanager
def open_studio(folder: Path, devices: list[Device]) -> Iterator[Studio]:
    """Yield a studio whose devices are the only ones that ALSA shows to this process; skip where there can be none."""
    missing = why_not()
    need("microphone", not missing, f"the virtual microphone cannot be built; {missing}")
    let_go_of_portaudio()
    studio = Studio(folder, devices)
    before = os.environ.get("ALSA_CONFIG_PATH")
    os.environ["ALSA_CONFIG_PATH"] = str(studio.configuration)
    try:
        yield studio
    finally:
        if before is None:
            del os.environ["ALSA_CONFIG_PATH"]
        else:
            os.environ["ALSA_CONFIG_PATH"] = before
