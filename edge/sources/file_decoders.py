"""What decodes a sound: libsndfile, and PyAV (FFmpeg's libraries) where libsndfile ends.

Both decode one part of a file from its beginning to its end, as float32 at the part's own rate. How much there is, is
known when it has been decoded.
"""

from __future__ import annotations

from typing import Any, BinaryIO, Protocol

from edge.errors import InputError
from edge.frames import Float32Array
from edge.sources.containers.file_bytes import CutError, DamagedError, PartFile, SoundPart
from edge.sources.containers.sound_parts import UNNAMED
from edge.sources.signal_health import FULL_SCALE_16_BIT

UNKNOWN_FRAMES = 1 << 62  # libsndfile's way to say that it does not know
EXTRA = 'pip install "au-edge[formats]"'
_FULL_SCALE = {"PCM_U8": 1.0 - 2.0**-7, "PCM_S8": 1.0 - 2.0**-7, "FLOAT": 1.0, "DOUBLE": 1.0}


class NotSoundError(ValueError):
    """No decoder knows this format; the text says why."""


class FileDecoder(Protocol):
    """Decodes one sound.

    Attributes:
        rate_hz: Samples a second.
        n_channels: Channels.
        full_scale: Magnitude from which a sample counts as clipped.
    """

    rate_hz: int
    n_channels: int
    full_scale: float

    def decode(self, out: Float32Array) -> int:
        """Write the next samples [n, n_channels]; return how many, fewer than asked only at the end.

        Raises:
            DamagedError: What is there cannot be decoded.
        """
        ...

    def close(self) -> None:
        """Release it; may be called twice."""
        ...


class LibsndfileDecoder:
    """WAV, FLAC, Ogg, MP3, AIFF and more.

    Args:
        file: The whole file, open.
        part: Which sound of it.

    Raises:
        NotSoundError: libsndfile does not know it.
        CutError: Its end, which it knows, is not there.
    """

    def __init__(self, file: BinaryIO, part: SoundPart) -> None:
        import soundfile

        class Sequential(soundfile.SoundFile):  # type: ignore[misc]
            """Reads on and on: else soundfile seeks behind every read, which for MP3 spoils what comes next."""

            def seekable(self) -> bool:
                return False

        self._failure = soundfile.SoundFileError
        try:
            self._sound: Any = Sequential(PartFile(file, part))
        except (soundfile.SoundFileError, TypeError, ValueError) as err:
            raise NotSoundError(_reason(err)) from err
        # Counted frame by frame, or (MP3 within WAV) by the chunk that holds it; libsndfile's length is an estimate.
        self._is_counted = str(self._sound.subtype).startswith("MPEG_LAYER")
        self.rate_hz = int(self._sound.samplerate)
        self.n_channels = int(self._sound.channels)
        self.full_scale = _FULL_SCALE.get(self._sound.subtype, FULL_SCALE_16_BIT)
        self._n_left = int(self._sound.frames)
        try:
            self._check_end()
        except BaseException:
            self.close()
            raise

    def decode(self, out: Float32Array) -> int:
        """Write the next samples [n, n_channels]; return how many."""
        n_asked = min(len(out), self._n_left)
        if n_asked <= 0:
            return 0
        try:
            block = self._sound.read(n_asked, dtype="float32", always_2d=True, out=out[:n_asked])
        except self._failure as err:
            raise DamagedError(_reason(err)) from err
        if len(block) < n_asked and not self._is_counted:
            raise DamagedError("it ends early")
        self._n_left = self._n_left - n_asked if len(block) == n_asked else 0
        return len(block)

    def close(self) -> None:
        """Close the file."""
        self._sound.close()

    def _check_end(self) -> None:
        """The last sample of a whole file can be decoded; a FLAC file that was cut off fails here.

        MP3 and Ogg were walked to their ends, and do not like to be sought in.
        """
        if self._n_left >= UNKNOWN_FRAMES:
            raise NotSoundError("its header does not tell its length")  # PyAV does not ask for it
        if self._n_left == 0 or self._is_counted or self._sound.format == "OGG":
            return
        try:
            self._sound.seek(self._n_left - 1)
            is_whole = len(self._sound.read(1, dtype="float32", always_2d=True)) == 1
            self._sound.seek(0)
        except self._failure as err:
            raise CutError(f"its end cannot be read ({_reason(err)})") from err
        if not is_whole:
            raise CutError("it ends before the length that its header announces")


def open_decoder(file: BinaryIO, part: SoundPart, name: str) -> FileDecoder:
    """Return what decodes a sound, at its beginning.

    Args:
        file: The whole file, open.
        part: Which sound of it.
        name: Of the file, for messages.

    Raises:
        InputError: Nothing here decodes it.
        CutError: It was cut.
    """
    try:
        return LibsndfileDecoder(file, part)
    except NotSoundError as err:
        why = str(err)
    from edge.sources.av_decoder import AvDecoder, is_av_here

    is_named = part.name != UNNAMED
    if is_av_here():
        try:
            return AvDecoder(PartFile(file, part))
        except NotSoundError as err:
            begins = f", though it begins as {part.name}" if is_named else ""
            found = f"the file is not sound{begins} ({err})"
            raise InputError(f"sound from {name}", found, "Give a WAV or FLAC file") from err
    if is_named:
        found = f"the file is {part.name}, which takes PyAV, and that is not installed"
        raise InputError(f"sound from {name}", found, f"Run `{EXTRA}`, or convert it: `ffmpeg -i {name} speech.flac`")
    found = f"the file is not sound ({why})"
    raise InputError(f"sound from {name}", found, f"Give a WAV or FLAC file; `{EXTRA}` reads more formats")


def _reason(err: Exception) -> str:
    """Return what libsndfile says, without the file name or descriptor that it prefixes."""
    return str(getattr(err, "error_string", err)).strip().rstrip(".")
