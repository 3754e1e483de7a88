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

from edge.alsa.quiet import silence_alsa_and_jack
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
        self._index = 0
        self._stream: Any = None

    def __enter__(self) -> Loudspeaker:
        silence_alsa_and_jack()
        try:
            import pyaudio
        except ImportError as err:
            raise ConfigurationError(
                "a loudspeaker", f"PyAudio cannot be imported ({err})", "See the installation in README.md"
            ) from err
        self._portaudio = pyaudio.PyAudio()
        self._index = self._find()
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
            DeviceError: It does not start.
        """
        self._sound, self._position = sound, 0
        asked = f"loudspeaker {self._name or 'default'!r}"
        try:
            self._stream = self._portaudio.open(
                format=_FLOAT32, channels=1, rate=RATE_HZ, output=True, output_device_index=self._index,
                frames_per_buffer=PERIOD_SAMPLES, stream_callback=self._fill,
            )  # fmt: skip
        except OSError as err:
            raise DeviceError(asked, f"it cannot be opened ({err})", "Is another program using it?") from err
        if not self._begun.wait(START_LIMIT_S) or self._begin_s is None:
            raise DeviceError(asked, "it does not start", "Plug it in again, or name another with --speaker")
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

    def _find(self) -> int:
        """Return the index of the first output with this name, or of the default.

        Raises:
            DeviceError: There is no output at all.
            ConfigurationError: There is none of that name.
        """
        outputs: dict[str, int] = {}
        for index in range(self._portaudio.get_device_count()):
            info = self._portaudio.get_device_info_by_index(index)
            if info["maxOutputChannels"] > 0:
                outputs.setdefault(str(info["name"]), index)
        for name, index in outputs.items():
            if self._name and self._name.lower() in name.lower():
                return index
        if not self._name and "default" in outputs:
            return outputs["default"]
        if not self._name and outputs:
            return next(iter(outputs.values()))
        asked = f"loudspeaker {self._name or 'default'!r}"
        if not outputs:
            raise DeviceError(asked, "this machine has no sound output", "Plug one in; the user must be in group audio")
        raise ConfigurationError(asked, f"outputs are {', '.join(outputs)}", "Name one of them with --speaker")
