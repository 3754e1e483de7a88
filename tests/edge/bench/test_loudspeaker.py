"""The loudspeaker of the benchmark, on a virtual card whose every sample has a true time."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest

from edge.bench.loudspeaker import RATE_HZ, Loudspeaker
from edge.errors import ConfigurationError
from tests.virtual_loudspeaker.audience import Audience, open_hall
from tests.virtual_microphone.air import Device


@pytest.fixture(scope="module")
def audience(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Audience]:
    with open_hall(tmp_path_factory.mktemp("hall"), [Device("bench_speaker", 48_000, 2)]) as hall:
        yield hall["bench_speaker"]


def test_a_sound_longer_than_the_ring_is_played_whole_from_the_time_that_was_told(audience: Audience) -> None:
    sound = np.random.default_rng(2).uniform(-0.9, 0.9, 3 * RATE_HZ).astype(np.float32)
    with Loudspeaker("bench_speak") as speaker:
        begin_s = speaker.play(sound)
        time.sleep(3.3)
    heard, times_s = audience.heard_at_once()
    first = np.flatnonzero(np.abs(heard) > 1e-3)[0]
    assert begin_s == pytest.approx(times_s[first], abs=1e-3)
    np.testing.assert_allclose(heard[first : first + len(sound)], sound, atol=4 / 32768)  # 16 bits, dithered
    assert not np.any(np.abs(heard[first + len(sound) :]) > 1e-3)


def test_an_unknown_loudspeaker_is_answered_with_those_that_there_are(audience: Audience) -> None:
    with pytest.raises(ConfigurationError, match=r"bench_speaker.*--speaker"), Loudspeaker("nothing of this name"):
        pass
