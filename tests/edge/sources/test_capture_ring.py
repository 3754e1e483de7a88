"""The ring between capture and engine: nothing twice, nothing back, every loss known to the sample."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from edge.sources.capture_ring import RING_S, CaptureRing
from edge.sources.channels import ChannelChoice
from tests.pace import Pace

RATE_HZ, PERIOD = 48_000, 256


def ring(choice: str = "1", scale: float = 1.0) -> CaptureRing:
    return CaptureRing(RATE_HZ, PERIOD, ChannelChoice.parse(choice), scale)


def push_numbered(target: CaptureRing, number: int) -> None:
    first = number * PERIOD
    target.push(
        np.arange(first, first + PERIOD, dtype=np.float64)[:, None], number * 0.5, number * 0.25, number % 3 == 0
    )


def test_what_is_pushed_is_taken_once_with_its_stamps() -> None:
    target, out = ring(), np.zeros(PERIOD, np.float32)
    assert target.take(out) is None
    for number in range(5):
        push_numbered(target, number)
    for number in range(5):
        period = target.take(out)
        assert period is not None
        assert (period.position, period.n_samples) == (number * PERIOD, PERIOD)
        assert (period.stamp_s, period.arrived_s) == (number * 0.5, number * 0.25)
        assert period.is_overrun == (number % 3 == 0)
        np.testing.assert_array_equal(out, np.arange(number * PERIOD, (number + 1) * PERIOD))
    assert target.take(out) is None


@pytest.mark.parametrize("excess", [-1, 0, 1, 2, 1000])
def test_a_reader_that_is_behind_gets_the_newest_that_fit_and_their_position(excess: int) -> None:
    target, out = ring(), np.zeros(PERIOD, np.float32)
    fits = target.capacity_samples // PERIOD
    assert fits * PERIOD >= (RING_S - 0.01) * RATE_HZ - PERIOD
    for number in range(fits + excess):
        push_numbered(target, number)
    period = target.take(out)
    assert period is not None
    assert period.position == max(0, excess) * PERIOD
    assert out[0] == period.position


@pytest.mark.parametrize(("choice", "expected"), [("1", 10.0), ("3", 30.0), ("mix", 20.0)])
def test_channel_and_scale_are_applied(choice: str, expected: float) -> None:
    target, out = ring(choice, scale=0.5), np.zeros(PERIOD, np.float32)
    target.push(np.tile(np.array([[20, 40, 60]], np.int32), (PERIOD, 1)), 0.0, 0.0, False)
    target.take(out)
    assert set(out) == {expected}


def test_wait_keeps_its_time_and_wakes_at_once() -> None:
    target, out = ring(), np.zeros(PERIOD, np.float32)
    with Pace() as pace:
        began_s = time.monotonic()
        assert not target.wait(0.05)
        kept_s = time.monotonic() - began_s
        threading.Timer(0.05, push_numbered, (target, 0)).start()
        began_s = time.monotonic()
        assert target.wait(60.0)
        woke_s = time.monotonic() - began_s
    assert 0.04 < kept_s < pace.allowed(0.3)
    assert woke_s < pace.allowed(1.0)
    target.take(out)
    assert not target.wait(0.0)


def test_a_writer_that_never_waits_and_a_slow_reader_agree_on_every_loss() -> None:
    target, out = ring(), np.zeros(PERIOD, np.float32)
    n_periods = 30_000

    def write() -> None:
        for number in range(n_periods):
            target.push(np.full((PERIOD, 1), float(number)), 0.0, 0.0, False)

    writer = threading.Thread(target=write)
    writer.start()
    next_position = n_taken = 0
    while writer.is_alive() or target.wait(0.0):
        target.wait(0.01)
        period = target.take(out)
        if period is None:
            continue
        assert period.position >= next_position
        assert out.min() == out.max() == period.position // PERIOD  # never half overwritten
        next_position = period.position + period.n_samples
        n_taken += 1
    writer.join()
    assert next_position == n_periods * PERIOD
    assert n_taken > 100
