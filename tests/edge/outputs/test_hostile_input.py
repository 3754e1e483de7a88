"""Whatever a decoder is given, it answers with a frame or a ValueError, soon."""

from __future__ import annotations

import random

import pytest

from edge.outputs.binary import BinaryCodec
from edge.outputs.json_udp import JsonCodec
from edge.outputs.osc import OscCodec
from edge.outputs.receiving import StreamDecoder, decode
from edge.vocabulary import ARKIT_APPLE
from tests.edge.outputs.faces import golden, manifest_with, random_frame

HOSTILE = {
    "nothing": b"",
    "one byte": b"{",
    "only a magic": b"AU",
    "bundle without time": b"#bundle\0",
    "bundle of huge element": b"#bundle\0" + bytes(8) + b"\x7f\xff\xff\xff",
    "bundle of negative element": b"#bundle\0" + bytes(8) + b"\xff\xff\xff\xff",
    "bundle of empty elements": b"#bundle\0" + bytes(8) + bytes(4) * 1000,
    "bundles nested without end": (b"#bundle\0" + bytes(8) + b"\0\0\x10\0") * 400,
    "string without end": b"/face/au",
    "no type tags": b"/face/au\0\0\0\0",
    "more tags than values": b"/face/au\0\0\0\0,ffff\0\0\0",
    "array type": b"/a\0\0,[f]\0\0\0\0" + bytes(4),
    "blob of negative length": b"/a\0\0,b\0\0\xff\xff\xff\xff",
    "blob beyond the end": b"/a\0\0,b\0\0\0\0\0\x40",
    "blob whose padding is missing": b"/a\0\0,b\0\0\0\0\0\x01a",
    "json nested without end": b"{" + b'"a":{' * 50_000,
    "json lists nested without end": b'{"v":' + b"[" * 50_000,
    "json huge integer": b'{"v":1,"seq":' + b"9" * 10_000 + b',"au":{},"head":{}}',
    "json NaN": b'{"v":1,"seq":1,"t":1,"state":"live","au":{"jawOpen":NaN},"head":{"pitch":0,"yaw":0,"roll":0}}',
    "json true": b'{"v":1,"seq":1,"t":1,"state":"live","au":{"jawOpen":true},"head":{"pitch":0,"yaw":0,"roll":0}}',
    "json above one": b'{"v":1,"seq":1,"t":1,"state":"live","au":{"jawOpen":1.5},"head":{"pitch":0,"yaw":0,"roll":0}}',
    "json unknown state": b'{"v":1,"seq":1,"t":1,"state":"mad","au":{},"head":{"pitch":0,"yaw":0,"roll":0}}',
    "json of bad text": b'{"v":1,"\xff":1}',
    "another version": golden("binary_frame").replace(b"AU\x01", b"AU\x02"),
    "cut binary": golden("binary_frame")[:-1],
    "longer binary": golden("binary_frame") + b"\0",
}


@pytest.mark.parametrize("datagram", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_datagram_is_refused_with_a_reason(datagram: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(datagram)


@pytest.mark.parametrize("codec", [OscCodec, JsonCodec, BinaryCodec])
def test_changed_bytes_never_do_more_than_raise_value_error(codec: type) -> None:
    rng = random.Random(1)
    whole = bytes(codec(manifest_with(), {}).encode(random_frame(1))[0])
    decoder = StreamDecoder()
    n_frames = 0
    for _ in range(3000):
        changed = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        frame = decoder.feed(bytes(changed[: rng.randint(0, len(changed))] if rng.random() < 0.3 else changed))
        if frame is not None:
            n_frames += 1
            assert all(0 <= value <= 1 for value in frame.values)
            assert all(abs(angle) <= 360 for angle in frame.head_deg)
    assert decoder.n_refused + n_frames == 3000


@pytest.mark.parametrize("position", range(24 + 4 + 2))
def test_the_crc_finds_every_single_changed_byte(position: int) -> None:
    changed = bytearray(golden("binary_frame"))
    changed[position] ^= 0x55
    with pytest.raises(ValueError, match=r"."):
        decode(bytes(changed))


@pytest.mark.parametrize("codec", [OscCodec, BinaryCodec])
def test_names_are_known_after_the_announcement(codec: type) -> None:
    maker = codec(manifest_with(), {})
    decoder = StreamDecoder()
    before = decoder.feed(bytes(maker.encode(random_frame(2))[0]))
    assert before is not None
    assert before.names is None
    for datagram in maker.announce():
        assert decoder.feed(bytes(datagram)) is None
    after = decoder.feed(bytes(maker.encode(random_frame(2))[0]))
    assert after is not None
    assert after.names == ARKIT_APPLE
    assert decoder.n_refused == 0


def test_long_names_are_announced_in_several_datagrams() -> None:
    names = [f"{'channel' * 6}_{index}" for index in range(200)]
    maker = BinaryCodec(manifest_with(names), {})
    assert len(maker.announce()) > 1
    assert max(map(len, maker.announce())) <= 1400
    decoder = StreamDecoder()
    for datagram in reversed(maker.announce()):
        decoder.feed(bytes(datagram))
    frame = decoder.feed(bytes(maker.encode(random_frame(2, 200))[0]))
    assert frame is not None
    assert frame.names == tuple(names)
