"""Bytes of writers that mean no good: they end at most their own sound, take no frame's time and no memory."""

from __future__ import annotations

import random
import socket
import struct

import numpy as np
import pytest

from edge.errors import AuEdgeError, InputError
from edge.features.resampler import Resampler
from edge.sources.channels import ChannelChoice
from edge.sources.compressed_stream import MOST_SILENT_BYTES
from edge.sources.live_lag import LiveLag
from edge.sources.pcm_decoder import PcmDecoder
from edge.sources.pcm_stream import PcmStreamSource
from edge.sources.spoken_bytes import SpokenBytes
from edge.sources.stream_decoder import Decoder, StreamDecoder
from edge.sources.writers import MOST_PIECES, PIECE_BYTES, Writer
from tests.edge.sources.test_pcm_stream import collect, ramp, wav
from tests.edge.sources.test_stream_decoder import encoded
from tests.requirements import need_module

RATE_HZ = 16_000
BETWEEN = {
    "a thousand words RIFF": b"RIFF" * 5000,
    "headers of something else": b"RIFF\x10\0\0\0AVI LIST" * 700,
    "half a header": b"RIFF\x10\0\0\0WAV",
    "noise": random.Random(1).randbytes(50_000),
    "chunks": b"LIST\x04\0\0\0INFO" * 4000,
}


@pytest.mark.parametrize("junk", BETWEEN.values(), ids=BETWEEN)
def test_whatever_stands_between_two_sounds_both_are_heard(tcp: PcmStreamSource, junk: bytes) -> None:
    with socket.create_connection(("127.0.0.1", tcp.port), timeout=60.0) as client:
        client.sendall(wav(ramp(1000)) + junk + wav(ramp(700)))
        heard, _ = collect(tcp, 1700)
    assert np.round(heard * 32768).astype(int).tolist() == [*range(1000), *range(700)]
    tcp.read(0.02)
    assert tcp.counters()["utterances_spoken"] == 2


def large_wav(samples: np.ndarray, kind: bytes, n_bytes: int) -> bytes:
    """Return a WAV with 64-bit sizes; EBU Tech 3306."""
    data = samples.tobytes()
    sizes = b"ds64" + struct.pack("<IQQQI", 28, 0, n_bytes, 0, 0)
    form = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, RATE_HZ, 2 * RATE_HZ, 2, 16)
    return kind + b"\xff\xff\xff\xffWAVE" + sizes + form + b"data\xff\xff\xff\xff" + data


@pytest.mark.parametrize("kind", [b"RF64", b"BW64"])
@pytest.mark.parametrize("n_bytes", [2000, 0, 2**64 - 1], ids=["told", "not told", "all ones"])
def test_a_wav_with_sizes_of_64_bit_is_a_wav(tcp: PcmStreamSource, kind: bytes, n_bytes: int) -> None:
    is_told = n_bytes == 2000
    with socket.create_connection(("127.0.0.1", tcp.port), timeout=60.0) as client:
        client.sendall(large_wav(ramp(1000), kind, n_bytes) + (large_wav(ramp(10), kind, 20) if is_told else b""))
    heard, _ = collect(tcp, 1010 if is_told else 1000)
    spoken = np.round(heard * 32768).astype(int)
    assert spoken[:1000].tolist() == list(range(1000))
    assert not spoken[1000:].any() or is_told


def test_a_big_endian_wav_is_refused_and_said(tcp: PcmStreamSource) -> None:
    with socket.create_connection(("127.0.0.1", tcp.port), timeout=60.0) as client:
        client.sendall(b"RIFX" + wav(ramp(1000))[4:])
        collect(tcp, 1, seconds=0.3)
        assert b"RIFX" in client.recv(1000)
    assert tcp.counters()["utterances_refused"] == 1


class Endless:
    """A writer that is never done; counts what is taken of it."""

    descriptor = -1

    def __init__(self, piece: bytes) -> None:
        self._piece = piece
        self.n_taken = 0

    def receive(self, n_bytes: int) -> bytes | None:
        assert self.n_taken < 64 * 2**20, "it takes for ever"
        self.n_taken += min(n_bytes, len(self._piece))
        return self._piece[:n_bytes]

    def close(self) -> None:
        """Nothing is held."""


class Deaf:
    """A decoder that finds no sound."""

    layout = None
    rate_hz = RATE_HZ
    n_frames = 0
    is_over = False

    def feed(self, data: bytes) -> None:
        """Find nothing."""


def spoken_by(decoder: object) -> SpokenBytes:
    return SpokenBytes(decoder, ChannelChoice(None), RATE_HZ, Resampler)  # type: ignore[arg-type]


def test_a_writer_whose_bytes_hold_no_sound_keeps_nobody_waiting() -> None:
    source = Endless(bytes(65_536))
    writer = Writer(source, spoken_by(Deaf()))
    assert writer.ready(256) == 0
    assert 0 < source.n_taken <= MOST_PIECES * PIECE_BYTES // 8


@pytest.mark.parametrize("n_channels", [1, 64])
def test_a_live_writer_that_never_pauses_keeps_nobody_waiting(n_channels: int) -> None:
    source = Endless(bytes(65_536))
    writer = Writer(source, spoken_by(PcmDecoder("f32le", 192_000, n_channels)))
    lag, n_ready = LiveLag(), 0
    for i in range(4):
        n_ready = lag.ready(writer, RATE_HZ)
        assert source.n_taken <= (i + 1) * MOST_PIECES * PIECE_BYTES
    assert n_ready > 0


@pytest.mark.parametrize("name", ["mp3", "flac", "webm"])
def test_a_stream_that_never_gives_sound_is_refused_before_it_fills_the_memory(name: str) -> None:
    need_module("av")
    void = {"mp3": b"", "flac": b"", "webm": b"\xec\x01\x00\xff\xff\xff\xff\xff\xff"}[name]
    decoder = StreamDecoder("auto", RATE_HZ, 1, print, set())
    decoder.feed(encoded(name) + void)
    with pytest.raises(InputError, match="no sound in"):
        give_silent_bytes(decoder, 2 * MOST_SILENT_BYTES)
    decoder.close()


def give_silent_bytes(decoder: StreamDecoder, n_bytes: int) -> None:
    """Feed zeros, and take what comes of what was fed before."""
    for _ in range(n_bytes // 65_536):
        decoder.feed(bytes(65_536))
        if decoder.n_frames:
            decoder.take(decoder.n_frames)


@pytest.mark.parametrize("when", ["feed", "finish", "begin_next"])
def test_whatever_fails_over_a_clients_bytes_ends_only_that_client(
    tcp: PcmStreamSource, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = getattr(StreamDecoder, when)

    def wrong(self: Decoder, *data: bytes) -> None:
        if b"\x55" * 100 in b"".join(data) or getattr(self, "is_marked", False):
            self.is_marked = True  # type: ignore[attr-defined]
            if when == "feed" or not data:
                raise ZeroDivisionError("as a mistake in a decoder would be")
        right(self, *data)

    feed = StreamDecoder.feed

    def marking(self: Decoder, data: bytes) -> None:
        self.is_marked = b"\x55" * 100 in data  # type: ignore[attr-defined]
        feed(self, data)  # type: ignore[arg-type]

    monkeypatch.setattr(StreamDecoder, "feed", marking)
    monkeypatch.setattr(StreamDecoder, when, wrong)
    marked = wav(np.frombuffer(b"\x55" * 400, "<i2"))
    with socket.create_connection(("127.0.0.1", tcp.port), timeout=60.0) as client:
        client.sendall(marked)
    collect(tcp, 10**9, seconds=0.3)
    with socket.create_connection(("127.0.0.1", tcp.port), timeout=60.0) as client:
        client.sendall(wav(ramp(1000)))
    heard, _ = collect(tcp, 1000)
    assert np.round(heard[-1000:] * 32768).astype(int)[-500:].any()
    assert any("ZeroDivisionError" in line for line in tcp.warnings())


def test_whatever_fails_over_a_pipes_bytes_is_an_error_of_ours() -> None:
    class Broken(Deaf):
        def feed(self, data: bytes) -> None:
            raise ZeroDivisionError

    with pytest.raises(AuEdgeError, match="ZeroDivisionError"):
        Writer(Endless(b"a"), spoken_by(Broken())).ready(1)
