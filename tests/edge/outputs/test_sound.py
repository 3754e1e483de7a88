"""The sound beside the frames: its bytes, its times, its bounds, and that nothing is sent unasked."""

from __future__ import annotations

import binascii
import socket
import struct
from collections.abc import Iterator

import numpy as np
import pytest

from edge.contracts import FrameOutput, FrameStage
from edge.frames import AUFrame, Float32Array
from edge.outputs.bounded import MAX_DATAGRAM_BYTES
from edge.outputs.receiving import StreamDecoder
from edge.outputs.sound import SoundOutput
from edge.outputs.sound_datagram import MOST_SAMPLES, SoundPacker, read_sound
from edge.outputs.udp import UdpTransport
from tests.edge.outputs.faces import frame_with

RATE_HZ = 16_000


class StillClock:
    """A clock that stands."""

    def monotonic_s(self) -> float:
        return 100.0

    def unix_s(self) -> float:
        return 1_700_000_000.0

    def sleep_until(self, monotonic_s: float) -> None:
        """Return at once."""


def by_hand(sequence: int, start_us: int, rate_hz: int, samples: list[int]) -> bytes:
    """Return a datagram written from its description, docs/protocols.md."""
    body = b"AS\x01\x00" + sequence.to_bytes(4, "little") + start_us.to_bytes(8, "little")
    body += rate_hz.to_bytes(4, "little") + len(samples).to_bytes(2, "little") + b"\0\0"
    body += b"".join(sample.to_bytes(2, "little", signed=True) for sample in samples)
    return body + binascii.crc_hqx(body, 0xFFFF).to_bytes(2, "little")


def packed(samples: Float32Array, rate_hz: int = RATE_HZ, start_unix_s: float = 1_700_000_000.25) -> list[bytes]:
    packer = SoundPacker(rate_hz)
    return [bytes(datagram) for datagram in packer.pack(samples, start_unix_s)]


def test_a_datagram_has_the_bytes_that_the_document_says() -> None:
    samples = np.array([0.0, 0.5, -1.0, 1.5], np.float32)  # what is beyond full scale is clipped, not wrapped
    (datagram,) = packed(samples)
    assert datagram == by_hand(0, 1_700_000_000_250_000, RATE_HZ, [0, 16384, -32767, 32767])


@pytest.mark.parametrize("n", [1, MOST_SAMPLES - 1, MOST_SAMPLES, MOST_SAMPLES + 1, 1470, 4 * MOST_SAMPLES])
def test_any_length_comes_back_whole_in_datagrams_that_pass_every_network(n: int) -> None:
    rng = np.random.default_rng(n)
    samples = rng.uniform(-1, 1, n).astype(np.float32)
    datagrams = packed(samples, 44_100)
    assert max(map(len, datagrams)) <= MAX_DATAGRAM_BYTES
    read = [read_sound(datagram) for datagram in datagrams]
    assert [sound.sequence for sound in read] == list(range(len(datagrams)))
    ends = [sound.start_unix_s + len(sound.pcm) / 2 / sound.rate_hz for sound in read]
    assert [sound.start_unix_s for sound in read[1:]] == pytest.approx(ends[:-1], abs=2e-6)
    whole = np.frombuffer(b"".join(sound.pcm for sound in read), "<i2") / 32767.0
    assert np.abs(whole - samples).max() <= 0.5 / 32767 + 1e-6


GOOD = by_hand(3, 1, RATE_HZ, [1, 2, 3])


@pytest.mark.parametrize(
    "bad",
    [b"", b"AS", GOOD[:-1], GOOD + b"\0", GOOD[:-1] + bytes([GOOD[-1] ^ 1]), b"AU" + GOOD[2:],
     by_hand(0, 1, 0, [1]), by_hand(0, 1, 1_000_000, [1]), by_hand(0, 1, RATE_HZ, [])],
    ids=["empty", "short", "cut", "long", "flipped", "a-frame", "no-rate", "wild-rate", "no-samples"],
)  # fmt: skip
def test_what_is_no_sound_is_refused(bad: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_sound(bad)


def test_random_bytes_are_refused() -> None:
    rng = np.random.default_rng(4)
    for _ in range(500):
        with pytest.raises(ValueError, match=r".+"):
            read_sound(b"AS\x01\x00" + rng.bytes(int(rng.integers(0, 1400))))


def test_a_decoder_of_frames_passes_sound_over_and_does_not_count_it_as_foreign() -> None:
    decoder = StreamDecoder()
    assert decoder.feed(GOOD) is None
    assert decoder.n_refused == 0


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        bound.settimeout(0.2)
        yield bound


def output_to(receiver: socket.socket, *, enabled: bool = True, lookahead_s: float = 0.0) -> SoundOutput:
    transport = UdpTransport("127.0.0.1", receiver.getsockname()[1])
    return SoundOutput("sound", transport, StillClock(), RATE_HZ, lookahead_s, enabled=enabled)


def received(receiver: socket.socket) -> list[bytes]:
    found = []
    while True:
        try:
            found.append(receiver.recv(65535))
        except TimeoutError:
            return found


def frame_at(capture_time_s: float) -> AUFrame:
    frame = frame_with([0.0])
    frame.capture_time_s = capture_time_s
    return frame


def test_it_is_an_output_that_hears(receiver: socket.socket) -> None:
    made = output_to(receiver)
    assert isinstance(made, FrameOutput)
    assert isinstance(made, FrameStage)


def test_what_was_heard_since_the_last_frame_is_sent_with_its_own_time(receiver: socket.socket) -> None:
    output = output_to(receiver, lookahead_s=0.1)
    output.open()
    frame = frame_at(99.9)  # so the newest sample is of 100.0: 0.1 s later than the face
    before = frame.activations.copy()
    output.apply(frame, np.full(160, 0.25, np.float32))
    output.apply(frame_at(99.91), np.full(160, 0.5, np.float32))
    frame = frame_at(99.91)
    frame.capture_unix_s = 1_700_000_000.0
    output.send(frame)
    output.send(frame)  # nothing new was heard: nothing is sent
    (datagram,) = received(receiver)
    sound = read_sound(datagram)
    assert sound.start_unix_s == pytest.approx(1_700_000_000.0 + 0.1 - 0.02, abs=1e-5)
    assert np.frombuffer(sound.pcm, "<i2").tolist() == [8192] * 160 + [16384] * 160
    assert np.array_equal(frame.activations, before)
    assert output.counters()["sent"] == 1
    output.close()


def test_disabled_it_neither_hears_nor_sends(receiver: socket.socket) -> None:
    output = output_to(receiver, enabled=False)
    output.open()
    output.apply(frame_at(1.0), np.ones(160, np.float32))
    output.send(frame_at(1.0))
    assert received(receiver) == []


def test_a_gap_and_a_flood_leave_no_old_sound_and_no_growth(receiver: socket.socket) -> None:
    output = output_to(receiver)
    output.open()
    output.apply(frame_at(1.0), np.full(160, 0.1, np.float32))
    output.reset()  # a new stream
    for i in range(50):  # no frame leaves for five seconds
        output.apply(frame_at(2.0 + i / 10), np.full(1600, 0.5, np.float32))
    frame = frame_at(6.9)
    frame.capture_unix_s = 50.0
    output.send(frame)
    sounds = [read_sound(datagram) for datagram in received(receiver)]
    total = sum(len(sound.pcm) // 2 for sound in sounds)
    assert 0 < total <= RATE_HZ
    assert struct.unpack("<h", sounds[0].pcm[:2])[0] == 16384
    assert sounds[-1].start_unix_s + len(sounds[-1].pcm) / 2 / RATE_HZ == pytest.approx(50.0, abs=1e-5)
    output.close()
