"""A voice below the level that wakes the face is said once, with the remedy; nothing else is taken for one."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from edge.config.settings import SilenceSettings
from edge.frames import AUFrame
from edge.postprocess.quiet_voice import QuietVoice
from edge.postprocess.silence import SilenceGate
from tests.edge.postprocess.sounds import PERIOD_S, RATE_HZ, band_noise, vowel

SETTINGS = SilenceSettings()


def listen(frames: list[np.ndarray], settings: SilenceSettings = SETTINGS) -> tuple[QuietVoice, int]:
    """Return the stage behind a gate that heard these frames, and how many woke the face."""
    gate, stage = SilenceGate(settings, PERIOD_S, RATE_HZ), QuietVoice(settings, PERIOD_S, RATE_HZ)
    frame = AUFrame.neutral(2)
    n_awake = 0
    for sound in frames:
        gate.listen(frame, sound)
        before = frame.activations.copy()
        stage.apply(frame, sound)
        assert (frame.activations == before).all()
        n_awake += frame.state.label == "live"
    return stage, n_awake


def noises(level: float, n: int) -> list[np.ndarray]:
    """Return frames of noise: a second of it, again and again."""
    second = [band_noise(level, seed=i) for i in range(31)]
    return [second[i % 31] for i in range(n)]


def syllables(level: float, seconds: float) -> list[np.ndarray]:
    """Return speech: vowels of 200 ms, and as long a pause."""
    voice = vowel(level)
    quiet = noises(-84.0, round(seconds / PERIOD_S))
    return [noise + voice if i // 6 % 2 else noise for i, noise in enumerate(quiet)]


@pytest.mark.parametrize("level", [-61.0, -66.0, -72.0])
def test_a_voice_below_the_level_is_said_once_with_how_much_is_missing(
    caplog: pytest.LogCaptureFixture, level: float
) -> None:
    stage, n_awake = listen(syllables(level, 25.0))
    assert n_awake == 0
    (line,) = [record.message for record in caplog.records]
    assert "silence.open_dbfs = -58" in line
    assert stage.n_heard >= 2
    heard_dbfs = float(line.split("heard at ")[1].split()[0])
    assert heard_dbfs == pytest.approx(level, abs=3.0)
    lower = float(line.split("set silence.open_dbfs = ")[1].split()[0])
    assert listen(syllables(level, 10.0), SilenceSettings(open_dbfs=lower, close_dbfs=lower - 5))[1] > 0


@pytest.mark.parametrize(
    "frames",
    [
        syllables(-40.0, 30.0),
        [vowel(-65.0)] * 900,  # a hum
        noises(-65.0, 900),  # a fan
        [n * (1.0 if i // 6 % 2 else 0.05) for i, n in enumerate(noises(-65.0, 900))],  # keys, rustling
        [np.zeros(1470, np.float32)] * 400,
        syllables(-40.0, 10.0) + syllables(-70.0, 25.0),  # somebody else in the next room
    ],
    ids=["a voice", "a hum", "a fan", "rustling", "nothing", "the next room"],
)
def test_what_wakes_the_face_or_is_no_voice_is_not_said(
    caplog: pytest.LogCaptureFixture, frames: list[np.ndarray]
) -> None:
    stage, _ = listen(frames)
    assert (stage.n_heard, caplog.records) == (0, [])


def test_nothing_is_said_where_the_gate_is_off(caplog: pytest.LogCaptureFixture) -> None:
    assert listen(syllables(-66.0, 30.0), SilenceSettings(enabled=False))[0].n_heard == 0
    assert logging.WARNING not in {record.levelno for record in caplog.records}
