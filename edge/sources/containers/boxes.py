"""MP4 and Matroska: boxes in boxes, each with its length; and older formats that announce their length at the top.

Source: ISO/IEC 14496-12 (MP4, M4A); RFC 8794 (EBML) and RFC 9559 (Matroska, WebM); Apple, AIFF-C; Sun, AU; IBM, RIFF.
"""

from __future__ import annotations

from edge.sources.containers.file_bytes import CutError, FileBytes, SoundPart
from edge.sources.wav_header import UNKNOWN_LENGTH

_EBML, _SEGMENT, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675


def mp4_part(data: FileBytes, start: int) -> SoundPart:
    """Find where an MP4 ends: before another begins, at what is no box, or with the file.

    Raises:
        CutError: A box goes on beyond the end, or the index (moov) never came.
    """
    position = start
    names: list[bytes] = []
    while position + 8 <= data.size:
        head = data.at(position, 16)
        name, size = head[4:8], int.from_bytes(head[:4], "big")
        if not name.isascii() or (name == b"ftyp" and names) or size in range(2, 8):
            break
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
        size = size or data.size - position  # 0: to the end
        if position + size > data.size:
            raise CutError(f"{position + size - data.size} bytes of its {name.decode()} box are missing")
        names.append(name)
        position += size
    if b"moov" not in names:
        raise CutError("its index (moov), which most writers put at the end, is missing")
    return SoundPart(start, position, "MP4 or M4A")


def matroska_part(data: FileBytes, start: int) -> SoundPart:
    """Find where a Matroska or WebM file ends, also one whose writer did not know its length.

    Raises:
        CutError: An element goes on beyond the end.
    """
    position, is_first = start, True
    while position < data.size:
        identity, size, body = _element(data, position)
        if identity == _EBML and not is_first:
            break
        is_first = False
        is_open = size < 0
        if is_open and identity not in (_SEGMENT, _CLUSTER):
            break
        if not is_open and body + size > data.size:
            raise CutError(f"{body + size - data.size} of the bytes that it announces are missing")
        if identity == _SEGMENT and not is_open:
            return SoundPart(start, body + size, "WebM or Matroska")
        # The inside of what has no length is walked as if it stood outside: only its end is asked for.
        position = body if is_open else body + size
    return SoundPart(start, position, "WebM or Matroska")


def _element(data: FileBytes, position: int) -> tuple[int, int, int]:
    """Return an element's identity, its size (-1: left open) and where its body begins."""
    head = data.at(position, 12)
    n_identity = 9 - head[0].bit_length() if head[0] else 9
    if n_identity > 4 or len(head) <= n_identity:
        raise CutError("its last element is not whole")
    first = head[n_identity]
    n_size = 9 - first.bit_length() if first else 9
    if n_size > 8 or len(head) < n_identity + n_size:
        raise CutError("its last element is not whole")
    coded = int.from_bytes(head[n_identity : n_identity + n_size], "big")
    ones = (1 << 7 * n_size) - 1
    size = coded & ones
    return int.from_bytes(head[:n_identity], "big"), -1 if size == ones else size, position + n_identity + n_size


def announced_part(data: FileBytes, start: int, name: str) -> SoundPart:
    """Take a format that announces its length at the top, or one that does not, to the end of the file.

    Raises:
        CutError: Bytes that it announces are missing.
    """
    head = data.at(start, 24)
    n_announced = 0
    if name == "CAF":
        n_announced = _caf_bytes(data, start)
    elif name == "Wave64":
        n_announced = int.from_bytes(head[16:24], "little")
    elif name in ("AIFF", "8SVX"):
        n_announced = 8 + int.from_bytes(head[4:8], "big")
    elif head[:4] == b"RIFF":
        n_announced = 8 + int.from_bytes(head[4:8], "little")
    elif name == "AU":
        n_announced = int.from_bytes(head[4:8], "big") + int.from_bytes(head[8:12], "big")
    n_missing = start + n_announced - data.size
    if n_missing > 0 and n_announced < UNKNOWN_LENGTH:
        raise CutError(f"{n_missing} of the bytes that its header announces are missing")
    return SoundPart(start, data.size, name)


def _caf_bytes(data: FileBytes, start: int) -> int:
    """Return how many bytes the chunks of a CAF announce; a size of -1 means to the end."""
    position = start + 8
    while position + 12 <= data.size:
        size = int.from_bytes(data.at(position + 4, 8), "big", signed=True)
        position = data.size if size < 0 else position + 12 + size
    return position - start
