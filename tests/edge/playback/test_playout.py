"""What is written at one rate leaves at another, whole, and each sample has its time."""

from __future__ import annotations

import numpy as np
import pytest

from edge.features.resampler import Resampler
from edge.playback.playout import Playout


def everything(playout: Playout, sound: np.ndarray, chunk: int) -> np.ndarray:
    """Write a sound in chunks while the device takes it; return what the device got."""
    heard, written, now_s = [], 0, 10.0
    device_rate_hz = playout.line.rate_hz
    out = np.empty(64, np.float32)
    while written < len(sound) or playout.line.ring.n_waiting:
        written += playout.write(sound[written : written + chunk])
        n = playout.line.ring.take(out)
        heard.append(out[:n].copy())
        now_s += n / device_rate_hz
    return np.concatenate(heard)


@pytest.mark.parametrize("chunk", [1000, 4800, 50_000])
@pytest.mark.parametrize(("rate_hz", "device_rate_hz"), [(24_000, 48_000), (16_000, 44_100), (48_000, 16_000)])
def test_a_sentence_is_played_to_its_last_sample(rate_hz: int, device_rate_hz: int, chunk: int) -> None:
    time_s = np.arange(rate_hz) / rate_hz
    sound = (0.5 * np.sin(2 * np.pi * 300 * time_s)).astype(np.float32)
    playout = Playout(rate_hz, device_rate_hz, Resampler, 1.0, 0, 10.0)
    heard = everything(playout, sound, chunk)
    assert len(heard) == device_rate_hz
    oracle = 0.5 * np.sin(2 * np.pi * 300 * np.arange(device_rate_hz) / device_rate_hz)
    edge = device_rate_hz // 500  # 2 ms: the sound begins and ends there
    np.testing.assert_allclose(heard[edge:-edge], oracle[edge:-edge], atol=2e-3)


def test_a_bad_sample_and_a_loud_one_stay_inside_full_scale() -> None:
    playout = Playout(16_000, 48_000, Resampler, 4.0, 0, 10.0)
    sound = np.full(1600, 0.9, np.float32)
    sound[700:800] = [np.nan, np.inf, -np.inf, 1e30] * 25
    heard = everything(playout, sound, 160)
    assert np.all(np.abs(heard) <= 1.0)
    assert heard[1000] == 1.0


def test_the_ring_is_bounded_and_takes_again_what_was_not_taken() -> None:
    for device_rate_hz in (8_000, 24_000, 192_000):
        playout = Playout(24_000, device_rate_hz, Resampler, 1.0, 0, 10.0)
        room = playout.room
        assert playout.write(np.zeros(10_000_000, np.float32)) == room
        assert playout.room <= 8
        assert playout.write(np.zeros(10, np.float32)) <= 8
        assert playout.line.ring.room >= 0


def test_an_index_means_the_same_sample_after_a_clear() -> None:
    playout = Playout(24_000, 48_000, Resampler, 1.0, 0, 10.0)
    playout.write(np.ones(24_000, np.float32))
    out = np.empty(480, np.float32)
    playout.line.feed(out, 0, 10.05, 10.0, 1e9, False)
    dropped = playout.clear()
    playout.line.feed(out, 480, 10.06, 10.01, 1e9, False)
    assert playout.end_index == 24_000
    assert dropped == playout.n_dropped == 24_000 - 240 - 120
    playout.write(np.ones(2400, np.float32))
    playout.line.feed(out, 960, 10.07, 10.02, 1e9, False)
    assert playout.time_of(24_000) == pytest.approx(10.07, abs=1e-4)
    assert playout.time_of(0) == pytest.approx(10.05, abs=1e-4)
    assert playout.time_of(12_000) == pytest.approx(10.065, abs=1e-4)  # dropped: when its sound had ended
