"""PortAudio through PyAudio: the one file that imports it. Errors become numbers with a meaning, indices devices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edge.errors import ConfigurationError
from edge.sources.alsa_plugins import hold_plugins
from edge.sources.alsa_quiet import silence_alsa_and_jack
from edge.sources.portaudio_ring import enlarge_ring

# portaudio.h, enum PaErrorCode, and the values that a callback may return
INVALID_RATE = -9997
INVALID_CHANNELS = -9998
INVALID_FORMAT = -9994
CONTINUE, ABORT = 0, 2
INPUT_OVERFLOW = 0x2

FLOAT32, INT32, INT16 = "float32", "int32", "int16"
FORMAT_SCALES = {FLOAT32: 1.0, INT32: 2.0**-31, INT16: 2.0**-15}
_CODES = {FLOAT32: 1, INT32: 2, INT16: 8}  # portaudio.h, PaSampleFormat

Callback = Callable[[bytes, int, Mapping[str, float], int], tuple[None, int]]


@dataclass(frozen=True)
class InputInfo:
    """An input as PortAudio sees it; the index is valid until PortAudio is terminated."""

    index: int
    name: str
    n_channels: int
    default_rate_hz: int
    is_default: bool


class PortAudio:
    """One initialisation: the devices are those of this moment, so a card plugged in later needs a new one.

    Raises:
        ConfigurationError: PyAudio is not installed.
        OSError: PortAudio cannot start.
    """

    def __init__(self) -> None:
        silence_alsa_and_jack()
        try:
            import pyaudio
        except ImportError as err:
            raise ConfigurationError(
                "sound from a microphone",
                f"PyAudio cannot be imported ({err})",
                "Install it: `sudo apt-get install portaudio19-dev` and `pip install pyaudio`",
            ) from err
        self._library_path = str(pyaudio._portaudio.__file__)
        self._pyaudio = pyaudio.PyAudio()
        hold_plugins()

    def inputs(self) -> list[InputInfo]:
        """Return the devices that can be listened to."""
        default = self._default_index()
        found = []
        for index in range(self._pyaudio.get_device_count()):
            info = self._pyaudio.get_device_info_by_index(index)
            if info["maxInputChannels"] > 0:
                rate_hz = round(info["defaultSampleRate"])
                found.append(
                    InputInfo(index, str(info["name"]), int(info["maxInputChannels"]), rate_hz, index == default)
                )
        return found

    def can_open(self, index: int, rate_hz: int, n_channels: int) -> bool:
        """Return whether a device does a rate with a number of channels now (a busy one does none)."""
        try:
            return bool(
                self._pyaudio.is_format_supported(
                    rate_hz, input_device=index, input_channels=n_channels, input_format=_CODES[FLOAT32]
                )
            )
        except ValueError:  # PyAudio's way to say no
            return False

    def open(
        self, index: int, rate_hz: int, n_channels: int, sample_format: str, period_samples: int, callback: Callback
    ) -> Any:
        """Open and start a capture stream with an enlarged ring.

        Returns:
            PyAudio's stream, to be closed with `close()`; its `stop_stream()` can hang on a stalled device.

        Raises:
            OSError: With PortAudio's error code as `errno`.
        """
        enlarge_ring(self._library_path, index, rate_hz, period_samples)
        return self._pyaudio.open(
            format=_CODES[sample_format],
            channels=n_channels,
            rate=rate_hz,
            input=True,
            input_device_index=index,
            frames_per_buffer=period_samples,
            stream_callback=callback,
        )

    def terminate(self) -> None:
        """Release PortAudio with all its streams."""
        self._pyaudio.terminate()

    def _default_index(self) -> int:
        try:
            return int(self._pyaudio.get_default_input_device_info()["index"])
        except OSError:
            return -1
