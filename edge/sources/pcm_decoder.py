"""From a stream's bytes to samples: raw PCM as declared, or as WAV headers say, one WAV behind the other.

A WAV ends where its header says, or, where its writer never filled the size in, with the next header or the stream.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.errors import InputError
from edge.sources.wav_header import KINDS, MAX_HEADER_BYTES, NotWavError, WavHeader, parse_wav_header

AUTO = "auto"
SAMPLE_BYTES = {"s16le": 2, "s24le": 3, "s32le": 4, "f32le": 4}
FULL_SCALE = {"s16le": 2.0**15, "s24le": 2.0**23, "s32le": 2.0**31, "f32le": 1.0}
MAX_CHANNELS = 64
MIN_RATE_HZ = 8_000  # what can be resampled: edge/features/resampler.py
MAX_RATE_HZ = 192_000
_HEADER = re.compile(b"|".join(KINDS))
_NEXT_HEADER = b"WAVEfmt "  # behind "RIFF" and four bytes of size
_NEXT_HEADER_BYTES = 8 + len(_NEXT_HEADER)


@dataclass(frozen=True)
class PcmLayout:
    """How samples lie in a stream.

    Attributes:
        sample_format: "s16le", "s24le", "s32le" or "f32le".
        n_channels: Interleaved channels.
    """

    sample_format: str
    n_channels: int

    @property
    def frame_bytes(self) -> int:
        """Return the bytes of one sample of every channel."""
        return SAMPLE_BYTES[self.sample_format] * self.n_channels


class PcmDecoder:
    """Holds the bytes of one stream until they are taken as whole samples.

    Args:
        sample_format: "auto" (a WAV header is looked for, else 16 bit), or a format that is taken without a look.
        rate_hz: Declared rate; a WAV header overrules it.
        n_channels: Declared channels; a WAV header overrules them.
    """

    def __init__(self, sample_format: str, rate_hz: int, n_channels: int) -> None:
        self._declared = PcmLayout("s16le" if sample_format == AUTO else sample_format, n_channels)
        self._declared_rate_hz = rate_hz
        self._looks_for_header = sample_format == AUTO
        self._bytes = bytearray()
        self.reset()

    def reset(self) -> None:
        """Forget the stream and expect another."""
        self._bytes.clear()
        self._n_left: int | None = None
        self._n_held = 0  # bytes at the end that may begin a header
        self._is_open_ended = self._is_between = self._is_finished = False
        self.rate_hz = self._declared_rate_hz
        self.layout = None if self._looks_for_header else self._declared

    @property
    def n_frames(self) -> int:
        """Return how many whole samples (of every channel) can be taken."""
        if self.layout is None:
            return 0
        n_bytes = len(self._bytes) - self._n_held
        return (n_bytes if self._n_left is None else min(n_bytes, self._n_left)) // self.layout.frame_bytes

    @property
    def is_over(self) -> bool:
        """Return whether a WAV's samples have all been taken, or the stream's: `begin_next` may bring another WAV."""
        if self._is_finished and self.n_frames == 0:
            return True
        return self.layout is not None and self._n_left is not None and self._n_left < self.layout.frame_bytes

    def begin_next(self) -> None:
        """Expect the next WAV of the same stream; what lies before it (a LIST chunk) is not sound."""
        del self._bytes[: self._n_left]
        is_finished, rest = self._is_finished, bytes(self._bytes)
        self.reset()
        self._is_between = True
        self.layout = None
        self.feed(rest)
        if is_finished:
            self.finish()

    def close(self) -> None:
        """Do nothing: it holds nothing but bytes."""

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream.

        Args:
            data: As they came.

        Raises:
            InputError: A WAV header says something that cannot be used.
        """
        n_before = len(self._bytes)
        self._bytes += data
        if self._is_between:
            self._skip_to_header()
        if self.layout is None and not self._is_between:
            n_before = 0
            self._look_for_header(is_ended=False)
        if self._is_open_ended:
            self._look_for_next(max(0, n_before - _NEXT_HEADER_BYTES))

    def finish(self) -> None:
        """Take the end of the stream: what looked like the beginning of a header is sound."""
        self._is_finished = True
        self._n_held = 0
        if self.layout is None and not self._is_between:
            self._look_for_header(is_ended=True)

    def take(self, n_frames: int) -> NDArray[np.generic]:
        """Return samples and forget them.

        Args:
            n_frames: At most `n_frames`.

        Returns:
            [n_frames, n_channels], of the layout's type (24 bit as int32); the caller owns it.
        """
        layout = self.layout or self._declared
        n_bytes = n_frames * layout.frame_bytes
        raw = bytes(self._bytes[:n_bytes])
        del self._bytes[:n_bytes]
        if self._n_left is not None:
            self._n_left -= n_bytes
        if layout.sample_format == "s24le":
            wide = np.zeros((n_frames * layout.n_channels, 4), np.uint8)
            wide[:, 1:] = np.frombuffer(raw, np.uint8).reshape(-1, 3)
            samples: NDArray[np.generic] = wide.view("<i4")[:, 0] >> 8
        else:
            samples = np.frombuffer(raw, {"s16le": "<i2", "s32le": "<i4", "f32le": "<f4"}[layout.sample_format])
        return samples.reshape(n_frames, layout.n_channels)

    def _skip_to_header(self) -> None:
        """Forget what lies between two WAVs."""
        data = bytes(self._bytes)  # little: what is no header goes at once
        for found in _HEADER.finditer(data):
            kind = data[found.start() + 8 : found.start() + 12]
            if kind == b"WAVE" or len(kind) < 4:  # it is one, or may become one
                self._is_between = kind != b"WAVE"
                del self._bytes[: found.start()]
                return
        del self._bytes[: max(0, len(data) - 3)]

    def _look_for_next(self, begin: int) -> None:
        """Let a WAV of unknown length end where the next header begins, or may begin."""
        at = self._bytes.find(_NEXT_HEADER, begin)
        if at >= 8 and self._bytes[at - 8 : at - 4] == b"RIFF":
            self._n_left, self._is_open_ended, self._n_held = at - 8, False, 0
            return
        tail = bytes(self._bytes[-(_NEXT_HEADER_BYTES - 1) :])
        self._n_held = 0
        for at in range(len(tail)):
            rest = tail[at:]
            if b"RIFF".startswith(rest[:4]) and _NEXT_HEADER.startswith(rest[8:]):
                self._n_held = len(rest)
                return

    def _look_for_header(self, is_ended: bool) -> None:
        try:
            header = parse_wav_header(bytes(self._bytes)) if self._bytes else None
        except NotWavError as err:
            if self._bytes[:4] in (*KINDS, b"RIFX") and self._bytes[8:12] == b"WAVE":
                raise _unusable(str(err)) from err
            self.layout = self._declared
            return
        if header is not None:
            self.layout = self._accept(header)
            self._n_left = header.n_data_bytes
            self._is_open_ended = self._n_left is None
            del self._bytes[: header.data_offset]
        elif is_ended:
            self.layout = self._declared
        elif len(self._bytes) >= MAX_HEADER_BYTES:
            raise _unusable(f"no samples within its first {MAX_HEADER_BYTES} bytes")

    def _accept(self, header: WavHeader) -> PcmLayout:
        if not header.sample_format:
            raise _unusable("its samples are not 16, 24 or 32 bit PCM or 32 bit float")
        if not 1 <= header.n_channels <= MAX_CHANNELS:
            raise _unusable(f"it has {header.n_channels} channels")
        if not MIN_RATE_HZ <= header.rate_hz <= MAX_RATE_HZ:
            raise InputError(
                "a WAV stream",
                f"its rate is {header.rate_hz} Hz",
                f"Let the writer convert it to {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz",
            )
        self.rate_hz = header.rate_hz
        return PcmLayout(header.sample_format, header.n_channels)


def _unusable(found: str) -> InputError:
    return InputError("a WAV stream", found, "Write 16 bit PCM, or raw samples with audio.format set")
