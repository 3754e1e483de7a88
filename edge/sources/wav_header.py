"""The RIFF/WAVE header, read by hand for two things that libsndfile does not tell.

A file whose data chunk is longer than the file was cut off (libsndfile shortens it in silence), and a stream has a
header but no end to seek to. Source: Microsoft and IBM, Multimedia Programming Interface 1.0 (1991), and
WAVE_FORMAT_EXTENSIBLE (Microsoft, 2001).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

UNKNOWN_LENGTH = 2_000_000_000  # from here on no writer knew: pipes leave this, 0x7FFFFFFF, all ones (or 0)
MAX_HEADER_BYTES = 64 * 1024
KINDS = (b"RIFF", b"RF64", b"BW64")  # the latter two: EBU Tech 3306 and ITU-R BS.2088, for more than 4 GB
_LARGE = 0xFFFFFFFF  # in place of a size that a chunk "ds64" says
_LARGEST = 1 << 48  # 256 TB; more is no size but all ones
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_FORMATS = {(_PCM, 16): "s16le", (_PCM, 24): "s24le", (_PCM, 32): "s32le", (_FLOAT, 32): "f32le"}


@dataclass(frozen=True)
class WavHeader:
    """What a WAV header says.

    Attributes:
        sample_format: "s16le", "s24le", "s32le" or "f32le"; empty for another.
        rate_hz: Samples a second.
        n_channels: Channels.
        data_offset: Where the samples begin.
        n_data_bytes: How many bytes of samples follow, or None where they go on to the end.
    """

    sample_format: str
    rate_hz: int
    n_channels: int
    data_offset: int
    n_data_bytes: int | None


class NotWavError(ValueError):
    """The bytes are not a WAV header."""


def parse_wav_header(head: bytes) -> WavHeader | None:
    """Read a header from the beginning of a file or stream.

    Args:
        head: The first bytes.

    Returns:
        The header, or None where it goes on beyond these bytes.

    Raises:
        NotWavError: They do not begin a WAV file.
    """
    if not any(kind.startswith(head[:4]) for kind in KINDS) or (len(head) >= 12 and head[8:12] != b"WAVE"):
        is_big_endian = head[:4] == b"RIFX"
        raise NotWavError("it is big-endian (RIFX)" if is_big_endian else "it does not begin with RIFF and WAVE")
    position, n_large_bytes = 12, 0
    described: tuple[str, int, int] | None = None
    while position + 8 <= len(head):
        name, size = struct.unpack_from("<4sI", head, position)
        body = position + 8
        if name == b"data":
            if described is None:
                raise NotWavError("its samples come before their format")
            size = n_large_bytes if size == _LARGE and n_large_bytes else size
            is_open_ended = size == 0 or (size >= UNKNOWN_LENGTH and size != n_large_bytes)
            return WavHeader(*described, body, None if is_open_ended else size)
        if name == b"ds64" and size >= 16:
            if body + 16 > len(head):
                return None
            (n_large_bytes,) = struct.unpack_from("<Q", head, body + 8)
            n_large_bytes = 0 if n_large_bytes > _LARGEST else n_large_bytes
        if name == b"fmt ":
            if size < 16:
                raise NotWavError("its format chunk is too short")
            if body + min(size, 40) > len(head):
                return None
            described = _parse_format(head, body, size)
        position = body + size + size % 2
        if position > MAX_HEADER_BYTES:
            raise NotWavError(f"no samples within its first {MAX_HEADER_BYTES} bytes")
    return None


def missing_wav_bytes(path: Path) -> int:
    """Return how many bytes of samples a WAV file announces but does not have; 0 for every other file.

    Args:
        path: A file that can be read.
    """
    with path.open("rb") as file:
        try:
            header = parse_wav_header(file.read(MAX_HEADER_BYTES))
        except NotWavError:
            return 0  # another format, or a header so unusual that libsndfile must judge
        file.seek(0, 2)
        size = file.tell()
    if header is None or header.n_data_bytes is None:
        return 0
    return max(0, header.data_offset + header.n_data_bytes - size)


def _parse_format(head: bytes, body: int, size: int) -> tuple[str, int, int]:
    tag, n_channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", head, body)
    if tag == _EXTENSIBLE and size >= 40:
        (tag,) = struct.unpack_from("<H", head, body + 24)  # the first two bytes of the sub-format's GUID
    return _FORMATS.get((tag, bits), ""), rate_hz, n_channels
