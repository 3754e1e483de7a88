"""One sender at a time is shown, in order, each frame once, and nothing grows."""

from __future__ import annotations

import pytest

from edge.frames import State
from edge.head.arrivals import MOST_CHANNELS, MOST_SOURCES, SOURCE_TIMEOUT_S, Arrivals
from edge.outputs.received import ReceivedFrame

ANNA, BERT = ("10.0.0.1", 4000), ("10.0.0.2", 4000)
MODULUS = 2**31


def frame(sequence: int, names: tuple[str, ...] | None = ("jawOpen",)) -> ReceivedFrame:
    n = len(names) if names is not None else 1
    return ReceivedFrame("json", (0.5,) * n, names, (0.0, 0.0, 0.0), sequence % MODULUS, MODULUS, 1e9, State.LIVE)


class Script:
    """Arrivals whose datagrams are indices into a list of frames."""

    def __init__(self, frames: list[ReceivedFrame | None]) -> None:
        self.frames = frames
        self.arrivals = Arrivals(lambda: lambda datagram: self.frames[int(datagram)])

    def take(self, index: int, sender: tuple[str, int] = ANNA, now_s: float = 0.0) -> bool:
        return self.arrivals.take(str(index).encode(), sender, now_s) is not None


@pytest.mark.parametrize(
    ("sequences", "is_shown", "lost", "late"),
    [
        ([5, 6, 7], [1, 1, 1], 0, 0),
        ([5, 7], [1, 1], 1, 0),
        ([5, 5], [1, 0], 0, 1),
        ([5, 7, 6, 8], [1, 1, 0, 1], 1, 1),
        ([MODULUS - 1, 0], [1, 1], 0, 0),
        ([MODULUS - 2, 1], [1, 1], 2, 0),
        ([500_000, 0, 1], [1, 1, 1], 0, 0),
        ([0, 500_000, 500_001], [1, 1, 1], 0, 0),
        ([100, 0], [1, 0], 0, 1),
        ([101, 0], [1, 1], 0, 0),
    ],
    ids=[
        "in order",
        "gap",
        "twice",
        "overtaken",
        "wrap",
        "gap over wrap",
        "restart",
        "leap",
        "old",
        "restart from 101",
    ],
)
def test_each_frame_is_shown_once_and_in_order(sequences: list[int], is_shown: list[int], lost: int, late: int) -> None:
    script = Script([frame(sequence) for sequence in sequences])
    assert [int(script.take(i, now_s=i / 30)) for i in range(len(sequences))] == is_shown
    counts = script.arrivals.counts(len(sequences) / 30)
    assert (counts.lost, counts.late, counts.shown) == (lost, late, sum(is_shown))


def test_a_second_sender_waits_until_the_first_is_silent() -> None:
    script = Script([frame(i) for i in range(10)])
    assert script.take(0, ANNA, 0.0)
    assert not script.take(5, BERT, 0.5 * SOURCE_TIMEOUT_S)
    assert script.take(1, ANNA, 0.9 * SOURCE_TIMEOUT_S)
    assert not script.take(6, BERT, 1.9 * SOURCE_TIMEOUT_S)
    assert script.take(7, BERT, 2.0 * SOURCE_TIMEOUT_S)
    assert not script.take(2, ANNA, 2.1 * SOURCE_TIMEOUT_S)
    assert script.arrivals.counts(2.1).others == 3


def test_after_silence_any_number_of_the_same_sender_is_new() -> None:
    script = Script([frame(50), frame(20)])
    assert script.take(0, now_s=0.0)
    assert script.take(1, now_s=SOURCE_TIMEOUT_S + 0.01)


@pytest.mark.parametrize(
    "bad",
    [None, frame(1, None), frame(1, ()), frame(1, tuple(f"c{i}" for i in range(MOST_CHANNELS + 1)))],
    ids=["no frame", "names unknown", "no channel", "too many channels"],
)
def test_what_cannot_be_shown_is_counted_and_does_not_take_the_place_of_a_sender(bad: ReceivedFrame | None) -> None:
    script = Script([bad, frame(3)])
    assert not script.take(0, ANNA)
    assert script.take(1, BERT)
    assert script.arrivals.counts(0.0).refused == 1


class Reader:
    """Decoders that understand a name after "n" as an announcement, and "f" as a frame with the names that came."""

    def __init__(self) -> None:
        self.names: tuple[str, ...] | None = None
        self.sequence = 0

    def read(self, datagram: bytes) -> ReceivedFrame | None:
        if datagram[:1] == b"n":
            self.names = (datagram[1:].decode(),)
            return None
        if datagram != b"f":
            raise ValueError
        self.sequence += 1
        return frame(self.sequence, self.names)


def test_ten_thousand_addresses_of_junk_make_no_sender_and_as_many_valid_ones_a_bounded_number() -> None:
    arrivals = Arrivals(lambda: Reader().read)
    for kind in (b"{", b"njawOpen"):
        for i in range(10_000):
            arrivals.take(kind, (f"10.{i >> 8}.{i & 255}.1", 9), 0.0)
        assert len(arrivals._decoders) == (0 if kind == b"{" else MOST_SOURCES)
    assert arrivals.counts(0.0).refused == 20_000


@pytest.mark.parametrize("other", [b"junk", b"", b"nelse", b"f"], ids=["junk", "nothing", "names", "frames"])
def test_the_sender_that_is_shown_is_never_displaced(other: bytes) -> None:
    arrivals = Arrivals(lambda: Reader().read)
    arrivals.take(b"njawOpen", ANNA, 0.0)
    for i in range(100):
        now_s = i / 30
        shown = arrivals.take(b"f", ANNA, now_s)
        assert shown is not None
        assert shown.names == ("jawOpen",)
        for port in range(3 * MOST_SOURCES):
            assert arrivals.take(other, ("10.0.0.3", port), now_s) is None


def test_junk_does_not_displace_one_that_is_about_to_be_shown() -> None:
    arrivals = Arrivals(lambda: Reader().read)
    arrivals.take(b"njawOpen", ANNA, 0.0)
    for port in range(3 * MOST_SOURCES):
        arrivals.take(b"junk", ("10.0.0.3", port), 0.0)
    assert arrivals.take(b"f", ANNA, 0.1) is not None


def test_the_rate_is_that_of_the_arrivals_and_zero_once_they_stop() -> None:
    script = Script([frame(i) for i in range(100)])
    for i in range(100):
        script.take(i, now_s=i / 50)
    assert script.arrivals.counts(99 / 50).rate_hz == pytest.approx(50.0, rel=1e-6)
    assert script.arrivals.counts(99 / 50).source == "10.0.0.1:4000"
    gone = script.arrivals.counts(99 / 50 + SOURCE_TIMEOUT_S + 0.1)
    assert (gone.rate_hz, gone.source) == (0.0, "")
