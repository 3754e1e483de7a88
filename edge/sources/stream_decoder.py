"""What a writer's bytes are decoded by: raw samples and WAV by `PcmDecoder`, MP3, Ogg and the like by FFmpeg.

With "auto" the first bytes tell; with a declared format nothing does, and a watch says what the stream really is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge.errors import InputError
from edge.sources.compressed_stream import CompressedDecoder
from edge.sources.pcm_decoder import AUTO, PcmDecoder, PcmLayout
from edge.sources.sound_signature import LOOK_BYTES, Signature, identify, may_have_a_name
from edge.sources.stream_watch import StreamWatch


class Decoder(Protocol):
    """From the bytes of one writer to samples: the shape of `PcmDecoder`."""

    @property
    def layout(self) -> PcmLayout | None:
        """Return how samples lie; None until that is known."""
        ...

    @property
    def rate_hz(self) -> int:
        """Return their rate; valid with the layout."""
        ...

    @property
    def n_frames(self) -> int:
        """Return how many whole samples (of every channel) can be taken."""
        ...

    @property
    def is_over(self) -> bool:
        """Return whether all samples of a sound have been taken."""
        ...

    def feed(self, data: bytes) -> None:
        """Take the next bytes; InputError where they cannot be used."""
        ...

    def finish(self) -> None:
        """Take the end of the stream; InputError where what came cannot be used."""
        ...

    def take(self, n_frames: int) -> NDArray[np.generic]:
        """Return samples [n_frames, n_channels] and forget them."""
        ...

    def begin_next(self) -> None:
        """Expect the next sound of the same stream."""
        ...

    def close(self) -> None:
        """Release it; may be called twice."""
        ...


class StreamDecoder:
    """Decodes one writer's stream.

    Args:
        sample_format: "auto", or a format that is taken without a look.
        rate_hz: Declared rate.
        n_channels: Declared channels.
        tell: Takes a line for the log.
        said: What was told already, of earlier streams, too.
    """

    def __init__(
        self, sample_format: str, rate_hz: int, n_channels: int, tell: Callable[[str], None], said: set[str]
    ) -> None:
        self._pcm = PcmDecoder(sample_format, rate_hz, n_channels)
        self._declared_rate_hz = rate_hz
        self._decoder: Decoder | None = None if sample_format == AUTO else self._pcm
        self._head = b""
        raw_format = "s16le" if sample_format == AUTO else sample_format
        self._watch: StreamWatch | None = StreamWatch(raw_format, rate_hz, n_channels, said)
        self._tell = tell

    @property
    def layout(self) -> PcmLayout | None:
        """Return how samples lie; None until that is known."""
        return None if self._decoder is None else self._decoder.layout

    @property
    def rate_hz(self) -> int:
        """Return their rate, as far as it is known."""
        return (0 if self._decoder is None else self._decoder.rate_hz) or self._declared_rate_hz

    @property
    def n_frames(self) -> int:
        """Return how many whole samples (of every channel) can be taken."""
        return 0 if self._decoder is None else self._decoder.n_frames

    @property
    def is_over(self) -> bool:
        """Return whether all samples of a sound have been taken."""
        return self._decoder is not None and self._decoder.is_over

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream.

        Raises:
            InputError: They are no sound, or cannot be decoded.
        """
        if self._decoder is None:
            self._head += data
            if may_have_a_name(self._head) and len(self._head) < LOOK_BYTES and identify(self._head) is None:
                return
            data, self._head = self._head, b""
            self._decoder = self._choose(identify(data[:LOOK_BYTES]))
        self._decoder.feed(data)
        if self._watch is not None and (line := self._watch.look(data, time.monotonic())):
            self._tell(line)

    def finish(self) -> None:
        """Take the end of the stream.

        Raises:
            InputError: What came is no sound, or cannot be decoded.
        """
        if self._decoder is None:
            data, self._head = self._head, b""
            self._decoder = self._choose(identify(data))
            self._decoder.feed(data)
        if self._watch is not None and (line := self._watch.end()):
            self._tell(line)
        self._decoder.finish()

    def take(self, n_frames: int) -> NDArray[np.generic]:
        """Return samples [n_frames, n_channels] and forget them; at most `n_frames`. The caller owns them."""
        return (self._decoder or self._pcm).take(n_frames)

    def begin_next(self) -> None:
        """Expect the next sound of the same stream.

        Raises:
            InputError: Its header cannot be used.
        """
        if self._decoder is not None:
            self._decoder.begin_next()

    def close(self) -> None:
        """Release what decodes; may be called twice."""
        if self._decoder is not None:
            self._decoder.close()

    def _choose(self, signature: Signature | None) -> Decoder:
        if signature is None:
            return self._pcm
        self._watch = None  # it says itself what it is
        if signature.name == "WAV":
            return self._pcm
        if signature.is_sound:
            return CompressedDecoder(signature.name)
        remedy = "Look at what the writer received, an error message? Send only sound"
        raise InputError("a stream of sound", f"it is {signature.name}", remedy)
