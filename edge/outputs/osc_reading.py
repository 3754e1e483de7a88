"""Read OSC datagrams, believing nothing in them: messages of a bundle, and our own frames among them."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from edge.outputs.osc import SEQUENCE_MODULUS
from edge.outputs.received import MAX_RECEIVED_CHANNELS, Announcement, ReceivedFrame, state_of

_MAX_BUNDLE_DEPTH = 4
_MAX_MESSAGES = 1024
_WITHOUT_BYTES: dict[str, bool | None] = {"T": True, "F": False, "N": None}
Argument = int | float | str | bytes | bool | None


@dataclass(frozen=True)
class OscMessage:
    """A message.

    Attributes:
        address: As written.
        arguments: Of the types i f s b h d t T F N.
    """

    address: str
    arguments: tuple[Argument, ...]


def messages(datagram: bytes) -> list[OscMessage]:
    """Return the messages of a datagram in their order, bundles opened.

    Raises:
        ValueError: It is not OSC 1.0; says why.
    """
    found = list(_elements(bytes(datagram), 0))
    if len(found) > _MAX_MESSAGES:
        raise ValueError("it has too many messages")
    return found


def decode(datagram: bytes) -> ReceivedFrame | Announcement:
    """Read a datagram of our own OSC format, under any prefix.

    Raises:
        ValueError: It is OSC of another kind, or not OSC; says why.
    """
    by_name: dict[str, tuple[Argument, ...]] = {}
    for message in messages(datagram):
        by_name[message.address.rpartition("/")[2]] = message.arguments
    if "names" in by_name:
        names = tuple(name for name in by_name["names"] if isinstance(name, str))
        if len(names) != len(by_name["names"]) or not 0 < len(names) <= MAX_RECEIVED_CHANNELS:
            raise ValueError("the names are not names")
        return Announcement("osc", names, 0, len(names))
    if not {"info", "au", "head"} <= by_name.keys():
        raise ValueError("it has no /info, /au and /head")
    info, head = by_name["info"], _floats(by_name["head"], -360.0, 360.0)
    if len(info) != 4 or len(head) != 3 or len(by_name["au"]) > MAX_RECEIVED_CHANNELS:
        raise ValueError("/info, /au or /head has another number of values")
    sequence, seconds, microseconds = info[:3]
    if not isinstance(sequence, int) or not isinstance(seconds, int) or not isinstance(microseconds, int):
        raise ValueError("/info does not begin with three integers")
    if sequence < 0 or not 0 <= microseconds < 1_000_000:
        raise ValueError("/info has a number out of range")
    return ReceivedFrame(
        protocol="osc",
        values=_floats(by_name["au"], 0.0, 1.0),
        names=None,
        head_deg=(head[0], head[1], head[2]),
        sequence=sequence,
        sequence_modulus=SEQUENCE_MODULUS,
        capture_unix_s=seconds + microseconds / 1e6,
        state=state_of(info[3]),
    )


def _floats(arguments: tuple[Argument, ...], minimum: float, maximum: float) -> tuple[float, ...]:
    """Return the arguments as finite numbers within bounds, or say that they are not."""
    values = []
    for value in arguments:
        if not isinstance(value, float) or not math.isfinite(value) or not minimum <= value <= maximum:
            raise ValueError(f"{value!r} is no number from {minimum:g} to {maximum:g}")
        values.append(value)
    return tuple(values)


def _elements(content: bytes, depth: int) -> Iterator[OscMessage]:
    """Yield the messages of a message or bundle."""
    if not content.startswith(b"#bundle\0"):
        yield _message(content)
        return
    if depth == _MAX_BUNDLE_DEPTH:
        raise ValueError("its bundles are nested too deeply")
    if len(content) < 16:
        raise ValueError("the bundle ends within its time tag")
    at = 16
    while at < len(content):
        if len(content) - at < 4:
            raise ValueError("the bundle ends within a size")
        (size,) = struct.unpack_from(">i", content, at)
        at += 4
        if size <= 0 or size % 4 or size > len(content) - at:
            raise ValueError(f"an element of {size} bytes does not fit the bundle")
        yield from _elements(content[at : at + size], depth + 1)
        at += size


def _message(content: bytes) -> OscMessage:
    address, at = _string(content, 0)
    if not address.startswith("/"):
        raise ValueError("an address does not begin with /")
    tags, at = _string(content, at)
    if not tags.startswith(","):
        raise ValueError("a message has no type tags")
    arguments: list[Argument] = []
    for tag in tags[1:]:
        value, at = _argument(tag, content, at)
        arguments.append(value)
    if at != len(content):
        raise ValueError("a message is longer than its arguments")
    return OscMessage(address, tuple(arguments))


def _argument(tag: str, content: bytes, at: int) -> tuple[Argument, int]:
    """Return one argument and where the next begins."""
    numeric = {"i": ">i", "f": ">f", "h": ">q", "d": ">d", "t": ">Q"}.get(tag)
    if numeric:
        size = struct.calcsize(numeric)
        if len(content) - at < size:
            raise ValueError("a message ends within a number")
        number: int | float = struct.unpack_from(numeric, content, at)[0]
        return number, at + size
    if tag == "s":
        return _string(content, at)
    if tag == "b":
        n_bytes, at = _argument("i", content, at)
        if not isinstance(n_bytes, int) or n_bytes < 0 or n_bytes + -n_bytes % 4 > len(content) - at:
            raise ValueError("a blob does not fit the message")
        return content[at : at + n_bytes], at + n_bytes + -n_bytes % 4
    if tag in _WITHOUT_BYTES:
        return _WITHOUT_BYTES[tag], at
    raise ValueError(f"type {tag!r} is not known")


def _string(content: bytes, at: int) -> tuple[str, int]:
    """Return a NUL-ended string padded to four bytes and where the next item begins."""
    end = content.find(b"\0", at)
    padded_end = end + 4 - end % 4
    if end < 0 or padded_end > len(content):
        raise ValueError("a string does not end")
    return content[at:end].decode("ascii"), padded_end
