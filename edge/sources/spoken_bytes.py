"""From the bytes of one writer to samples at the source's rate: decoded, one channel, resampled, kept until heard.

In: bytes as they come. Out: float32 samples at one rate, whatever rate the writer or its WAV headers have.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.contracts import Resampler
from edge.frames import Float32Array
from edge.sources.channels import ChannelChoice
from edge.sources.pcm_decoder import FULL_SCALE
from edge.sources.stream_decoder import Decoder

ResamplerFor = Callable[[int, int], Resampler]  # from a rate to a rate
Look = Callable[[NDArray[Any], int, float], None]  # channels [n, n_channels], rate, factor to full scale 1.0
_FIRST_ROOM_SAMPLES = 8192
_MOST_FRAMES_AT_ONCE = 4096


class SampleStore:
    """Samples in the order of their coming; grows to the most that ever waited."""

    def __init__(self) -> None:
        self._buffer = np.zeros(_FIRST_ROOM_SAMPLES, np.float32)
        self._begin = self._end = 0

    def __len__(self) -> int:
        return self._end - self._begin

    def put(self, samples: Float32Array) -> None:
        """Append float32 [n]; they are copied."""
        if self._end + len(samples) > len(self._buffer):
            kept = self._buffer[self._begin : self._end]
            if len(kept) + len(samples) > len(self._buffer):
                self._buffer = np.zeros(2 * (len(kept) + len(samples)), np.float32)
            self._buffer[: len(kept)] = kept
            self._begin, self._end = 0, len(kept)
        self._buffer[self._end : self._end + len(samples)] = samples
        self._end += len(samples)

    def take(self, out: Float32Array) -> None:
        """Move the oldest samples to `out`; there must be as many."""
        out[:] = self._buffer[self._begin : self._begin + len(out)]
        self.drop(len(out))

    def drop(self, n_samples: int) -> None:
        """Forget the oldest samples."""
        self._begin += n_samples
        if self._begin == self._end:
            self._begin = self._end = 0


class SpokenBytes:
    """The sound of one writer that is not heard yet.

    Args:
        decoder: Takes the bytes apart.
        choice: Channel.
        rate_hz: Of the samples that are given.
        resampler_for: Makes what converts a rate; not asked where they agree.
        look: Shown all channels, of which one is heard; see `ChannelHealth.inspect`.
    """

    def __init__(
        self,
        decoder: Decoder,
        choice: ChannelChoice,
        rate_hz: int,
        resampler_for: ResamplerFor,
        look: Look | None = None,
    ) -> None:
        self.decoder = decoder
        self._choice = choice
        self.rate_hz = rate_hz
        self._resampler_for = resampler_for
        self._look = look
        self._resampler: Resampler | None = None
        self._resampler_rate_hz = 0
        self._position = 0  # on the writer's axis
        self._picked = np.zeros(_MOST_FRAMES_AT_ONCE, np.float32)
        self._store = SampleStore()
        self._is_flushed = False

    @property
    def n_ready(self) -> int:
        """Return how many samples can be taken."""
        return len(self._store)

    @property
    def is_over(self) -> bool:
        """Return whether a WAV, or the stream, has been given to its end."""
        return self._is_flushed and not len(self._store)

    def feed(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            InputError: A WAV header cannot be used.
            ConfigurationError: It has not the channel that is listened to.
        """
        was_unknown = self.decoder.layout is None
        self.decoder.feed(data)
        if was_unknown and self.decoder.layout is not None:
            self._choice.check(self.decoder.layout.n_channels, "the stream")
        self._convert()

    def finish(self) -> None:
        """Take the end of the stream.

        Raises:
            InputError: A WAV header cannot be used.
        """
        self.decoder.finish()
        self._convert()

    def begin_next(self) -> None:
        """Go on to the next WAV of the same stream.

        Raises:
            InputError: Its header cannot be used.
            ConfigurationError: It has not the channel that is listened to.
        """
        self._is_flushed = False
        self.decoder.begin_next()
        if self.decoder.layout is not None:
            self._choice.check(self.decoder.layout.n_channels, "the stream")
        self._convert()

    def take(self, out: Float32Array) -> None:
        """Move the oldest samples to `out`, float32 [n]; there must be as many."""
        self._store.take(out)

    def drop(self, n_samples: int) -> None:
        """Forget the oldest samples."""
        self._store.drop(n_samples)

    def close(self) -> None:
        """Release what decodes; may be called twice."""
        self.decoder.close()

    def _convert(self) -> None:
        """Move what is decoded to the store."""
        decoder = self.decoder
        layout = decoder.layout
        while layout is not None and (n_frames := min(decoder.n_frames, _MOST_FRAMES_AT_ONCE)) > 0:
            picked = self._picked[:n_frames]
            with np.errstate(invalid="ignore", over="ignore"):  # a float stream may hold anything; health repairs it
                block, scale = decoder.take(n_frames), 1.0 / FULL_SCALE[layout.sample_format]
                if self._look is not None:
                    self._look(block, decoder.rate_hz, scale)
                self._choice.pick(block, picked, scale)
            self._put(picked)
        if decoder.is_over and not self._is_flushed:
            self._is_flushed = True
            self._flush()

    def _put(self, picked: Float32Array) -> None:
        rate_hz = self.decoder.rate_hz
        if rate_hz == self.rate_hz:
            self._store.put(picked)
            return
        if self._resampler_rate_hz != rate_hz:
            self._resampler, self._resampler_rate_hz = self._resampler_for(rate_hz, self.rate_hz), rate_hz
        if self._resampler is not None:
            np.nan_to_num(picked, copy=False, posinf=0.0, neginf=0.0)  # one NaN would spread over the filter's length
            self._store.put(self._resampler.process(picked, self._position)[0])
            self._position += len(picked)

    def _flush(self) -> None:
        """Let the filter's end out, and forget it: the next WAV begins anew."""
        if self._resampler is not None and self._position > 0:
            zeros = np.zeros(ceil(self._resampler.delay_s * self._resampler_rate_hz), np.float32)
            self._store.put(self._resampler.process(zeros, self._position)[0])
            self._resampler.reset()
        self._position = 0
