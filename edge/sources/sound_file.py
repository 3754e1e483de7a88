"""A sound file as a microphone: WAV, FLAC and whatever else libsndfile reads, at its own rate and channel count.

The file is read in chunks while it is heard, so that its length costs no memory. What cannot be used is refused at
`open`, before a frame is made: missing, empty, truncated, not sound.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edge.contracts import Clock
from edge.errors import DeviceError, InputError
from edge.frames import AudioChunk
from edge.sources.channels import ChannelChoice
from edge.sources.pace import FAST, FAST_CHUNK_SAMPLES, Pace
from edge.sources.pcm_decoder import MAX_RATE_HZ, MIN_RATE_HZ
from edge.sources.signal_health import FULL_SCALE_16_BIT, SignalHealth
from edge.sources.wav_header import missing_wav_bytes

UNKNOWN_FRAMES = 1 << 62  # libsndfile's way to say that it does not know
_FULL_SCALE = {"PCM_U8": 1.0 - 2.0**-7, "PCM_S8": 1.0 - 2.0**-7, "FLOAT": 1.0, "DOUBLE": 1.0}
_REMEDY = "Give a WAV or FLAC file"


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
        self._file: Any = None
        self._rate_hz = 0
        self._n_channels = 0
        self._n_left = 0
        self._health = SignalHealth()
        self._next_index = 0
        self._n_opened = 0
        # libsndfile seeks at every read, which for FLAC costs more than the samples: decode several chunks at once.
        self._n_decoded_at_once = self._chunk_samples * max(1, FAST_CHUNK_SAMPLES // self._chunk_samples)
        self._samples = np.zeros(self._n_decoded_at_once, np.float32)
        self._block = np.zeros((self._n_decoded_at_once, 1), np.float32)
        self._n_ready = self._n_handed_out = 0  # of _samples

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
        """Open the file and look at its first and last samples.

        Raises:
            InputError: It is missing, empty, truncated or not sound.
            ConfigurationError: It does not have the chosen channel.
        """
        self.close()
        self._file = _open_sound(self._path)
        try:
            self._check()
        except BaseException:
            self.close()
            raise
        self._rate_hz = int(self._file.samplerate)
        self._n_channels = int(self._file.channels)
        self._n_left = int(self._file.frames)
        self._block = np.zeros((self._n_decoded_at_once, self._n_channels), np.float32)
        self._n_ready = self._n_handed_out = 0
        self._health.full_scale = _FULL_SCALE.get(self._file.subtype, FULL_SCALE_16_BIT)
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
        if self._file is None:
            raise DeviceError(f"sound from {self._path.name}", "the file is closed", "Open it again")
        n_known = self._n_ready - self._n_handed_out or self._n_left
        n_samples = min(self._chunk_samples, n_known)
        end_time_s = self._pace.wait(self._next_index + n_samples, timeout_s)
        if end_time_s is None:
            return None
        if self._n_handed_out == self._n_ready:
            self._decode_next()
        samples = self._samples[self._n_handed_out : self._n_handed_out + n_samples]
        self._n_handed_out += n_samples
        start_index = self._next_index
        self._next_index += n_samples
        is_at_end = self._n_left == 0 and self._n_handed_out == self._n_ready
        if is_at_end and self._is_looped:
            self._file.seek(0)
            self._n_left = int(self._file.frames)
        return AudioChunk(samples, start_index, end_time_s, is_at_end and not self._is_looped)

    def counters(self) -> Mapping[str, int]:
        """Return lost_samples (always 0: a file loses nothing), reopened and what `SignalHealth` counts."""
        return {"lost_samples": 0, "reopened": max(0, self._n_opened - 1), **self._health.counters()}

    def warnings(self) -> list[str]:
        """Return the lines about the sound that have not been returned before."""
        return self._health.warnings()

    def close(self) -> None:
        """Close the file; may be called twice."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _check(self) -> None:
        """Refuse a file that has no samples, is cut off or does not have the chosen channel."""
        import soundfile

        name = str(self._path)
        n_missing = missing_wav_bytes(self._path)
        if n_missing:
            raise _truncated(name, f"{n_missing} of the bytes that its header announces are missing")
        if self._file.frames <= 0:
            raise InputError(f"sound from {name}", "the file has no samples", _REMEDY)
        if self._file.frames >= UNKNOWN_FRAMES:
            raise InputError(
                f"sound from {name}",
                "its header does not tell its length, as when an encoder wrote to a pipe",
                f"Encode it into a file: `ffmpeg -i {self._path.name} whole.flac`",
            )
        if not MIN_RATE_HZ <= self._file.samplerate <= MAX_RATE_HZ:
            raise InputError(
                f"sound from {name}",
                f"its rate is {self._file.samplerate} Hz",
                f"Give a file of {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz",
            )
        self._choice.check(self._file.channels, name)
        try:  # the last sample of a whole file can be decoded; a FLAC file that was cut off fails here
            self._file.seek(self._file.frames - 1)
            is_whole = len(self._file.read(1, dtype="float32", always_2d=True)) == 1
            self._file.seek(0)
        except soundfile.SoundFileError as err:
            raise _truncated(name, f"its end cannot be read ({_reason(err)})") from err
        if not is_whole:
            raise _truncated(name, "it ends before the length that its header announces")

    def _decode_next(self) -> None:
        """Decode the next chunks into `_samples`."""
        n_samples = min(self._n_decoded_at_once, self._n_left)
        block = self._decode(n_samples)
        samples = self._samples[:n_samples]
        self._choice.pick(block, samples)
        self._health.inspect(samples, self._rate_hz)
        self._n_left -= n_samples
        self._n_ready, self._n_handed_out = n_samples, 0

    def _decode(self, n_samples: int) -> Any:
        import soundfile

        try:
            block = self._file.read(n_samples, dtype="float32", always_2d=True, out=self._block[:n_samples])
        except soundfile.SoundFileError as err:
            raise _damaged(self._path, self._next_index, _reason(err)) from err
        if len(block) != n_samples:
            raise _damaged(self._path, self._next_index, "it ends early")
        return block


def _open_sound(path: Path) -> Any:
    """Return the open file; by descriptor, so that the name's ending decides nothing."""
    import soundfile

    name = str(path)
    try:
        if not path.exists():
            raise InputError(f"sound from {name}", "there is no such file", "Check the path")
        if not path.is_file():
            raise InputError(f"sound from {name}", "it is not a regular file", "Give a file, or pipe it to `stdin`")
        if path.stat().st_size == 0:
            raise InputError(f"sound from {name}", "the file is empty (0 bytes)", _REMEDY)
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (OSError, ValueError) as err:
        raise InputError(f"sound from {name}", f"it cannot be read ({err})", "Check the path and its rights") from err
    try:
        return soundfile.SoundFile(descriptor, closefd=True)
    except (soundfile.SoundFileError, TypeError, ValueError) as err:
        try:
            os.close(descriptor)
        except OSError:
            pass  # libsndfile closed it already
        raise InputError(f"sound from {name}", f"the file is not sound ({_reason(err)})", _REMEDY) from err


def _reason(err: Exception) -> str:
    """Return what libsndfile says, without the file name or descriptor that it prefixes."""
    return str(getattr(err, "error_string", err)).strip().rstrip(".")


def _truncated(name: str, found: str) -> InputError:
    return InputError(f"sound from {name}", f"the file is truncated: {found}", "Copy or record it again")


def _damaged(path: Path, index: int, found: str) -> InputError:
    return InputError(
        f"sound from {path}", f"the file is damaged at sample {index}: {found}", "Copy or record it again"
    )
