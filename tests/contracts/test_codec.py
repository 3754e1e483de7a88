"""What every codec keeps, whatever it speaks."""

from __future__ import annotations

import math
import time
import timeit
import tracemalloc

import numpy as np
import pytest

from edge.app import PROTOCOLS, load_class
from edge.config.options import Option, parse_value
from edge.contracts import Codec
from edge.errors import ConfigurationError
from edge.frames import State
from edge.outputs.receiving import StreamDecoder
from tests.edge.outputs.faces import frame_with, manifest_with, random_frame

CODECS = tuple(PROTOCOLS)
# What each format keeps of a value: OSC 32 bits, JSON three decimals, the binary 16 bits and hundredths of a degree.
OURS = {"osc": (1e-7, 1e-6), "json": (0.0005001, 0.005001), "binary": (0.5 / 65535 + 1e-7, 0.005001)}


def codec_class(name: str) -> type:
    found: type = load_class(PROTOCOLS, name)
    return found


@pytest.fixture(params=CODECS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_it_is_a_codec_that_describes_itself(name: str) -> None:
    made = codec_class(name)
    assert isinstance(made(manifest_with(), {}), Codec)
    assert 0 < made.default_port < 65536
    assert made.summary
    assert made.known_receiver
    for option in made.OPTIONS:
        assert isinstance(option, Option)
        parse_value(option.name, option, option.default)  # raises where the default is not allowed
        assert option.help


def test_an_unknown_option_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(ConfigurationError, match="key 'colour' is unknown"):
        codec_class(name)(manifest_with(), {"colour": "red"})


@pytest.mark.parametrize("n_channels", [1, 2, 52])
def test_every_datagram_fits_an_unfragmented_packet(name: str, n_channels: int) -> None:
    codec = codec_class(name)(manifest_with(manifest_with().channels[:n_channels]), {})
    for seed in range(20):
        datagrams = [*codec.encode(random_frame(seed, n_channels)), *codec.announce()]
        assert all(0 < len(datagram) <= 1400 for datagram in datagrams)


def test_a_frame_is_not_changed_by_encoding_and_encoding_keeps_no_history(name: str) -> None:
    codec = codec_class(name)(manifest_with(), {})
    frame = random_frame(5)
    kept = frame.copy()
    first = [bytes(datagram) for datagram in codec.encode(frame)]
    codec.encode(random_frame(6))
    assert [bytes(datagram) for datagram in codec.encode(frame)] == first
    assert np.array_equal(frame.activations, kept.activations)
    assert np.array_equal(frame.head_deg, kept.head_deg)


@pytest.mark.parametrize("state", list(State))
def test_nothing_but_finite_values_in_range_leaves(name: str, state: State) -> None:
    bad = [math.nan, math.inf, -math.inf, -0.5, 1.5] + [0.5] * 47
    codec = codec_class(name)(manifest_with(), {})
    datagrams = codec.encode(frame_with(bad, [math.nan, math.inf, -math.inf], state))
    good = codec_class(name)(manifest_with(), {}).encode(
        frame_with([0.0, 1.0, 0.0, 0.0, 1.0] + [0.5] * 47, [0.0, 180.0, -180.0], state)
    )
    assert [bytes(d) for d in datagrams] == [bytes(d) for d in good]


@pytest.mark.parametrize("ours", OURS)
def test_our_own_formats_give_back_what_went_in(ours: str) -> None:
    codec = codec_class(ours)(manifest_with(), {})
    decoder = StreamDecoder()
    for datagram in codec.announce():
        decoder.feed(bytes(datagram))
    for seed in range(50):
        frame = random_frame(seed)
        found = decoder.feed(bytes(codec.encode(frame)[0]))
        assert found is not None
        assert found.names == manifest_with().channels
        assert found.values == pytest.approx(frame.activations.tolist(), abs=OURS[ours][0])
        assert found.head_deg == pytest.approx(frame.head_deg.tolist(), abs=OURS[ours][1])
        assert (found.sequence, found.state) == (frame.sequence, frame.state)
        assert found.capture_unix_s == pytest.approx(frame.capture_unix_s, abs=2e-6)


def test_a_sequence_that_wraps_round_is_still_a_frame(name: str) -> None:
    codec = codec_class(name)(manifest_with(), {})
    frame = random_frame(5)
    for sequence in (2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**40):
        frame.sequence = sequence
        assert len(codec.encode(frame)) > 0


def test_encoding_takes_a_small_part_of_a_frame(name: str) -> None:
    codec = codec_class(name)(manifest_with(), {})
    frame = random_frame(5)
    codec.encode(frame)
    best_s = min(timeit.repeat(lambda: codec.encode(frame), timer=time.thread_time, number=100, repeat=7)) / 100
    # Measured 10 to 40 us on a 2020 server core. A frame has 33,000 us; the bound leaves room for slow machines.
    assert best_s < 500e-6


def test_encoding_does_not_grow(name: str) -> None:
    codec = codec_class(name)(manifest_with(), {})
    frame = random_frame(5)
    for _ in range(100):
        codec.encode(frame)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(1000):
            codec.encode(frame)
        assert tracemalloc.get_traced_memory()[0] - before < 16_384
    finally:
        tracemalloc.stop()
