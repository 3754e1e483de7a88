"""Ogg files: pages with a length and a check sum; several sounds one after another are a chain.

Source: RFC 3533. Its check sum is that of zlib with the bits of every byte and of the result in the other order.
"""

from __future__ import annotations

import zlib

from edge.sources.containers.file_bytes import CutError, DamagedError, FileBytes, SoundPart

_CONTINUES, _BEGINS, _ENDS = 1, 2, 4
_HEADER_BYTES = 27
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def ogg_part(data: FileBytes, start: int) -> SoundPart:
    """Find where a sound ends: before the page that begins another, or where the pages end.

    Args:
        data: The file.
        start: Where its first page stands.

    Raises:
        CutError: The last page is not whole.
        DamagedError: A page is not what was written, or missing.
    """
    position, is_beginning = start, True
    open_streams: dict[bytes, int] = {}  # serial number: the next page's number
    while data.at(position, 4) == b"OggS":
        head = data.at(position, _HEADER_BYTES + 255)
        flags, serial = head[5] if len(head) > 5 else 0, head[14:18]
        if flags & _BEGINS and not is_beginning:
            break
        is_beginning = is_beginning and bool(flags & _BEGINS)
        n_bytes = _page_bytes(head)
        if n_bytes == 0 or position + n_bytes > data.size:
            raise CutError("its last page is not whole")
        _check(data.at(position, n_bytes), position, open_streams.get(serial))
        open_streams[serial] = int.from_bytes(head[18:22], "little") + 1
        if flags & _ENDS:
            del open_streams[serial]
        position += n_bytes
    is_end_marked = not open_streams or position < data.size
    doubt = "" if is_end_marked else "its last page is not marked as the end: it may have been cut there"
    return SoundPart(start, position, "Ogg", doubt=doubt)


def _page_bytes(head: bytes) -> int:
    """Return the length of a page, or 0 where its header is not whole."""
    if len(head) < _HEADER_BYTES or len(head) < _HEADER_BYTES + head[26]:
        return 0
    return _HEADER_BYTES + head[26] + sum(head[_HEADER_BYTES : _HEADER_BYTES + head[26]])


def _check(page: bytes, position: int, number: int | None) -> None:
    plain = page[:22] + bytes(4) + page[26:]
    reversed_sum = zlib.crc32(plain.translate(_REVERSED), 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    if int(f"{reversed_sum:032b}"[::-1], 2) != int.from_bytes(page[22:26], "little"):
        raise DamagedError(f"the page at byte {position} does not agree with its check sum")
    found = int.from_bytes(page[18:22], "little")
    if number is not None and found != number & 0xFFFF_FFFF:
        raise DamagedError(f"pages are missing before byte {position}")
