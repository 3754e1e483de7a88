"""Whether an ONNX file names other files: weights that lie elsewhere are not covered by the manifest's SHA-256.

A library looks such a file up where it pleases, beside the network or in the folder that the program runs in. The
runtime needs no package onnx, so this walks through the bytes, by the messages that can hold a tensor.
Source: onnx/onnx.proto (field numbers); Protocol Buffers, "Encoding" (wire types).
"""

from __future__ import annotations

from collections.abc import Iterator

# Message -> the number of each field through which a tensor can be reached -> its message.
_FIELDS: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_EXTERNAL_DATA, _DATA_LOCATION, _EXTERNAL = 13, 14, 1  # of a tensor
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MOST_VARINT_BYTES = 10


def has_external_data(content: bytes) -> bool:
    """Return whether a tensor of a network lies in another file.

    Args:
        content: Of the ONNX file.

    Raises:
        ValueError: It is no message as ONNX has them.
    """
    view = memoryview(content)
    waiting = [("model", 0, len(content))]  # no recursion: graphs can lie in graphs as deep as a file likes
    while waiting:
        message, start, end = waiting.pop()
        for number, kind, value, at in _fields(view, start, end):
            if message == "tensor":
                if (number, kind) == (_EXTERNAL_DATA, _BYTES):
                    return True
                if (number, kind) == (_DATA_LOCATION, _VARINT) and value & 0xFFFFFFFF == _EXTERNAL:
                    return True
            elif kind == _BYTES and number in _FIELDS[message]:
                waiting.append((_FIELDS[message][number], at, at + value))
    return False


def _fields(view: memoryview, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield number, wire type, value (of bytes: how many) and place of each field of a message."""
    at = start
    while at < end:
        key, at = _varint(view, at, end)
        number, kind = key >> 3, key & 7
        value = 0
        if kind in (_VARINT, _BYTES):
            value, at = _varint(view, at, end)
        place = at
        at += {_VARINT: 0, _BYTES: value, _FIXED64: 8, _FIXED32: 4}.get(kind, end + 1)
        if number == 0 or at > end:
            raise ValueError(f"byte {place} is no field of a message")
        yield number, kind, value, place


def _varint(view: memoryview, at: int, end: int) -> tuple[int, int]:
    """Return a number and where it ends."""
    value = 0
    for i in range(_MOST_VARINT_BYTES):
        if at + i >= end:
            break
        byte = view[at + i]
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            return value, at + i + 1
    raise ValueError(f"byte {at} is no number")
