"""FLAC files: several one after another, and the length where an encoder wrote to a pipe.

The last frame tells which samples it holds, and has a check sum that ends where the file does: that gives the length,
and shows a file that was cut, without decoding it. Source: RFC 9639, sections 8.2 (STREAMINFO) and 9 (frames).
"""

from __future__ import annotations

from edge.sources.containers.file_bytes import CutError, FileBytes, SoundPart

_MARK = b"fLaC\x00\x00\x00\x22"  # STREAMINFO is first, always, and has 34 bytes
_INFO_BYTES = 42  # with the mark
_TAIL_BYTES = 2 << 20  # more than the largest frame: 8 channels of 65,535 samples of 32 bit
_BLOCKS = {1: 192, **{n: 576 << n - 2 for n in range(2, 6)}, **{n: 256 << n - 8 for n in range(8, 16)}}


def flac_part(data: FileBytes, start: int) -> SoundPart:
    """Find where a FLAC sound ends: before the next one, or with the file.

    Args:
        data: The file.
        start: Where fLaC stands.

    Returns:
        The part; with its number of samples filled in where that was left open.

    Raises:
        CutError: The number was left open, and the last frame is not whole.
    """
    found = min(
        (at for mark in (_MARK, b"fLaC\x80\x00\x00\x22") if (at := data.find(mark, start + 4)) >= 0), default=-1
    )
    end = found if found >= 0 else data.size
    if _first_frame(data, start) >= end:
        raise CutError("it ends before its first frame")
    info = bytearray(data.at(start, _INFO_BYTES))
    is_open = len(info) == _INFO_BYTES and info[21] & 15 == 0 and not any(info[22:26])
    if not is_open:
        return SoundPart(start, end, "FLAC")  # libsndfile knows the end, and sees whether it is there
    n_samples = _count(data, start, end, int.from_bytes(info[8:10], "big"))
    info[21] |= n_samples >> 32
    info[22:26] = (n_samples & 0xFFFF_FFFF).to_bytes(4, "big")
    return SoundPart(start, end, "FLAC", bytes(info), _INFO_BYTES)


def _first_frame(data: FileBytes, start: int) -> int:
    """Return where the blocks of metadata end."""
    position, is_last = start + 4, False
    while not is_last and position < data.size:
        block = data.at(position, 4)
        is_last = bool(block[0] & 0x80)
        position += 4 + int.from_bytes(block[1:4], "big")
    return position


def _count(data: FileBytes, start: int, end: int, fixed_block: int) -> int:
    """Return the index one past the last sample."""
    begin = max(start + _INFO_BYTES, end - _TAIL_BYTES)
    tail = data.at(begin, end - begin)
    position = len(tail)
    while (position := tail.rfind(b"\xff", 0, position)) >= 0:
        counted = _frame(tail[position : position + 16], fixed_block)
        if counted and _crc(tail[position:], 16, 0x8005) == 0:
            return counted
    raise CutError("its last frame is not whole")


def _frame(head: bytes, fixed_block: int) -> int:
    """Return the index one past a frame's last sample, or 0 where these bytes are no frame's header."""
    if len(head) < 6 or head[1] & 0xFE != 0xF8 or head[3] & 1:
        return 0
    n_ones = len(f"{head[4]:08b}") - len(f"{head[4]:08b}".lstrip("1"))
    n_coded = max(1, n_ones)
    if n_ones in (1, 8) or len(head) < 4 + n_coded:
        return 0
    number = head[4] & (0x7F >> n_ones)
    for byte in head[5 : 4 + n_coded]:
        number = number << 6 | byte & 0x3F
    block_code, rate_code, position = head[2] >> 4, head[2] & 15, 4 + n_coded
    n_block_bytes = {6: 1, 7: 2}.get(block_code, 0)
    block = int.from_bytes(head[position : position + n_block_bytes], "big") + 1 if n_block_bytes else 0
    position += n_block_bytes + {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    block = block or _BLOCKS.get(block_code, 0)
    if not block or len(head) <= position or _crc(head[: position + 1], 8, 0x07) != 0:
        return 0
    return (number if head[1] & 1 else number * fixed_block) + block


def _crc(data: bytes, n_bits: int, polynomial: int) -> int:
    """Return a check sum; 0 over bytes that end with their own."""
    table = _table(n_bits, polynomial)
    shift, mask, value = n_bits - 8, (1 << n_bits) - 1, 0
    for byte in data:
        value = (value << 8 & mask) ^ table[value >> shift ^ byte]
    return value


_tables: dict[int, list[int]] = {}


def _table(n_bits: int, polynomial: int) -> list[int]:
    if n_bits not in _tables:
        top, mask, table = 1 << n_bits - 1, (1 << n_bits) - 1, []
        for byte in range(256):
            value = byte << n_bits - 8
            for _ in range(8):
                value = (value << 1 ^ polynomial if value & top else value << 1) & mask
            table.append(value)
        _tables[n_bits] = table
    return _tables[n_bits]
