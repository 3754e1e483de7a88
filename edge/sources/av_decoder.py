"""Sound through PyAV, which carries FFmpeg's libraries: AAC, M4A, the sound track of a film, and what else there is.

The one file that imports it. FFmpeg's formats include lists that name other files and addresses; only those that hold
their sound themselves are let in, and no protocol beside the file that is given. Source: FFmpeg, libavformat/options.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from edge.frames import Float32Array
from edge.sources.containers.file_bytes import DamagedError
from edge.sources.signal_health import FULL_SCALE_16_BIT

_FORMATS = (
    "aac,ac3,adx,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,gsm,loas,mov,matroska,mp3,mpeg,mpegts,"
    "ogg,rm,tak,tta,voc,w64,wav,wv"
)
_OPTIONS = {"format_whitelist": _FORMATS, "protocol_whitelist": "none"}
_AT_ONCE = {"probesize": "8192", "analyzeduration": "0"}  # else a stream is heard 5 s after its beginning
_STREAM_BUFFER_BYTES = 4096


class Readable(Protocol):
    """What PyAV reads: a file, or a stream that cannot seek."""

    def read(self, n_bytes: int) -> bytes | None:
        """Return at most so many bytes; b"" at the end."""
        ...


def is_av_here() -> bool:
    """Return whether PyAV is installed."""
    return importlib.util.find_spec("av") is not None


class AvDecoder:
    """The sound track of a file, decoded from its beginning.

    Args:
        file: What is read; who gives it closes it.
        is_stream: It comes bit by bit and cannot seek: begin as soon as its format is known, and leave out what cannot
            be decoded (the tag of an MP3 that was joined to another).

    Raises:
        NotSoundError: It is no format that holds sound, or it has no sound track.
    """

    def __init__(self, file: Readable, is_stream: bool = False) -> None:
        import av

        from edge.sources.file_decoders import NotSoundError

        av.logging.set_level(av.logging.PANIC)  # it writes to standard error by itself
        self._failure = av.error.FFmpegError
        self._is_stream = is_stream
        options = {**_OPTIONS, **_AT_ONCE} if is_stream else _OPTIONS
        buffer_bytes = _STREAM_BUFFER_BYTES if is_stream else 32 * 1024
        try:  # its types say less than it has
            self._container: Any = av.open(file, options=options, buffer_size=buffer_bytes)
        except (av.error.FFmpegError, ValueError, OSError) as err:
            raise NotSoundError(f"cannot be read ({_reason(err)})") from err
        container: Any = self._container
        self._stream = container.streams.best("audio")
        if self._stream is None or not self._stream.rate or not self._stream.channels:
            self.close()
            raise NotSoundError("has no sound track")
        self.full_scale = FULL_SCALE_16_BIT
        self.rate_hz = int(self._stream.rate)
        self.n_channels = int(self._stream.channels)
        # It makes packed floats of every type of sample, and keeps rate and channels where a stream changes its own.
        self._resampler = av.AudioResampler(format="flt", layout=self._stream.layout, rate=self.rate_hz)
        self._blocks = self._decoded()
        self._block = np.zeros((0, self.n_channels), np.float32)

    def decode(self, out: Float32Array) -> int:
        """Write the next samples [n, n_channels]; return how many, fewer than asked only at the end.

        Raises:
            DamagedError: What is there cannot be decoded.
        """
        n_done = 0
        while n_done < len(out):
            if not len(self._block):
                block = next(self._blocks, None)
                if block is None:
                    break
                self._block = block
            n_taken = min(len(self._block), len(out) - n_done)
            out[n_done : n_done + n_taken] = self._block[:n_taken]
            self._block = self._block[n_taken:]
            n_done += n_taken
        return n_done

    def next_block(self) -> Float32Array | None:
        """Return what is decoded next, float32 [n, n_channels], as it comes; None at the end. The caller owns it."""
        return next(self._blocks, None)

    def close(self) -> None:
        """Release it; may be called twice."""
        self._container.close()

    def _decoded(self) -> Iterator[Float32Array]:
        """Yield the sound as it comes, float32 [n, n_channels]."""
        try:
            for packet in self._container.demux(self._stream):
                for frame in self._frames(packet):
                    frame.pts = None  # joined and streamed sound has times that go back; samples are what counts
                    for plain in self._resampler.resample(frame):
                        yield self._array(plain)
            for plain in self._resampler.resample(None):
                yield self._array(plain)
        except (self._failure, OSError) as err:
            raise DamagedError(_reason(err)) from err

    def _frames(self, packet: Any) -> list[Any]:
        try:
            frames: list[Any] = packet.decode()
        except self._failure:
            if not self._is_stream:
                raise
            return []
        return frames

    def _array(self, frame: Any) -> Float32Array:
        samples: Float32Array = np.asarray(frame.to_ndarray(), np.float32).reshape(-1, self.n_channels)
        return samples


def _reason(err: Exception) -> str:
    return str(getattr(err, "strerror", None) or err).strip().rstrip(".")
