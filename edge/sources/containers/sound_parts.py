"""The sounds of a file, one after another: what `cat a.mp3 b.mp3 > c.mp3` leaves is both."""

from __future__ import annotations

from edge.sources.containers.boxes import announced_part, matroska_part, mp4_part
from edge.sources.containers.file_bytes import CutError, FileBytes, SoundPart
from edge.sources.containers.flac import flac_part
from edge.sources.containers.mpeg_file import adts_part, mp3_part, skip_tags
from edge.sources.containers.ogg import ogg_part
from edge.sources.containers.riff import wav_part
from edge.sources.sound_signature import LOOK_BYTES, Signature, identify

UNNAMED = "an unknown format"
MAX_PARTS = 10_000
_RESYNC_BYTES = 64 * 1024  # how far the next frame of an MP3 is looked for: a picture's remains, a server's words
_WALKERS = {
    "MP3": mp3_part,
    "AAC": adts_part,
    "FLAC": flac_part,
    "MP4 or M4A": mp4_part,
    "WebM or Matroska": matroska_part,
}


def find_parts(data: FileBytes) -> list[SoundPart]:
    """Find every sound of a file.

    Args:
        data: The file, not empty.

    Returns:
        At least one part. One whose format is not known has the name `UNNAMED` and is the whole file.

    Raises:
        CutError: It ends before its sound does.
        DamagedError: It is not what was written.
    """
    parts: list[SoundPart] = []
    position = 0
    while position < data.size and len(parts) < MAX_PARTS:
        begin, signature = _next_sound(data, position, is_first=not parts)
        if signature is None:
            break
        part = _part(data, begin, signature)
        parts.append(part)
        if part.end <= begin:
            break
        position = part.end
    return parts or [SoundPart(0, data.size, UNNAMED)]


def _next_sound(data: FileBytes, begin: int, is_first: bool) -> tuple[int, Signature | None]:
    """Return where a sound begins and what it is: here, or behind a little that is none; None: there is no more."""
    signature = identify(data.at(begin, LOOK_BYTES))
    is_tag = data.at(begin, 3) == b"ID3"
    if signature is not None and signature.is_sound and not is_tag:
        return begin, signature
    if is_first and not is_tag:
        return begin, None
    begin = skip_tags(data, begin)
    signature = identify(data.at(begin, LOOK_BYTES))
    if signature is not None and signature.is_sound:
        return begin, signature
    if is_tag and data.size - begin < LOOK_BYTES:
        raise CutError("it ends within its first frames")
    window = data.at(begin, _RESYNC_BYTES + LOOK_BYTES)
    position = 0
    while 0 <= (position := window.find(b"\xff", position + 1)) < _RESYNC_BYTES:
        signature = identify(window[position : position + LOOK_BYTES])
        if signature is not None and signature.name in ("MP3", "AAC"):
            return begin + position, signature
    return begin, None


def _part(data: FileBytes, begin: int, signature: Signature) -> SoundPart:
    if signature.name.startswith("Ogg"):
        return ogg_part(data, begin)
    if signature.name == "WAV" and data.at(begin, 4) != b"RIFX":
        return wav_part(data, begin)
    if signature.name in _WALKERS:
        return _WALKERS[signature.name](data, begin)
    return announced_part(data, begin, signature.name)
