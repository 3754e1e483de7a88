"""PortAudio through PyAudio: the one file that imports it. Errors become numbers with a meaning, indices devices."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edge.alsa.plugins import hold_plugins
from edge.alsa.portaudio_ring import CAPTURE_RING_S, PLAYBACK_RING_S, size_ring
from edge.alsa.quiet import refusals_unprinted, silence_alsa_and_jack
from edge.errors import ConfigurationError

# portaudio.h, enum PaErrorCode, and the values that a callback may return
INVALID_RATE = -9997
INVALID_CHANNELS = -9998
INVALID_FORMAT = -9994
CONTINUE, ABORT = 0, 2
INPUT_OVERFLOW = 0x2
OUTPUT_UNDERFLOW = 0x4

FLOAT32, INT32, INT16 = "float32", "int32", "int16"
FORMAT_SCALES = {FLOAT32: 1.0, INT32: 2.0**-31, INT16: 2.0**-15}
_CODES = {FLOAT32: 1, INT32: 2, INT16: 8}  # portaudio.h, PaSampleFormat

Callback = Callable[[Any, int, Mapping[str, float], int], tuple[bytes | None, int]]


class Direction(enum.Enum):
    """Which way sound goes through a device; the value is PyAudio's word for it."""

    INPUT = "input"
    OUTPUT = "output"


@dataclass(frozen=True)
class DeviceInfo:
    """A device as PortAudio sees it in one direction; the index is valid until PortAudio is terminated."""

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
                "sound from a microphone or to a loudspeaker",
                f"PyAudio cannot be imported ({err})",
                "Install it: `sudo apt-get install portaudio19-dev` and `pip install pyaudio`",
            ) from err
        self._library_path = str(pyaudio._portaudio.__file__)
        self._pyaudio = pyaudio.PyAudio()
        hold_plugins()

    def devices(self, direction: Direction) -> list[DeviceInfo]:
        """Return the devices that can be listened to, or played on."""
        default = self._default_index(direction)
        key = f"max{direction.value.capitalize()}Channels"  # as portaudio.h names the field
        found = []
        for index in range(self._pyaudio.get_device_count()):
            info = self._pyaudio.get_device_info_by_index(index)
            if info[key] > 0:
                rate_hz = round(info["defaultSampleRate"])
                found.append(DeviceInfo(index, str(info["name"]), int(info[key]), rate_hz, index == default))
        return found

    def can_open(self, direction: Direction, index: int, rate_hz: int, n_channels: int) -> bool:
        """Return whether a device does a rate with a number of channels now (a busy one does none)."""
        way = direction.value
        asked = {f"{way}_device": index, f"{way}_channels": n_channels, f"{way}_format": _CODES[FLOAT32]}
        try:
            with refusals_unprinted():
                return bool(self._pyaudio.is_format_supported(rate_hz, **asked))
        except ValueError:  # PyAudio's way to say no
            return False

    def open(
        self,
        direction: Direction,
        index: int,
        rate_hz: int,
        n_channels: int,
        sample_format: str,
        period_samples: int,
        callback: Callback,
    ) -> Any:
        """Open and start a stream with a ring of the length that suits its direction.

        Returns:
            PyAudio's stream, to be closed with `close()`; its `stop_stream()` can hang on a stalled device.

        Raises:
            OSError: With PortAudio's error code as `errno`.
        """
        way = direction.value
        ring_s = CAPTURE_RING_S if direction is Direction.INPUT else PLAYBACK_RING_S
        size_ring(self._library_path, index, rate_hz, period_samples, ring_s)
        with refusals_unprinted():
            return self._pyaudio.open(
                format=_CODES[sample_format],
                channels=n_channels,
                rate=rate_hz,
                frames_per_buffer=period_samples,
                stream_callback=callback,
                **{way: True, f"{way}_device_index": index},
            )

    def terminate(self) -> None:
        """Release PortAudio with all its streams."""
        self._pyaudio.terminate()

    def _default_index(self, direction: Direction) -> int:
        ask = getattr(self._pyaudio, f"get_default_{direction.value}_device_info")
        try:
            return int(ask()["index"])
        except OSError:
            return -1
