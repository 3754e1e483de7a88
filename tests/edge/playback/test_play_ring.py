"""The ring between writer and device: in order, never blocking, cleared with a fade."""

from __future__ import annotations

import numpy as np
import pytest

from edge.playback.play_ring import FADE_S, PlayRing

RATE_HZ = 48_000
FADE = int(FADE_S * RATE_HZ)


def filled(n: int, capacity: int = 10_000) -> PlayRing:
    ring = PlayRing(capacity, RATE_HZ)
    ring.put(0, np.ones(n, np.float32))
    ring.publish(n)
    return ring


def test_what_was_put_comes_out_once_and_in_order_over_many_turns() -> None:
    chance = np.random.default_rng(3)
    ring, put, heard = PlayRing(1000, RATE_HZ), 0, []
    sound = np.arange(1, 20_001, dtype=np.float32)
    out = np.empty(256, np.float32)
    while len(heard) < len(sound):
        n = min(int(chance.integers(0, 400)), ring.room, len(sound) - put)
        ring.put(put, sound[put : put + n])
        put += n
        ring.publish(put)
        n_taken = ring.take(out)
        assert not out[n_taken:].any()
        heard.extend(out[:n_taken])
    np.testing.assert_array_equal(heard, sound)


def test_an_empty_ring_gives_silence() -> None:
    out = np.ones(64, np.float32)
    assert PlayRing(100, RATE_HZ).take(out) == 0
    assert not out.any()


def test_provisional_samples_are_replaced_until_they_are_taken() -> None:
    ring, out = PlayRing(100, RATE_HZ), np.empty(8, np.float32)
    ring.put(0, np.full(10, 1.0, np.float32))
    ring.publish(10)
    assert ring.take(out) == 8
    ring.put(6, np.full(10, 2.0, np.float32))  # from 6 on; 6 and 7 have been taken
    ring.publish(16)
    assert ring.take(out) == 8
    assert set(out) == {2.0}


@pytest.mark.parametrize("n_waiting", [0, 1, FADE - 1, FADE, FADE + 1, 9000])
def test_a_clear_ends_within_the_fade_and_counts_what_it_drops(n_waiting: int) -> None:
    ring, out = filled(n_waiting), np.empty(1024, np.float32)
    told = ring.clear()
    n_heard = ring.take(out)
    assert n_heard == min(n_waiting, FADE)
    assert ring.n_dropped == told == n_waiting - n_heard
    assert not out[n_heard:].any()
    assert np.all(np.diff(out[:n_heard]) <= 0)
    if n_waiting >= FADE:
        assert out[n_heard - 1] == 0.0
        assert np.max(np.abs(np.diff(out))) < 2.0 / FADE  # no click
    assert ring.take(out) == 0
    assert ring.n_waiting == 0


def test_what_is_put_after_a_clear_is_played() -> None:
    ring, out = filled(9000, capacity=20_000), np.empty(1024, np.float32)
    ring.clear()
    ring.put(9000, np.full(100, 0.5, np.float32))
    ring.publish(9100)
    assert ring.take(out) == FADE
    assert ring.take(out) == 100
    assert set(out[:100]) == {np.float32(0.5)}
    assert ring.n_dropped == 9000 - FADE
