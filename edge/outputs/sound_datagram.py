"""Our sound datagram: 16-bit samples beside the frames, for whoever draws or records what was heard.

Little-endian: "AS", version, 0, sequence, Unix time of the first sample in microseconds, rate, number of samples, 0,
the samples, CRC-16. Byte by byte in docs/protocols.md.
"""

from __future__ import annotations

import binascii
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge.frames import Float32Array
from edge.outputs.bounded import MAX_DATAGRAM_BYTES

SOUND_MAGIC = b"AS"
VERSION = 1
FULL_SCALE = 32767.0
HIGHEST_RATE_HZ = 192_000
_HEADER = struct.Struct("<2sBBIQIHH")  # magic, version, 0, sequence, start us, rate, n samples, 0: 24 bytes
_CRC = struct.Struct("<H")
_CRC_START = 0xFFFF  # CRC-16/CCITT-FALSE, as of the binary frame
MOST_SAMPLES = (MAX_DATAGRAM_BYTES - _HEADER.size - _CRC.size) // 2


@dataclass(frozen=True)
class ReceivedSound:
    """A piece of sound as it came off the wire.

    Attributes:
        sequence: Of the sender, modulo 2^32; a step of more than one is a loss.
        start_unix_s: When the first sample was at the sender's microphone, Unix time.
        rate_hz: Of the samples.
        pcm: int16 little-endian, one channel.
    """

    sequence: int
    start_unix_s: float
    rate_hz: int
    pcm: bytes


class SoundPacker:
    """Packs sound into numbered datagrams.

    Args:
        rate_hz: Of the samples.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._sequence = 0

    def pack(self, samples: Float32Array, start_unix_s: float) -> Sequence[bytes]:
        """Return the datagrams of a stretch of sound.

        Args:
            samples: float32 [n], full scale 1; beyond is clipped.
            start_unix_s: When the first was at the microphone.
        """
        pcm = np.rint(np.clip(samples, -1.0, 1.0) * FULL_SCALE).astype("<i2")
        datagrams = []
        for first in range(0, len(pcm), MOST_SAMPLES):
            piece = pcm[first : first + MOST_SAMPLES]
            start_us = max(0, round((start_unix_s + first / self._rate_hz) * 1e6))
            header = _HEADER.pack(SOUND_MAGIC, VERSION, 0, self._sequence, start_us, self._rate_hz, len(piece), 0)
            body = header + piece.tobytes()
            datagrams.append(body + _CRC.pack(binascii.crc_hqx(body, _CRC_START)))
            self._sequence = (self._sequence + 1) & 0xFFFFFFFF
        return datagrams


def read_sound(datagram: bytes) -> ReceivedSound:
    """Read a sound datagram.

    Args:
        datagram: As received; nothing is believed before the CRC holds.

    Raises:
        ValueError: It is none; says why.
    """
    if len(datagram) < _HEADER.size + _CRC.size:
        raise ValueError(f"{len(datagram)} bytes are too few for sound")
    magic, version, _, sequence, start_us, rate_hz, n_samples, _ = _HEADER.unpack_from(datagram)
    if magic != SOUND_MAGIC or version != VERSION:
        raise ValueError(f"it is not {SOUND_MAGIC!r} of version {VERSION}")
    if len(datagram) != _HEADER.size + 2 * n_samples + _CRC.size:
        raise ValueError(f"{len(datagram)} bytes do not fit {n_samples} samples")
    (crc,) = _CRC.unpack_from(datagram, len(datagram) - _CRC.size)
    if crc != binascii.crc_hqx(memoryview(datagram)[: -_CRC.size], _CRC_START):
        raise ValueError("the CRC does not hold")
    if not 0 < n_samples <= MOST_SAMPLES or not 0 < rate_hz <= HIGHEST_RATE_HZ:
        raise ValueError(f"{n_samples} samples at {rate_hz} Hz cannot be")
    return ReceivedSound(sequence, start_us / 1e6, rate_hz, datagram[_HEADER.size : -_CRC.size])
