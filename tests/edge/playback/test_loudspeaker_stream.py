"""What a loudspeaker is given: the sound that was asked for, in the numbers that its converter takes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from edge.alsa.devices import identity_of
from edge.alsa.finding import FoundDevice
from edge.alsa.portaudio import FLOAT32, INT16, INT32, INVALID_FORMAT, DeviceInfo
from edge.frames import Float32Array
from edge.machine.clock import SystemClock
from edge.playback.loudspeaker_stream import PERIOD_SAMPLES, LoudspeakerStream, OutputWish

TIMES: Mapping[str, float] = {"output_buffer_dac_time": 0.0}
FULL_SCALES = {INT32: 2.0**31, INT16: 2.0**15}


class Card:
    """PortAudio with a card that takes one format of samples."""

    def __init__(self, sample_format: str) -> None:
        self._takes = sample_format
        self.fill: Callable[..., tuple[bytes | None, int]]

    def open(self, direction: Any, index: int, *way: Any) -> Any:
        if way[2] != self._takes:
            raise OSError(INVALID_FORMAT, "sample format not supported")
        self.fill = way[-1]
        return self

    def terminate(self) -> None:
        pass


def heard(sample_format: str, n_channels: int, sound: Float32Array) -> np.ndarray[Any, Any]:
    """Return what a card is given of a sound: [n_samples, n_channels]."""
    device = DeviceInfo(0, "card", n_channels, 48_000, True)
    card: Any = Card(sample_format)
    found = FoundDevice(card, device, identity_of(device, {}))
    stream = LoudspeakerStream(found, OutputWish((48_000,), n_channels), SystemClock())

    def feed(out: Float32Array, position: int, stamp_s: float, arrived_s: float, is_underrun: bool) -> None:
        out[:] = sound[position : position + len(out)]

    stream.start(feed)
    blocks: list[bytes] = []

    def play() -> None:
        for _ in range(len(sound) // PERIOD_SAMPLES):
            blocks.append(card.fill(None, PERIOD_SAMPLES, TIMES, 0)[0])

    thread = threading.Thread(target=play)  # one of its own: the stream makes it a real-time one
    thread.start()
    thread.join()
    return np.frombuffer(b"".join(blocks), sample_format).reshape(-1, n_channels)


@pytest.mark.parametrize("n_channels", [1, 2, 6])
@pytest.mark.parametrize("sample_format", [FLOAT32, INT32, INT16])
def test_a_card_gets_the_nearest_number_of_each_sample(sample_format: str, n_channels: int) -> None:
    sound = np.random.default_rng(0).uniform(-1.0, 1.0, 8 * PERIOD_SAMPLES).astype(np.float32)
    sound[:3] = (-1.0, 1.0, 0.0)
    given = heard(sample_format, n_channels, sound).astype(np.float64)
    assert (given == given[:, :1]).all()
    if sample_format == FLOAT32:
        np.testing.assert_array_equal(given[:, 0], sound)
        return
    largest = FULL_SCALES[sample_format] - (1 if sample_format == INT16 else 256)
    assert np.abs(given[:, 0] - sound.astype(np.float64) * largest).max() <= (0.51 if sample_format == INT16 else 128)
    assert given[0, 0] == -largest
    assert given[1, 0] == largest


def test_what_is_quiet_keeps_its_energy_and_gains_no_offset() -> None:
    """Cut off towards zero, a sound of 8 steps loses a seventh of its energy."""
    phase = 2 * np.pi * 440 / 48_000 * np.arange(200 * PERIOD_SAMPLES)
    sound = (8.0 / 32767 * np.sin(phase)).astype(np.float32)
    given = heard(INT16, 1, sound)[:, 0] / 32767.0
    assert abs(given.mean()) < 0.01 / 32767
    assert np.mean(np.square(given)) == pytest.approx(np.mean(np.square(sound)), rel=0.02)
