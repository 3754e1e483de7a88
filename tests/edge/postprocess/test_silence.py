"""The silence gate: at rest within 200 ms, still in room noise, open at once for speech."""

from __future__ import annotations

import numpy as np
import pytest

from edge.frames import AUFrame, State
from edge.postprocess.silence import SilenceGate, level_dbfs
from edge.settings import SilenceSettings

RATE_HZ = 44_100
PERIOD_S = 1 / 30
N = 1470


def _sound(level: float, n: int = N, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(n).astype(np.float32)
    return noise / np.sqrt(np.mean(noise**2)) * np.float32(10 ** (level / 20))


def _step(gate: SilenceGate, level: float, seed: int = 0) -> AUFrame:
    frame = AUFrame.neutral(4)
    frame.activations[:] = 1
    frame.head_deg[:] = 10
    gate.apply(frame, _sound(level, seed=seed))
    return frame


@pytest.mark.parametrize("level", [-60.0, -20.0, -6.0])
def test_level_is_the_root_mean_square(level: float) -> None:
    assert level_dbfs(_sound(level)) == pytest.approx(level, abs=0.01)


def test_a_full_scale_sine_has_minus_three_decibels() -> None:
    sine = np.sin(2 * np.pi * 300 * np.arange(N) / RATE_HZ).astype(np.float32)
    assert level_dbfs(sine) == pytest.approx(-3.01, abs=0.01)


def test_digital_silence_has_a_level() -> None:
    assert level_dbfs(np.zeros(N, np.float32)) == level_dbfs(np.zeros(0, np.float32)) == -120.0


def test_the_face_rests_within_200_ms_of_the_end_of_speech() -> None:
    gate = SilenceGate(SilenceSettings(), PERIOD_S)
    for i in range(60):
        _step(gate, -25, i)
    resting = [_step(gate, -70, i).activations.max() for i in range(10)]
    # The first quiet frame ends one period after the speech did.
    at_200_ms = resting[int(0.2 / PERIOD_S + 1e-6) - 1]
    assert at_200_ms <= 0.001


def test_a_pause_of_one_frame_does_not_touch_the_face() -> None:
    gate = SilenceGate(SilenceSettings(), PERIOD_S)
    for level in (-25, -25, -70, -25, -25):
        assert _step(gate, level).activations.max() == 1.0


def test_speech_opens_in_its_first_frame() -> None:
    gate = SilenceGate(SilenceSettings(), PERIOD_S)
    for i in range(60):
        assert _step(gate, -65, i).activations.max() == 0.0
    frame = _step(gate, -30)
    assert frame.state == State.LIVE
    assert frame.activations.max() == 1.0


@pytest.mark.parametrize("level", [-60.0, -50.0, -45.0, -40.0, -35.0, -30.0])
def test_a_steady_room_never_twitches_once_it_is_known(level: float) -> None:
    gate = SilenceGate(SilenceSettings(), PERIOD_S)
    wobble = np.random.default_rng(1).normal(0, 0.7, 1000)
    frames = [_step(gate, level + wobble[i], i).activations.max() for i in range(900)]
    assert max(frames[450:]) == 0.0  # known after 15 s at the latest


def test_speech_above_a_loud_room_still_opens() -> None:
    gate = SilenceGate(SilenceSettings(), PERIOD_S)
    for i in range(600):
        _step(gate, -40, i)
    assert _step(gate, -25).activations.max() == 1.0


def test_speech_with_its_dips_keeps_the_gate_open_for_a_minute() -> None:
    gate = SilenceGate(SilenceSettings(), PERIOD_S)
    rng = np.random.default_rng(2)
    closed = 0
    for i in range(1800):
        level = -24 + 4 * np.sin(i / 3) + rng.normal(0, 2) - (18 if i % 9 == 0 else 0)  # a closure every 300 ms
        closed += _step(gate, float(level), i).state != State.LIVE
    assert closed / 1800 < 0.02


def test_between_the_thresholds_nothing_flutters() -> None:
    gate = SilenceGate(SilenceSettings(), PERIOD_S)
    settings = SilenceSettings()
    middle = (settings.open_dbfs + settings.close_dbfs) / 2
    wobble = np.random.default_rng(3).normal(0, 0.6, 120)
    states = {_step(gate, middle + wobble[i], i).state for i in range(60)}
    assert states == {State.SILENCE}
    gate.reset()
    for i in range(30):
        _step(gate, -90, i)  # a quiet room: what comes between the thresholds after speech is still speech
    _step(gate, -30)
    states = {_step(gate, middle + wobble[i], i).state for i in range(60)}
    assert states == {State.LIVE}


def test_the_head_returns_more_slowly_than_the_face() -> None:
    gate = SilenceGate(SilenceSettings(), PERIOD_S)
    for i in range(60):
        _step(gate, -25, i)
    frames = [_step(gate, -70, i) for i in range(30)]
    assert frames[6].activations.max() == 0.0
    assert frames[6].head_deg.max() > 1.0
    assert frames[29].head_deg.max() == 0.0


def test_switched_off_it_changes_nothing_but_the_level() -> None:
    gate = SilenceGate(SilenceSettings(enabled=False), PERIOD_S)
    frame = _step(gate, -100)
    assert frame.activations.min() == 1.0
    assert frame.level_dbfs == pytest.approx(-100, abs=0.1)
