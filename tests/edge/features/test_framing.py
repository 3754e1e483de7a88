"""The sample axis and the windows on it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from edge.contracts import Framer as FramerContract
from edge.features.framing import FrameAxis, Framer

RATES = [
    (44100, Fraction(30)),
    (44100, Fraction(60)),
    (48000, Fraction(30000, 1001)),
    (16000, Fraction(30)),
    (16000, Fraction(24000, 1001)),
]


def windows(sound: np.ndarray, chunk_sizes: list[int], window_samples: int, axis: FrameAxis, start: int = 0) -> list:
    framer = Framer(axis, window_samples)
    result, at, turn = [], 0, 0
    while at < len(sound):
        size = chunk_sizes[turn % len(chunk_sizes)]
        framer.push(sound[at : at + size], start + at)
        while (item := framer.next_window()) is not None:
            result.append((item[0], item[1].copy(), framer.follows_gap))
        at += size
        turn += 1
    return result


@pytest.mark.parametrize(("rate_hz", "frame_rate"), RATES)
def test_a_frame_ends_where_exact_arithmetic_says_even_after_a_year(rate_hz: int, frame_rate: Fraction) -> None:
    axis = FrameAxis(rate_hz, frame_rate)
    for frame in (-1, 0, 1, 29, 30, 1000, 10**9):
        assert axis.end_of(frame) == int(Fraction(frame + 1) * rate_hz / frame_rate)


@pytest.mark.parametrize(("rate_hz", "frame_rate"), RATES)
def test_the_first_frame_after_a_sample_is_the_inverse_of_its_end(rate_hz: int, frame_rate: Fraction) -> None:
    axis = FrameAxis(rate_hz, frame_rate)
    for sample in [*range(0, 4000, 7), 10**12, axis.end_of(5), axis.end_of(5) - 1]:
        frame = axis.first_ending_after(sample)
        assert axis.end_of(frame) > sample >= axis.end_of(frame - 1)
    assert axis.n_frames_within(axis.end_of(6)) == 7
    assert axis.n_frames_within(axis.end_of(6) - 1) == 6


@pytest.mark.parametrize("chunks", [[1], [441], [735, 1, 0, 2000], [50000], [16384 + 3968 + 1]], ids=str)
@pytest.mark.parametrize("window_samples", [100, 3968])
def test_windows_are_those_of_the_whole_recording_however_it_is_cut(chunks: list[int], window_samples: int) -> None:
    axis = FrameAxis(44100, Fraction(30))
    sound = np.random.default_rng(1).standard_normal(6000 if chunks == [1] else 50_000).astype(np.float32)
    history = np.concatenate([np.zeros(window_samples, np.float32), sound])
    found = windows(sound, chunks, window_samples, axis)
    assert [index for index, _, _ in found] == list(range(axis.n_frames_within(len(sound))))
    for index, window, follows_gap in found:
        end = axis.end_of(index)
        np.testing.assert_array_equal(window, history[end : end + window_samples])
        assert not follows_gap


@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_a_frame_comes_with_its_last_sample_and_not_before(offset: int) -> None:
    framer = Framer(FrameAxis(44100, Fraction(30)), 3968)
    framer.push(np.ones(1470 + offset, np.float32), 0)
    assert (framer.next_window() is not None) == (offset >= 0)


def test_a_gap_skips_the_frames_that_end_in_it_and_zeroes_the_past() -> None:
    axis = FrameAxis(44100, Fraction(30))
    framer = Framer(axis, 3968)
    framer.push(np.ones(1470 * 2 + 10, np.float32), 0)
    assert [framer.next_window()[0] for _ in range(2)] == [0, 1]
    assert framer.next_window() is None
    resumed = axis.end_of(5) + 70  # frames 2 to 5 end in the gap
    framer.push(np.full(1470 * 3, 2, np.float32), resumed)
    index, window = framer.next_window()
    assert (index, framer.follows_gap, framer.skipped_frames) == (6, True, 4)
    n_new = axis.end_of(6) - resumed
    assert (window[:-n_new] == 0).all()
    assert (window[-n_new:] == 2).all()
    assert framer.next_window()[0] == 7
    assert not framer.follows_gap


def test_frames_not_taken_before_a_gap_are_counted_as_skipped() -> None:
    framer = Framer(FrameAxis(44100, Fraction(30)), 3968)
    framer.push(np.ones(1470 * 3, np.float32), 0)
    framer.push(np.ones(1470, np.float32), 1470 * 4)
    assert framer.next_window()[0] == 4
    assert framer.skipped_frames == 4


def test_a_stream_may_begin_anywhere_on_the_axis_without_a_gap() -> None:
    axis = FrameAxis(44100, Fraction(30))
    framer = Framer(axis, 100)
    framer.push(np.ones(1470, np.float32), 1470 * 1000 + 5)
    index, window = framer.next_window()
    assert (index, framer.follows_gap, framer.skipped_frames) == (1000, False, 0)
    assert (window == 1).all()


def test_sound_that_comes_again_is_refused() -> None:
    framer = Framer(FrameAxis(44100, Fraction(30)), 100)
    framer.push(np.ones(10, np.float32), 0)
    with pytest.raises(ValueError, match="comes again"):
        framer.push(np.ones(10, np.float32), 9)


def test_a_reset_stream_begins_anew() -> None:
    framer = Framer(FrameAxis(44100, Fraction(30)), 4000)
    framer.push(np.ones(5000, np.float32), 0)
    assert isinstance(framer, FramerContract)
    framer.reset()
    assert framer.next_window() is None
    framer.push(np.full(1470, 2, np.float32), 0)
    index, window = framer.next_window()
    assert index == 0
    assert (window[:-1470] == 0).all()


def test_steady_state_keeps_its_buffer() -> None:
    framer = Framer(FrameAxis(44100, Fraction(30)), 3968)
    buffer = framer._buffer
    for turn in range(500):
        framer.push(np.ones(441, np.float32), 441 * turn)
        while framer.next_window() is not None:
            pass
    assert framer._buffer is buffer
