"""A loudspeaker through PyAudio that knows when its first sample sounds.

PortAudio says for each buffer when its first sample will leave the converter. ALSA's own estimate stands behind it: it
holds the buffers of the driver, not the converter's filter (a millisecond) nor the air (a millisecond per 34 cm).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from edge.errors import ConfigurationError, DeviceError
from edge.frames import Float32Array

RATE_HZ = 48_000
PERIOD_SAMPLES = 256
_FLOAT32 = 1  # portaudio.h, paFloat32
_CONTINUE = 0
START_LIMIT_S = 5.0
_SAME_CLOCK_S = 60.0  # stamps of one clock differ by less


class Loudspeaker:
    """An output device; a context that closes it.

    Args:
        name: Part of its name; empty for the default.
    """

    rate_hz = RATE_HZ

    def __init__(self, name: str) -> None:
        self._name = name
        self._sound: Float32Array = np.zeros(0, np.float32)
        self._position = 0
        self._begin_s: float | None = None
        self._begun = threading.Event()
        self._portaudio: Any = None
        self._stream: Any = None

    def __enter__(self) -> Loudspeaker:
        try:
            import pyaudio
        except ImportError as err:
            raise ConfigurationError(
                "a loudspeaker", f"PyAudio cannot be imported ({err})", "See the installation in README.md"
            ) from err
        self._portaudio = pyaudio.PyAudio()
        return self

    def __exit__(self, *_: object) -> None:
        if self._stream is not None:
            self._stream.close()
        if self._portaudio is not None:
            self._portaudio.terminate()

    def play(self, sound: Float32Array) -> float:
        """Begin to play.

        Args:
            sound: float32 [n_samples].

        Returns:
            CLOCK_MONOTONIC time at which its first sample leaves the converter.

        Raises:
            ConfigurationError: There is no such output.
            DeviceError: It does not start.
        """
        self._sound, self._position = sound, 0
        index = self._find()
        try:
            self._stream = self._portaudio.open(
                format=_FLOAT32, channels=1, rate=RATE_HZ, output=True, output_device_index=index,
                frames_per_buffer=PERIOD_SAMPLES, stream_callback=self._fill,
            )  # fmt: skip
        except OSError as err:
            raise DeviceError(f"loudspeaker {self._name or 'default'!r}", f"it cannot be opened ({err})", "") from err
        if not self._begun.wait(START_LIMIT_S) or self._begin_s is None:
            raise DeviceError(f"loudspeaker {self._name or 'default'!r}", "it does not start", "Is it busy?")
        return self._begin_s

    def _fill(self, _: object, n: int, times: Mapping[str, float], status: int) -> tuple[bytes, int]:
        """Give PortAudio the next samples; on its own thread."""
        if self._begin_s is None:
            now_s, unix_s = time.monotonic(), time.time()
            sounds_s = times["output_buffer_dac_time"]
            if abs(sounds_s - unix_s) < _SAME_CLOCK_S:
                sounds_s -= unix_s - now_s
            self._begin_s = sounds_s if abs(sounds_s - now_s) < _SAME_CLOCK_S else now_s
            self._begun.set()
        block = np.zeros(n, np.float32)
        part = self._sound[self._position : self._position + n]
        block[: len(part)] = part
        self._position += n
        return block.tobytes(), _CONTINUE

    def _find(self) -> int | None:
        """Return the device's index, or None for the default."""
        if not self._name:
            return None
        names = []
        for index in range(self._portaudio.get_device_count()):
            info = self._portaudio.get_device_info_by_index(index)
            if info["maxOutputChannels"] > 0:
                names.append(str(info["name"]))
                if self._name.lower() in names[-1].lower():
                    return index
        raise ConfigurationError(f"loudspeaker {self._name!r}", f"there are {', '.join(names) or 'none'}", "Name one")
