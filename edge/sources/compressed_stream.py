"""A stream of MP3, Ogg, FLAC, AAC ... to samples as its bytes come, in the shape of `PcmDecoder`.

FFmpeg reads where it wants to and waits there for more, so it has a thread of its own, which runs only while `feed` or
`finish` waits for it: until it wants bytes that are not here yet. So nothing happens at the same time as anything else,
and what was fed is decoded when the call returns (64 KiB of MP3, four seconds of speech: about 20 ms).
"""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from edge.errors import InputError
from edge.frames import Float32Array
from edge.sources.av_decoder import AvDecoder, is_av_here
from edge.sources.containers.file_bytes import DamagedError
from edge.sources.file_decoders import EXTRA, NotSoundError
from edge.sources.pcm_decoder import PcmLayout

# Without a sample between them. A picture in a tag or the film to a sound track is less; FFmpeg keeps what it looks
# through, so that without a bound a stream that never gives sound would fill the memory.
MOST_SILENT_BYTES = 16 * 1024 * 1024


class CompressedDecoder:
    """Holds what was decoded of one stream until it is taken.

    Args:
        name: The format, as a person says it.

    Raises:
        InputError: PyAV is not installed.
    """

    def __init__(self, name: str) -> None:
        self._asked = f"a stream of {name}"
        if not is_av_here():
            remedy = f"Run `{EXTRA}`, or let the writer send raw samples (PCM) or WAV"
            raise InputError(self._asked, "it takes PyAV, which is not installed", remedy)
        self.rate_hz = 0
        self.layout: PcmLayout | None = None
        self._turn = threading.Condition()
        self._bytes = bytearray()
        self._is_ended = self._is_starved = self._is_done = self._is_closed = False
        self._blocks: list[Float32Array] = []
        self._n_frames = 0
        self._n_silent_bytes = 0
        self._why = ""
        self._thread = threading.Thread(target=self._decode, name="decoder", daemon=True)
        self._thread.start()

    @property
    def n_frames(self) -> int:
        """Return how many samples (of every channel) can be taken."""
        return self._n_frames

    @property
    def is_over(self) -> bool:
        """Return whether all of the stream has been taken."""
        return self._is_done and self._n_frames == 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream, and decode them.

        Raises:
            InputError: They cannot be decoded.
        """
        with self._turn:
            self._bytes += data
            n_before = self._n_frames
            self._let_decode()
            self._n_silent_bytes = 0 if self._n_frames > n_before else self._n_silent_bytes + len(data)
        if self._n_silent_bytes > MOST_SILENT_BYTES:
            found = f"there was no sound in {MOST_SILENT_BYTES >> 20} MiB of it"
            raise InputError(self._asked, found, "Let the writer send only sound")

    def finish(self) -> None:
        """Take the end of the stream.

        Raises:
            InputError: What came cannot be decoded.
        """
        with self._turn:
            self._is_ended = True
            self._let_decode()

    def take(self, n_frames: int) -> NDArray[np.generic]:
        """Return float32 [n_frames, n_channels] and forget them; at most `n_frames`. The caller owns them."""
        taken, n_left = [], n_frames
        while n_left > 0:
            block = self._blocks[0]
            taken.append(block[:n_left])
            if len(block) <= n_left:
                self._blocks.pop(0)
            else:
                self._blocks[0] = block[n_left:]
            n_left -= len(taken[-1])
        self._n_frames -= n_frames
        return np.concatenate(taken)

    def begin_next(self) -> None:
        """Do nothing: joined sounds are one stream, and nothing follows its end."""

    def close(self) -> None:
        """End the thread; what was not taken is forgotten. May be called twice."""
        with self._turn:
            self._is_ended = self._is_closed = True
            self._bytes.clear()
            self._turn.notify_all()
        self._thread.join()
        self._blocks, self._n_frames = [], 0

    def read(self, n_bytes: int) -> bytes:
        """Return at most so many bytes to the decoder's thread, when there are some; b"" at the end."""
        with self._turn:
            while not self._bytes and not self._is_ended:
                self._is_starved = True
                self._turn.notify_all()
                self._turn.wait()
            data = bytes(self._bytes[:n_bytes])
            del self._bytes[:n_bytes]
            return data

    def _let_decode(self) -> None:
        """Wait until the thread wants more than there is, or is done."""
        self._is_starved = False
        self._turn.notify_all()
        while not (self._is_starved or self._is_done):
            self._turn.wait()
        if self._why:
            raise InputError(self._asked, self._why, "Let the writer send raw samples (PCM) or WAV")

    def _decode(self) -> None:
        """Decode to the end, in the thread."""
        try:
            decoder = AvDecoder(self, is_stream=True)
            self.rate_hz = decoder.rate_hz
            self.layout = PcmLayout("f32le", decoder.n_channels)
            while (block := decoder.next_block()) is not None and not self._is_closed:
                self._blocks.append(block)
                self._n_frames += len(block)
            decoder.close()
        except (NotSoundError, DamagedError) as err:
            self._why = str(err)
        except Exception as err:  # of a library, about bytes of a stranger: that stream ends, and says so
            self._why = f"it cannot be decoded ({type(err).__name__}: {err})"
        finally:
            with self._turn:
                self._is_done = True
                self._turn.notify_all()
