"""A wrong channel and a mean that cancels itself are said once, with the key that mends it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.sources.channel_health import ChannelHealth
from edge.sources.channels import ChannelChoice
from tests.edge.sources.manual_clock import ManualClock
from tests.requirements import need_module

RATE_HZ = 16_000
SECONDS = 30


def speech(level_dbfs: float, seed: int = 1) -> np.ndarray:
    """Return noise in syllables, four a second, with pauses."""
    at_s = np.arange(SECONDS * RATE_HZ) / RATE_HZ
    noise = np.random.default_rng(seed).standard_normal(len(at_s))
    syllables = np.maximum(0.0, np.sin(2 * np.pi * 2 * at_s)) * (at_s % 5 < 3)
    sound = noise * syllables
    return sound / np.abs(sound).max() * 10 ** (level_dbfs / 20)


def hiss(level_dbfs: float, seed: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(SECONDS * RATE_HZ) * 10 ** (level_dbfs / 20)


def judged(choice: str, *channels: np.ndarray, dtype: str = "float32", period: int = 256) -> ChannelHealth:
    health = ChannelHealth(ChannelChoice.parse(choice))
    block = np.stack(channels, axis=1)
    scale = 1.0
    if dtype != "float32":
        block, scale = block * 32767, 1 / 32768
    block = block.astype(dtype)
    for start in range(0, len(block), period):
        health.inspect(block[start : start + period], RATE_HZ, scale)
    return health


@pytest.mark.parametrize("dtype", ["float32", "int16"])
@pytest.mark.parametrize(("choice", "right"), [("1", 3), ("2", 3), ("3", 1)])
def test_a_voice_on_another_channel_is_said_once_with_the_key(choice: str, right: int, dtype: str) -> None:
    channels = [hiss(-75, seed) for seed in range(3)]
    channels[right - 1] = channels[right - 1] + speech(-10)
    health = judged(choice, *channels, dtype=dtype)
    lines = health.warnings()
    assert len(lines) == 1
    assert f"set audio.channel = {right}" in lines[0]
    assert f"channel {choice} of 3" in lines[0]
    assert health.counters()["wrong_channel"] >= 2
    assert health.warnings() == []


@pytest.mark.parametrize(
    ("choice", "channels"),
    [
        ("1", (speech(-10), hiss(-70))),
        ("2", (speech(-10), speech(-20))),  # an array: the same voice, nearer to the other one
        ("1", (hiss(-75), hiss(-65))),  # nobody speaks
        ("1", (hiss(-75), hiss(-75, 3) + 0.3)),  # an offset is no sound
        ("mix", (speech(-10), speech(-10))),
        ("mix", (speech(-10), hiss(-70))),
        ("mix", (speech(-10), speech(-10, 7))),  # two people
        ("mix", tuple(hiss(-30, seed) for seed in range(8))),
        ("mix", (hiss(-60), -hiss(-60))),  # too soft to be judged
        ("1", (speech(-10),)),
        ("1", (speech(-10), -speech(-10))),  # the mean is not what is heard
    ],
)  # fmt: skip
def test_sound_that_is_well_is_let_be(choice: str, channels: tuple[np.ndarray, ...]) -> None:
    health = judged(choice, *channels)
    assert health.warnings() == []
    assert set(health.counters().values()) == {0}


@pytest.mark.parametrize("dtype", ["float32", "int16"])
@pytest.mark.parametrize("period", [37, 256, 5000])
def test_channels_that_cancel_each_other_under_mix_are_said_once(dtype: str, period: int) -> None:
    voice = speech(-10)[: 12 * RATE_HZ]
    health = judged("mix", voice + hiss(-60)[: len(voice)], -0.9 * voice, dtype=dtype, period=period)
    lines = health.warnings()
    assert len(lines) == 1
    assert "audio.channel = 1 instead of mix" in lines[0]
    assert health.counters()["cancelled_mix"] >= 1


def test_a_sound_file_is_judged_too(tmp_path: Path) -> None:
    soundfile = need_module("soundfile")
    from edge.sources.sound_file import SoundFileSource

    path = tmp_path / "right.wav"
    soundfile.write(path, np.stack([hiss(-75), speech(-10)], axis=1), RATE_HZ)
    source = SoundFileSource(path, clock=ManualClock(), pace="fast")
    source.open()
    lines = []
    while (chunk := source.read(1.0)) is not None and not chunk.is_last:
        lines += source.warnings()
    assert ["audio.channel = 2" in line for line in lines] == [True]
    assert source.counters()["wrong_channel"] >= 2
    source.close()
