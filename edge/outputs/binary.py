"""Our binary datagram, for microcontrollers: fixed layout, little-endian, natural alignment, CRC-16 at the end.

Frame: "AU", version, state, sequence, capture time, number of channels, head in centidegrees, activations as u16, CRC.
Names: "AN", version, 0, number of channels, first index, text length, names joined by commas, CRC.
Byte by byte in docs/protocols.md; docs/au_edge_frame.h reads it in C.
"""

from __future__ import annotations

import binascii
import struct
from collections.abc import Mapping, Sequence

import numpy as np

from edge.contracts import Datagram
from edge.frames import AUFrame
from edge.manifest import Manifest
from edge.outputs.bounded import MAX_DATAGRAM_BYTES, BoundedValues
from edge.outputs.options import Option, OptionValues
from edge.outputs.received import MAX_RECEIVED_CHANNELS, Announcement, ReceivedFrame, state_of

VERSION = 1
FRAME_MAGIC = b"AU"
NAMES_MAGIC = b"AN"
FULL_SCALE = 65535  # u16 of an activation of 1.0
_HEADER = struct.Struct("<2sBBIQHhhh")  # magic, version, state, sequence, capture us, n, pitch, yaw, roll: 24 bytes
_NAMES_HEADER = struct.Struct("<2sBBHHH")  # magic, version, 0, n, first index, text bytes: 10 bytes
_CRC = struct.Struct("<H")
_CRC_START = 0xFFFF  # CRC-16/CCITT-FALSE: polynomial 0x1021, not reflected; of "123456789" it is 0x29B1


class BinaryCodec:
    """Frames as fixed binary datagrams of 26 + 2 n bytes.

    Args:
        manifest: Names and order of the channels.
        options: See OPTIONS.
    """

    OPTIONS: tuple[Option, ...] = (
        Option("names", "flag", "yes", help="announce the channel names every two seconds (datagrams that begin 'AN')"),
    )
    default_port = 9002
    summary = "our own binary: u16 activations, i16 centidegrees, sequence, capture time, state, CRC-16"
    known_receiver = "docs/au_edge_frame.h on any microcontroller; au-edge watch"

    def __init__(self, manifest: Manifest, options: Mapping[str, str]) -> None:
        values = OptionValues("protocol binary", self.OPTIONS, options)
        n_channels = manifest.n_channels
        self._bounded = BoundedValues(n_channels)
        self._scaled = np.zeros(n_channels, np.float32)
        self._centidegrees = np.zeros(3, np.float32)
        self._datagram = bytearray(_HEADER.size + 2 * n_channels + _CRC.size)
        self._activations = np.frombuffer(self._datagram, "<u2", n_channels, _HEADER.size)
        self._body = memoryview(self._datagram)[: -_CRC.size]
        self._datagrams = (self._datagram,)
        self._announcement = _names_datagrams(manifest.channels) if values.flag("names") else ()

    def encode(self, frame: AUFrame) -> Sequence[Datagram]:
        """Return one datagram; valid until the next call."""
        bounded = self._bounded
        bounded.load(frame)
        np.multiply(bounded.activations, FULL_SCALE, out=self._scaled)
        np.rint(self._scaled, out=self._scaled)
        self._activations[:] = self._scaled
        np.multiply(bounded.head_deg, 100.0, out=self._centidegrees)
        np.rint(self._centidegrees, out=self._centidegrees)
        pitch, yaw, roll = self._centidegrees.tolist()
        _HEADER.pack_into(
            self._datagram,
            0,
            FRAME_MAGIC,
            VERSION,
            frame.state,
            frame.sequence & 0xFFFFFFFF,
            max(0, round(frame.capture_unix_s * 1e6)),
            len(self._scaled),
            int(pitch),
            int(yaw),
            int(roll),
        )
        _CRC.pack_into(self._datagram, len(self._body), binascii.crc_hqx(self._body, _CRC_START))
        return self._datagrams

    def announce(self) -> Sequence[Datagram]:
        """Return the names, in as many datagrams as they need."""
        return self._announcement


def decode(datagram: bytes) -> ReceivedFrame | Announcement:
    """Read a datagram of this format.

    Args:
        datagram: As received; nothing is believed before the CRC holds.

    Returns:
        A frame without names, or names.

    Raises:
        ValueError: It is not one; says why.
    """
    if len(datagram) < _NAMES_HEADER.size + _CRC.size:
        raise ValueError(f"{len(datagram)} bytes are too few")
    if datagram[2] != VERSION:
        raise ValueError(f"version {datagram[2]} is not {VERSION}")
    (crc,) = _CRC.unpack_from(datagram, len(datagram) - _CRC.size)
    if crc != binascii.crc_hqx(memoryview(datagram)[: -_CRC.size], _CRC_START):
        raise ValueError("the CRC does not hold")
    if datagram[:2] == FRAME_MAGIC:
        return _decode_frame(datagram)
    if datagram[:2] == NAMES_MAGIC:
        return _decode_names(datagram)
    raise ValueError("it begins neither with AU nor with AN")


def _decode_frame(datagram: bytes) -> ReceivedFrame:
    if len(datagram) < _HEADER.size + _CRC.size:
        raise ValueError(f"{len(datagram)} bytes are too few for a frame")
    _, _, state, sequence, capture_us, n_channels, pitch, yaw, roll = _HEADER.unpack_from(datagram)
    if len(datagram) != _HEADER.size + 2 * n_channels + _CRC.size:
        raise ValueError(f"{len(datagram)} bytes do not fit {n_channels} channels")
    if n_channels > MAX_RECEIVED_CHANNELS:
        raise ValueError(f"{n_channels} channels are too many")
    raw = struct.unpack_from(f"<{n_channels}H", datagram, _HEADER.size)
    return ReceivedFrame(
        protocol="binary",
        values=tuple(value / FULL_SCALE for value in raw),
        names=None,
        head_deg=(pitch / 100, yaw / 100, roll / 100),
        sequence=sequence,
        sequence_modulus=2**32,
        capture_unix_s=capture_us / 1e6,
        state=state_of(state),
    )


def _decode_names(datagram: bytes) -> Announcement:
    _, _, _, n_channels, first_index, n_bytes = _NAMES_HEADER.unpack_from(datagram)
    if len(datagram) != _NAMES_HEADER.size + n_bytes + _CRC.size:
        raise ValueError(f"{len(datagram)} bytes do not fit {n_bytes} bytes of names")
    text = datagram[_NAMES_HEADER.size : -_CRC.size].decode("utf-8")
    names = tuple(text.split(","))
    if n_channels > MAX_RECEIVED_CHANNELS or first_index + len(names) > n_channels:
        raise ValueError(f"names {first_index} to {first_index + len(names)} of {n_channels} cannot be")
    return Announcement("binary", names, first_index, n_channels)


def _names_datagrams(names: Sequence[str]) -> tuple[bytes, ...]:
    """Return the names in as few datagrams as hold them."""
    datagrams = []
    first_index = 0
    while first_index < len(names):
        end = first_index + 1
        room = MAX_DATAGRAM_BYTES - _NAMES_HEADER.size - _CRC.size
        while end < len(names) and len(",".join(names[first_index : end + 1]).encode()) <= room:
            end += 1
        text = ",".join(names[first_index:end]).encode()
        body = _NAMES_HEADER.pack(NAMES_MAGIC, VERSION, 0, len(names), first_index, len(text)) + text
        datagrams.append(body + _CRC.pack(binascii.crc_hqx(body, _CRC_START)))
        first_index = end
    return tuple(datagrams)
