"""OSC bundles that are built once, by python-osc, and whose numbers are then overwritten in place.

Every item of OSC begins at a multiple of four bytes, so a bundle is also an array of 32-bit words.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge.outputs.bounded import MAX_DATAGRAM_BYTES

BUNDLE_HEADER_BYTES = 16  # "#bundle\0" and the time tag
SIZE_BYTES = 4  # before each element of a bundle
_FORBIDDEN = set(" #*,?[]{}")  # OSC 1.0: not allowed in the name of a method
Arguments = Sequence[tuple[str, int | float | str]]


class FloatBundle:
    """A bundle whose floats can be set all at once.

    Args:
        messages: Address and arguments of each message, a type letter and a value each.

    Attributes:
        datagram: The bytes; kept up to date by `floats`.
        n_floats: How many arguments are floats, over all messages in order.
    """

    def __init__(self, messages: Sequence[tuple[str, Arguments]]) -> None:
        contents = [build_message(address, arguments) for address, arguments in messages]
        self.datagram = build_bundle(contents)
        self._words = np.frombuffer(self.datagram, ">f4")
        places: list[int] = []
        at = BUNDLE_HEADER_BYTES
        for content, (_, arguments) in zip(contents, messages, strict=True):
            at += SIZE_BYTES + len(content)
            place = at
            for kind, value in reversed(arguments):
                place -= _n_bytes(kind, value)
                if kind == "f":
                    places.append(place // 4)
        self._places: NDArray[np.intp] = np.array(sorted(places), np.intp)
        self.n_floats = len(places)

    def set_floats(self, values: NDArray[np.float32]) -> None:
        """Overwrite all floats.

        Args:
            values: float32 [n_floats], in the order of the messages.
        """
        self._words[self._places] = values


def split_bundles(messages: Sequence[tuple[str, Arguments]]) -> list[FloatBundle]:
    """Return as few bundles as hold the messages in order, each small enough never to be fragmented.

    Args:
        messages: Address and arguments of each.
    """
    bundles = []
    part: list[tuple[str, Arguments]] = []
    n_bytes = BUNDLE_HEADER_BYTES
    for address, arguments in messages:
        size = SIZE_BYTES + len(build_message(address, arguments))
        if part and n_bytes + size > MAX_DATAGRAM_BYTES:
            bundles.append(FloatBundle(part))
            part, n_bytes = [], BUNDLE_HEADER_BYTES
        part.append((address, arguments))
        n_bytes += size
    bundles.append(FloatBundle(part))
    return bundles


def build_message(address: str, arguments: Arguments) -> bytes:
    """Return the bytes of a message."""
    from pythonosc.osc_message_builder import OscMessageBuilder

    builder = OscMessageBuilder(address)
    for kind, value in arguments:
        builder.add_arg(value, kind)
    content: bytes = builder.build().dgram
    return content


def build_bundle(messages: Sequence[bytes]) -> bytearray:
    """Return a bundle, to be done immediately."""
    from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
    from pythonosc.osc_message import OscMessage

    builder = OscBundleBuilder(IMMEDIATELY)
    for message in messages:
        builder.add_content(OscMessage(message))
    return bytearray(builder.build().dgram)


def is_address(text: str) -> bool:
    """Return whether a text may be an OSC address or a part of one."""
    return bool(text) and text.isascii() and text.isprintable() and not _FORBIDDEN & set(text)


def _n_bytes(kind: str, value: int | float | str) -> int:
    """Return the size of an argument."""
    return len(str(value).encode()) // 4 * 4 + 4 if kind == "s" else 4
