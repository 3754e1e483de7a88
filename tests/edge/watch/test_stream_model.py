"""The statistics say what happened to the stream."""

from __future__ import annotations

import pytest

from edge.frames import State
from edge.outputs.received import ReceivedFrame
from edge.watch.stream_model import StreamModel


def received(sequence: int, capture_unix_s: float = 0.0, modulus: int = 2**31) -> ReceivedFrame:
    return ReceivedFrame(
        "osc", (), None, (0.0, 0.0, 0.0), sequence % modulus, modulus, 1000.0 + capture_unix_s, State.LIVE
    )


def taken(sequences: list[int], modulus: int = 2**31) -> StreamModel:
    model = StreamModel()
    for index, sequence in enumerate(sequences):
        model.take(received(sequence, index / 30, modulus), index / 30, 1000.0 + index / 30)
    return model


@pytest.mark.parametrize(
    ("sequences", "lost", "late", "restarts"),
    [
        ([], 0, 0, 0),
        ([5], 0, 0, 0),
        ([5, 6, 7], 0, 0, 0),
        ([5, 6, 9], 2, 0, 0),
        ([5, 7, 6, 8], 0, 1, 0),
        ([5, 6, 6, 7], 0, 1, 0),
        ([500_000, 0, 1, 2], 0, 0, 1),
        ([0, 500_000, 500_001], 0, 0, 1),
        ([2**31 - 2, 2**31 - 1, 2**31, 2**31 + 1], 0, 0, 0),
        ([2**31 - 2, 2**31 + 1], 2, 0, 0),
    ],
)
def test_gaps_late_frames_and_restarts_are_told_apart(
    sequences: list[int], lost: int, late: int, restarts: int
) -> None:
    model = taken(sequences)
    assert (model.n_lost, model.n_late, model.n_restarts) == (lost, late, restarts)


def test_a_late_frame_is_not_shown() -> None:
    model = taken([5, 7])
    assert not model.take(received(6), 0.1, 1000.1)
    assert model.take(received(8), 0.1, 1000.1)


def test_a_sender_that_starts_again_after_a_few_frames_is_shown() -> None:
    model = taken([0, 1, 2, 3])
    assert model.take(received(0, capture_unix_s=30.0), 30.0, 1030.0)
    assert (model.n_restarts, model.n_lost) == (1, 0)


def test_the_rate_is_that_of_the_last_two_seconds() -> None:
    model = StreamModel()
    for index in range(300):
        model.take(received(index), index / 30, 1000.0)
    assert model.rate_hz(10.0) == pytest.approx(30, abs=0.1)
    assert model.rate_hz(13.0) == 0.0


def test_the_age_is_from_the_microphone_to_here_and_is_not_told_where_clocks_differ() -> None:
    model = StreamModel()
    assert model.age_text() == "-"
    model.take(received(0), 0.0, 1000.012)
    assert model.age_text() == "12 ms"
    model.take(received(1), 0.0, 5000.0)
    assert model.age_text() == "clocks differ"
