"""WAV files: what their chunks say, and the true length where a writer to a pipe could not fill it in.

Source: Microsoft and IBM, Multimedia Programming Interface 1.0 (1991); EBU Tech 3306 (RF64).
"""

from __future__ import annotations

import struct

from edge.sources.containers.file_bytes import CutError, FileBytes, SoundPart
from edge.sources.wav_header import MAX_HEADER_BYTES, UNKNOWN_LENGTH

_FOLLOWING = (
    b"LIST",
    b"id3 ",
    b"ID3 ",
    b"bext",
    b"cue ",
    b"fact",
    b"iXML",
    b"JUNK",
    b"smpl",
    b"PEAK",
    b"afsp",
    b"_PMX",
)


def wav_part(data: FileBytes, start: int) -> SoundPart:
    """Find where a WAV sound ends.

    Args:
        data: The file.
        start: Where RIFF or RF64 stands.

    Returns:
        The part; with its sizes filled in where they were not.

    Raises:
        CutError: Samples that the header announces are missing.
    """
    data_at, n_announced = _data_chunk(data, start)
    if data_at < 0:
        return SoundPart(start, data.size, "WAV")  # no samples, or so unusual that libsndfile must judge
    n_there = data.size - data_at
    if 0 < n_announced <= n_there:
        return SoundPart(start, _end_of_chunks(data, data_at + n_announced + n_announced % 2), "WAV")
    if n_announced == 0 and _is_empty(data, data_at):
        return SoundPart(start, _end_of_chunks(data, data_at), "WAV")
    if 0 < n_announced < UNKNOWN_LENGTH:
        raise CutError(f"{n_announced - n_there} of the bytes that its header announces are missing")
    end = _next_wav(data, data_at)
    return SoundPart(start, end, "WAV", _filled_in(data, start, data_at, end), data_at - start)


def _data_chunk(data: FileBytes, start: int) -> tuple[int, int]:
    """Return where the samples begin and how many bytes of them are announced; (-1, 0) where there is no such chunk."""
    position, long_size = start + 12, 0
    while position + 8 <= data.size and position - start <= MAX_HEADER_BYTES:
        name, size = struct.unpack("<4sI", data.at(position, 8))
        if name == b"ds64" and size >= 16:
            long_size = struct.unpack("<Q", data.at(position + 16, 8).ljust(8, b"\0"))[0]
        if name == b"data":
            return position + 8, long_size if size == 0xFFFF_FFFF and long_size else size
        position += 8 + size + size % 2
    return -1, 0


def _end_of_chunks(data: FileBytes, position: int) -> int:
    """Return where the chunks behind the samples end: at the next sound, at what is no chunk, or at the file's end."""
    while position + 8 <= data.size:
        name, size = struct.unpack("<4sI", data.at(position, 8))
        if name in (b"RIFF", b"RF64") or not all(0x20 <= character < 0x7F for character in name):
            break
        position += 8 + size + size % 2
    return min(position, data.size)


def _is_empty(data: FileBytes, position: int) -> bool:
    """Return whether chunks or nothing follow: then a size of 0 is meant, and the sound is empty."""
    return position >= data.size or data.at(position, 4) in _FOLLOWING or _is_wav(data, position)


def _is_wav(data: FileBytes, position: int) -> bool:
    head = data.at(position, 12)
    return head[:4] == b"RIFF" and head[8:12] == b"WAVE"


def _next_wav(data: FileBytes, position: int) -> int:
    """Return where another WAV begins within samples of unknown length, or the file's end."""
    while (found := data.find(b"WAVEfmt ", position)) >= 0:
        if _is_wav(data, found - 8):
            return found - 8
        position = found + 1
    return data.size


def _filled_in(data: FileBytes, start: int, data_at: int, end: int) -> bytes:
    """Return the header with the sizes of RIFF and data as they are."""
    head = bytearray(data.at(start, data_at - start))
    limit = 0xFFFF_FFFF  # more cannot be said in 32 bits; libsndfile then reads to the end by itself
    struct.pack_into("<I", head, 4, min(end - start - 8, limit))
    struct.pack_into("<I", head, data_at - start - 4, min(end - data_at, limit))
    return bytes(head)
