"""Turn what a socket receives into named frames: any of our three formats, told apart by the first bytes."""

from __future__ import annotations

from dataclasses import replace

from edge.outputs import binary, json_udp, osc_reading
from edge.outputs.received import Announcement, ReceivedFrame
from edge.outputs.sound_datagram import SOUND_MAGIC


class StreamDecoder:
    """Decoder of one sender's stream, which remembers the names that were announced.

    Attributes:
        n_refused: Datagrams that were none of our formats.
        last_reason: Why the last of them was refused; empty for none.
    """

    def __init__(self) -> None:
        self.n_refused = 0
        self.last_reason = ""
        self._names: dict[tuple[str, int], list[str | None]] = {}  # by protocol and number of channels

    def feed(self, datagram: bytes) -> ReceivedFrame | None:
        """Take a datagram.

        Args:
            datagram: As received.

        Returns:
            A frame, with names where they are known by now; None for an announcement, for sound (see
            edge.outputs.sound_datagram) and for what is not ours.
        """
        if datagram[:2] == SOUND_MAGIC:
            return None
        try:
            return self.read(datagram)
        except ValueError as err:
            self.n_refused += 1
            self.last_reason = str(err)
            return None

    def read(self, datagram: bytes) -> ReceivedFrame | None:
        """Take a datagram, as `feed` does, but say what is not ours.

        Args:
            datagram: As received.

        Returns:
            A frame, with names where they are known by now; None for an announcement.

        Raises:
            ValueError: It is none of our formats.
        """
        found = decode(datagram)
        if isinstance(found, Announcement):
            self._learn(found)
            return None
        if found.names is not None:
            return found
        names = self._names.get((found.protocol, len(found.values)))
        if names is None or None in names:
            return found
        return replace(found, names=tuple(name for name in names if name is not None))

    def _learn(self, announced: Announcement) -> None:
        if len(self._names) >= 8 and (announced.protocol, announced.n_channels) not in self._names:
            self._names.clear()  # one sender has one or two formats; a hostile one must not grow this
        names = self._names.setdefault((announced.protocol, announced.n_channels), [None] * announced.n_channels)
        names[announced.first_index : announced.first_index + len(announced.names)] = announced.names


def decode(datagram: bytes) -> ReceivedFrame | Announcement:
    """Read a datagram of any of our formats.

    Raises:
        ValueError: It is none; says why.
    """
    if datagram[:1] == b"{":
        return json_udp.decode(datagram)
    if datagram[:1] in (b"#", b"/"):
        return osc_reading.decode(datagram)
    if datagram[:2] in (binary.FRAME_MAGIC, binary.NAMES_MAGIC):
        return binary.decode(datagram)
    raise ValueError(f"it begins with {bytes(datagram[:4])!r}, as none of our formats does")
