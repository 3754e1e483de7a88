"""The silence gate: at rest within 200 ms, still in room noise, open at once for speech."""

from __future__ import annotations

import numpy as np
import pytest

from edge.frames import AUFrame, State
from edge.postprocess.silence import SilenceGate, VoiceLevel, level_dbfs
from edge.settings import SilenceSettings

RATE_HZ = 44_100
PERIOD_S = 1 / 30
N = 1470


def _sound(level: float, n: int = N, seed: int = 0) -> np.ndarray:
    """Return noise in the middle of the voices' band, so that nearly all of its level counts."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(n))
    frequencies = np.fft.rfftfreq(n, 1 / RATE_HZ)
    spectrum[(frequencies < 600) | (frequencies > 2000)] = 0
    noise = np.fft.irfft(spectrum, n).astype(np.float32)
    return noise / np.sqrt(np.mean(noise**2)) * np.float32(10 ** (level / 20))


def _speak(gate: SilenceGate, n_frames: int) -> None:
    """Let a voice, which is never even, open the gate."""
    for i in range(n_frames):
        frame = _step(gate, -25 + 7 * np.sin(i / 2), i)
    assert frame.activations.min() == 1.0


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
    gate = SilenceGate(SilenceSettings(), PERIOD_S, RATE_HZ)
    _speak(gate, 60)
    resting = [_step(gate, -70, i).activations.max() for i in range(10)]
    # The first quiet frame ends one period after the speech did.
    at_200_ms = resting[int(0.2 / PERIOD_S + 1e-6) - 1]
    assert at_200_ms <= 0.001


def test_a_pause_of_one_frame_does_not_touch_the_face() -> None:
    gate = SilenceGate(SilenceSettings(), PERIOD_S, RATE_HZ)
    for level in (-25, -25, -70, -25, -25):
        assert _step(gate, level).activations.max() == 1.0


def test_speech_opens_in_its_first_frame() -> None:
    gate = SilenceGate(SilenceSettings(), PERIOD_S, RATE_HZ)
    for i in range(60):
        assert _step(gate, -65, i).activations.max() == 0.0
    frame = _step(gate, -30)
    assert frame.state == State.LIVE
    assert frame.activations.max() == 1.0


@pytest.mark.parametrize("level", [-60.0, -50.0, -45.0, -40.0, -35.0, -30.0])
def test_a_steady_room_never_twitches_once_it_is_known(level: float) -> None:
    gate = SilenceGate(SilenceSettings(), PERIOD_S, RATE_HZ)
    wobble = np.random.default_rng(1).normal(0, 0.7, 1000)
    frames = [_step(gate, level + wobble[i], i).activations.max() for i in range(900)]
    assert max(frames[30:]) == 0.0  # known after a second


@pytest.mark.parametrize("level", [-45.0, -35.0])
def test_a_fan_that_is_switched_on_is_known_after_a_few_seconds(level: float) -> None:
    gate = SilenceGate(SilenceSettings(), PERIOD_S, RATE_HZ)
    for i in range(90):
        _step(gate, -75, i)
    frames = [_step(gate, level, i).activations.max() for i in range(600)]
    assert frames[0] == 1.0
    assert max(frames[360:]) == 0.0  # 12 s


@pytest.mark.parametrize("before", [-119.0, -70.0])
def test_how_quiet_it_was_before_does_not_delay_what_is_learnt_of_a_room(before: float) -> None:
    gate = SilenceGate(SilenceSettings(), PERIOD_S, RATE_HZ)
    for i in range(30):
        _step(gate, before, i)  # as a muted microphone, or the zeros that some devices begin with
    states = [_step(gate, -54, i).state for i in range(150)]
    assert set(states[90:]) == {State.SILENCE}  # 3 s


def test_speech_from_the_first_sample_on_is_not_taken_for_the_room() -> None:
    gate = SilenceGate(SilenceSettings(), PERIOD_S, RATE_HZ)
    states = {_step(gate, -24 + 7 * np.sin(i / 2), i).state for i in range(90)}
    assert states == {State.LIVE}


@pytest.mark.parametrize("rate_hz", [16_000, 44_100, 48_000])
@pytest.mark.parametrize(("hz", "lost_db"), [(0, 80), (5, 30), (20, 20), (50, 12)])
def test_rumble_hum_and_offset_are_not_sound(rate_hz: int, hz: float, lost_db: float) -> None:
    at_s = np.arange(rate_hz // 5) / rate_hz
    wave = (0.5 * np.cos(2 * np.pi * hz * at_s)).astype(np.float32)
    assert VoiceLevel(rate_hz, 1.0).of(wave) < level_dbfs(wave) - lost_db


@pytest.mark.parametrize("rate_hz", [16_000, 44_100, 48_000])
@pytest.mark.parametrize("hz", [300, 500, 1000, 2500])
def test_the_band_of_voices_counts_nearly_whole(rate_hz: int, hz: float) -> None:
    wave = (0.5 * np.sin(2 * np.pi * hz * np.arange(rate_hz // 5) / rate_hz)).astype(np.float32)
    assert VoiceLevel(rate_hz, 1.0).of(wave) == pytest.approx(level_dbfs(wave), abs=1.5)


def test_a_rumbling_room_leaves_the_face_at_rest() -> None:
    gate = SilenceGate(SilenceSettings(), PERIOD_S, RATE_HZ)
    rng = np.random.default_rng(4)
    spectrum = np.fft.rfft(rng.standard_normal(N * 300))
    frequencies = np.fft.rfftfreq(N * 300, 1 / RATE_HZ)
    rumble = np.fft.irfft(spectrum * (frequencies > 1) * (frequencies < 20), N * 300)
    rumble *= 10 ** (-37 / 20) / np.sqrt(np.mean(rumble**2))  # as in a studio's recordings, wavering by 6 dB
    frame = AUFrame.neutral(1)
    for i in range(300):
        gate.apply(frame, rumble[i * N : (i + 1) * N].astype(np.float32))
        assert frame.state == State.SILENCE


def test_speech_above_a_loud_room_still_opens() -> None:
    gate = SilenceGate(SilenceSettings(), PERIOD_S, RATE_HZ)
    for i in range(600):
        _step(gate, -40, i)
    assert _step(gate, -25).activations.max() == 1.0


def test_speech_with_its_dips_keeps_the_gate_open_for_a_minute() -> None:
    gate = SilenceGate(SilenceSettings(), PERIOD_S, RATE_HZ)
    rng = np.random.default_rng(2)
    closed = 0
    for i in range(1800):
        level = -24 + 4 * np.sin(i / 3) + rng.normal(0, 2) - (18 if i % 9 == 0 else 0)  # a closure every 300 ms
        closed += _step(gate, float(level), i).state != State.LIVE
    assert closed / 1800 < 0.02


def test_between_the_thresholds_nothing_flutters() -> None:
    gate = SilenceGate(SilenceSettings(), PERIOD_S, RATE_HZ)
    settings = SilenceSettings()
    middle = (settings.open_dbfs + settings.close_dbfs) / 2
    wobble = np.random.default_rng(3).normal(0, 0.6, 120)
    states = {_step(gate, middle + wobble[i], i).state for i in range(60)}
    assert states == {State.SILENCE}
    gate.reset()
    for i in range(30):
        _step(gate, -90, i)  # a quiet room: what comes between the thresholds after speech is still speech
    _step(gate, -30)
    states = {_step(gate, middle + wobble[i], i).state for i in range(30)}  # what stays even for longer is the room
    assert states == {State.LIVE}


def test_the_head_returns_more_slowly_than_the_face() -> None:
    gate = SilenceGate(SilenceSettings(), PERIOD_S, RATE_HZ)
    _speak(gate, 60)
    frames = [_step(gate, -70, i) for i in range(30)]
    assert frames[6].activations.max() == 0.0
    assert frames[6].head_deg.max() > 1.0
    assert frames[29].head_deg.max() == 0.0


def test_switched_off_it_changes_nothing_but_the_level() -> None:
    gate = SilenceGate(SilenceSettings(enabled=False), PERIOD_S, RATE_HZ)
    frame = _step(gate, -100)
    assert frame.activations.min() == 1.0
    assert frame.level_dbfs == pytest.approx(-100, abs=0.5)
