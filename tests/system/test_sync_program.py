"""`au-edge sync --second`: two microphones in two places, and the way of the sound between them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.edge.sources.test_onsets import claps
from tests.system.programs import au_edge
from tests.virtual_microphone.air import Device
from tests.virtual_microphone.studio import Studio, open_studio

RATE_HZ = 48_000
PERIOD_S = 4.0
LAG_S = 0.15
FACE_LATER_MS = 1000 / 30 / 2 + 5  # docs/protocols.md, Delay: half a frame of 30 a second, and the sending


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    with open_studio(tmp_path, [Device("stage", RATE_HZ), Device("audience", 44_100)]) as made:
        yield made


def play(studio: Studio, name: str, rate_hz: int, later_s: float) -> None:
    sound = np.roll(claps([0.3, 1.4, 2.2, 3.1], rate_hz, PERIOD_S), round(later_s * rate_hz))
    studio.airs[name].play(np.round(sound.clip(-0.9, 0.9) * 2**31).astype(np.int64).astype(np.int32)[:, None])


def test_the_way_of_the_sound_is_measured_to_a_few_milliseconds(studio: Studio) -> None:
    play(studio, "stage", RATE_HZ, 0.0)
    play(studio, "audience", 44_100, LAG_S)
    stage, audience = studio.airs["stage"], studio.airs["audience"]
    true_s = LAG_S + (audience["sound_start_ns"] - stage["sound_start_ns"]) / 1e9
    done = au_edge("sync", "-o", "audio.device=stage", "--second", "audience", "--duration", "4.5")
    assert done.returncode == 0, done.stderr
    found = re.search(r"the sound is (\d+) ms later at the second microphone \(\+-(\d+) ms, (\d+) claps\)", done.stdout)
    assert found is not None, done.stdout
    assert int(found[1]) == pytest.approx(1000 * true_s, abs=6)
    assert int(found[3]) >= 3
    delay = re.search(r"^delay_ms = (\d+) ", done.stdout, re.MULTILINE)
    assert delay is not None, done.stdout
    assert int(delay[1]) == pytest.approx(int(found[1]) - FACE_LATER_MS, abs=1)  # each is rounded by itself
