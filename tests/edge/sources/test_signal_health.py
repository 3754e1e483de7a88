"""What no microphone gives is counted and said once."""

from __future__ import annotations

import numpy as np
import pytest

from edge.sources.signal_health import LIMIT, SignalHealth

RATE_HZ = 48_000


def feed(health: SignalHealth, seconds: float, value: float | None) -> None:
    random = np.random.default_rng(1)
    for _ in range(round(seconds * RATE_HZ / 480)):
        block = random.uniform(-0.1, 0.1, 480) if value is None else np.full(480, value)
        health.inspect(block.astype(np.float32), RATE_HZ)


@pytest.mark.parametrize(("value", "word"), [(0.0, "silent"), (0.25, "frozen"), (-1e-5, "frozen")])
def test_samples_that_never_change_are_said_once_after_five_seconds(value: float, word: str) -> None:
    health = SignalHealth()
    feed(health, 1.0, None)
    feed(health, 4.9, value)
    assert health.warnings() == []
    feed(health, 60.0, value)
    lines = health.warnings()
    assert len(lines) == 1
    assert word in lines[0]
    feed(health, 1.0, None)
    assert health.warnings() == ["the sound is back"]
    assert health.counters()["silent_stretches"] == 1


def test_a_pause_with_the_last_bit_alive_is_no_fault() -> None:
    health = SignalHealth()
    random = np.random.default_rng(2)
    for _ in range(2000):
        health.inspect((random.integers(-1, 2, 480) / 32768).astype(np.float32), RATE_HZ)
    assert health.warnings() == []


def test_values_far_beyond_full_scale_are_limited() -> None:
    samples = np.array([1e30, -1e30, np.nan, 0.5], np.float32)
    health = SignalHealth()
    health.inspect(samples, RATE_HZ)
    np.testing.assert_array_equal(samples, np.array([LIMIT, -LIMIT, 0.0, 0.5], np.float32))
    assert health.counters()["bad_samples"] == 1


def test_an_empty_chunk_is_no_fault() -> None:
    SignalHealth().inspect(np.zeros(0, np.float32), RATE_HZ)
