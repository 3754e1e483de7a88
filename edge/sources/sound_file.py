"""A sound file as a microphone: WAV, FLAC, MP3, Ogg and whatever else is decoded, at its own rate and channel count.

The file is decoded in blocks while it is heard, so that its length costs no memory. What cannot be used is refused at
`open`, before a frame is made. How long it is shows when it has been decoded: always a block ahead, so that the last
chunk can be called the last.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edge.contracts import Clock
from edge.errors import DeviceError, InputError
from edge.frames import AudioChunk
from edge.sources.channel_health import ChannelHealth
from edge.sources.channels import ChannelChoice
from edge.sources.pace import FAST, FAST_CHUNK_SAMPLES, Pace
from edge.sources.signal_health import SignalHealth
from edge.sources.whole_sound import WholeSound


class SoundFileSource:
    """One file, once or again and again.

    Args:
        path: The file.
        clock: The time.
        pace: "realtime" (as it was spoken) or "fast" (as it is read).
        loop: Begin anew at the end; the sample axis goes on.
        channel: Channel counted from 1, or "mix" for the mean of all.
        chunk_samples: Most samples per `read`; 0 for what suits the pace.

    Raises:
        ConfigurationError: The pace or the channel is not one.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        clock: Clock,
        pace: str = FAST,
        loop: bool = False,
        channel: str = "1",
        chunk_samples: int = 0,
    ) -> None:
        self._path = Path(path)
        self._pace = Pace(clock, pace)
        self._is_looped = loop
        self._choice = ChannelChoice.parse(channel)
        self._chunk_samples = chunk_samples or self._pace.chunk_samples
        self._sound: WholeSound | None = None
        self._rate_hz = 0
        self._n_channels = 0
        self._health = SignalHealth()
        self._channel_health = ChannelHealth(self._choice)
        self._doubts: list[str] = []
        self._next_index = 0
        self._n_opened = 0
        # A call of a decoder costs more than the samples of a chunk: several are decoded at once.
        n_at_once = self._chunk_samples * max(1, FAST_CHUNK_SAMPLES // self._chunk_samples)
        self._samples = np.zeros(n_at_once, np.float32)  # what is handed out, and ...
        self._ahead = np.zeros(n_at_once, np.float32)  # ... what comes then
        self._failure: InputError | None = None
        self._n_ready = self._n_handed_out = self._n_ahead = 0

    @property
    def rate_hz(self) -> int:
        """Return the file's rate; valid after `open`."""
        return self._rate_hz

    @property
    def description(self) -> str:
        """Return one line that tells a person what is heard."""
        loop = ", looped" if self._is_looped else ""
        if not self._rate_hz:
            return f"file {self._path.name}{loop}"
        return f"file {self._path.name}, {self._rate_hz} Hz, {self._choice.describe(self._n_channels)}{loop}"

    def open(self) -> None:
        """Open the file and see that it is whole.

        Raises:
            InputError: It is missing, empty, truncated, damaged or not sound.
            ConfigurationError: It does not have the chosen channel.
        """
        self.close()
        sound = WholeSound(self._path, self._choice, len(self._ahead), self._channel_health)
        self._sound = sound
        self._rate_hz, self._n_channels = sound.rate_hz, sound.n_channels
        self._doubts += sound.doubts
        self._health.full_scale = sound.full_scale
        self._n_ready = self._n_handed_out = 0
        self._decode_ahead(sound)
        self._n_opened += 1
        self._pace.start(self._rate_hz, self._next_index)

    def read(self, timeout_s: float) -> AudioChunk | None:
        """Return the next sound, or None when it is not to be heard yet.

        Args:
            timeout_s: Longest wait.

        Returns:
            A chunk whose samples are overwritten by the next call.

        Raises:
            InputError: The file is damaged here.
            DeviceError: The source is closed.
        """
        if self._sound is None:
            raise DeviceError(f"sound from {self._path.name}", "the file is closed", "Open it again")
        n_known = self._n_ready - self._n_handed_out or self._n_ahead
        n_samples = min(self._chunk_samples, n_known)
        end_time_s = self._pace.wait(self._next_index + n_samples, timeout_s)
        if end_time_s is None:
            return None
        if self._n_handed_out == self._n_ready:
            self._go_on(self._sound)
        samples = self._samples[self._n_handed_out : self._n_handed_out + n_samples]
        self._n_handed_out += n_samples
        start_index = self._next_index
        self._next_index += n_samples
        is_at_end = self._n_ahead == 0 and self._failure is None
        is_last = is_at_end and self._n_handed_out == self._n_ready
        return AudioChunk(samples, start_index, end_time_s, is_last)

    def counters(self) -> Mapping[str, int]:
        """Return lost_samples (always 0: a file loses nothing), reopened, and what looks at the sound counts."""
        return {"lost_samples": 0, "reopened": max(0, self._n_opened - 1), **self._health.counters(),
                **self._channel_health.counters()}  # fmt: skip

    def warnings(self) -> list[str]:
        """Return the lines about the sound that have not been returned before."""
        doubts, self._doubts = self._doubts, []
        return doubts + self._health.warnings() + self._channel_health.warnings()

    def close(self) -> None:
        """Close the file; may be called twice."""
        sound, self._sound = self._sound, None
        if sound is not None:
            sound.close()

    def _go_on(self, sound: WholeSound) -> None:
        """Take what was decoded ahead, and decode what comes then."""
        if self._failure is not None:
            raise self._failure
        self._samples, self._ahead = self._ahead, self._samples
        self._n_ready, self._n_handed_out = self._n_ahead, 0
        self._health.inspect(self._samples[: self._n_ready], self._rate_hz)
        self._decode_ahead(sound)

    def _decode_ahead(self, sound: WholeSound) -> None:
        """Decode the next block; what is good before damage is heard before it is said."""
        self._n_ahead, self._failure = 0, None
        try:
            self._n_ahead = sound.decode(self._ahead)
            if self._n_ahead == 0 and self._is_looped:
                sound.rewind()
                self._n_ahead = sound.decode(self._ahead)
        except InputError as err:
            self._failure = err
