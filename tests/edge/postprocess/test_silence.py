"""The silence gate: at rest within 200 ms, still in room noise, open at once for speech."""

from __future__ import annotations

import numpy as np
import pytest

from edge.config.settings import SilenceSettings
from edge.frames import AUFrame, State
from edge.postprocess.silence import SilenceGate
from tests.edge.postprocess.sounds import PERIOD_S, PERIOD_SAMPLES, RATE_HZ, band_noise, vowel


def _gate(**settings: object) -> SilenceGate:
    return SilenceGate(SilenceSettings(**settings), PERIOD_S, RATE_HZ)


def _hear(gate: SilenceGate, sound: np.ndarray) -> AUFrame:
    frame = AUFrame.neutral(4)
    frame.activations[:] = 1
    frame.head_deg[:] = 10
    gate.apply(frame, sound)
    return frame


def _noise(gate: SilenceGate, level: float, seed: int = 0) -> AUFrame:
    return _hear(gate, band_noise(level, seed=seed))


def _voice(gate: SilenceGate, level: float) -> AUFrame:
    return _hear(gate, vowel(level))


def _speak(gate: SilenceGate, n_frames: int, level: float = -25.0) -> None:
    """Let a voice, which is never even, open the gate."""
    for i in range(n_frames):
        frame = _voice(gate, level + 7 * np.sin(i / 2))
    assert frame.activations.min() == 1.0


def _at_200_ms(activity: list[float]) -> float:
    """Return what is left 200 ms after the end of speech, which was the end of the frame before the first one here."""
    return activity[int(0.2 / PERIOD_S + 1e-6) - 1]


@pytest.mark.parametrize("after", [-120.0, -70.0])
@pytest.mark.parametrize("level", [-15.0, -25.0, -45.0])
def test_the_face_rests_within_200_ms_of_the_end_of_speech(level: float, after: float) -> None:
    gate = _gate()
    _speak(gate, 60, level)
    resting = [float(_noise(gate, min(after, level - 35), i).activations.max()) for i in range(10)]
    assert _at_200_ms(resting) <= 0.001


@pytest.mark.parametrize("level", [-15.0, -25.0, -45.0])
def test_breath_after_speech_does_not_keep_the_face_awake(level: float) -> None:
    gate = _gate()
    for i in range(30):
        _noise(gate, level - 45, i)
    _speak(gate, 60, level)
    breath = [float(_noise(gate, level - 32 + 3 * np.sin(i / 5), i).activations.max()) for i in range(24)]
    silence = [float(_noise(gate, -120, i).activations.max()) for i in range(30)]
    assert _at_200_ms(breath) <= 0.001
    assert max(breath[6:] + silence) <= 0.001


def test_a_loud_breath_lets_the_face_rest_when_it_lasts() -> None:
    gate = _gate()
    _speak(gate, 60)
    breath = [float(_noise(gate, -40, i).activations.max()) for i in range(60)]
    assert max(breath[12:]) == 0.0  # 400 ms: no consonant is that long


def test_a_pause_of_one_frame_does_not_touch_the_face() -> None:
    gate = _gate()
    for level in (-25, -25, -70, -25, -25):
        assert _voice(gate, level).activations.max() == 1.0


def test_a_voice_opens_in_its_first_frame() -> None:
    gate = _gate()
    for i in range(60):
        assert _noise(gate, -65, i).activations.max() == 0.0
    frame = _voice(gate, -30)
    assert frame.state == State.LIVE
    assert frame.activations.max() == 1.0


@pytest.mark.parametrize("speaker", [None, -20.0, -40.0])
def test_a_consonant_opens_in_its_first_frame(speaker: float | None) -> None:
    gate = _gate()
    if speaker is not None:
        _speak(gate, 60, speaker)
    for i in range(60):
        _noise(gate, -80, i)
    frames = [_noise(gate, (speaker or -30) - 10, i) for i in range(4)]
    assert {frame.state for frame in frames} == {State.LIVE}
    assert frames[0].activations.max() >= 0.5
    assert frames[1].activations.max() >= 0.99


@pytest.mark.parametrize("speaker", [None, -20.0, -40.0])
def test_a_clear_consonant_is_shown_whole_in_its_first_frame_and_a_smack_by_half(speaker: float | None) -> None:
    shown = {}
    for sound, below_db in (("consonant", 12), ("smack", 21)):
        gate = _gate()
        if speaker is not None:
            _speak(gate, 60, speaker)
        for i in range(60):
            _noise(gate, -80, i)
        level = (speaker if speaker is not None else -30) + 4 - below_db  # loud parts of that voice reach +4
        if speaker is None:
            level = SilenceSettings().open_dbfs + (14 if sound == "consonant" else 6)
        shown[sound] = float(_noise(gate, level, 1).activations.max())
    assert shown["consonant"] == 1.0
    assert 0.4 <= shown["smack"] <= 0.6


def test_a_face_that_looks_ahead_wakes_with_the_newest_sound_and_rests_after_its_own() -> None:
    at_once, late = _gate(), SilenceGate(SilenceSettings(), PERIOD_S, RATE_HZ, lookahead_s=0.1)
    sounds = [band_noise(-80, seed=i) for i in range(10)]
    sounds = [*sounds, *(vowel(-25 + 7 * np.sin(i / 2)) for i in range(30)), *sounds]
    one, two = ([float(_hear(gate, sound).activations[0]) for sound in sounds] for gate in (at_once, late))
    assert two[:40] == one[:40]
    assert two[40:] == one[37:-3]  # 100 ms


def test_a_quiet_speaker_is_not_cut() -> None:
    gate = _gate()
    for i in range(30):
        _noise(gate, -85, i)
    rng = np.random.default_rng(3)
    states = []
    for i in range(900):
        level = -46 + 4 * np.sin(i / 3) + rng.normal(0, 2)  # as a voice 2 m from the microphone
        sound = band_noise(level - 16, seed=i) if i % 9 in (0, 1) else vowel(float(level))
        states.append(_hear(gate, sound).state)
    assert np.mean([state != State.LIVE for state in states]) < 0.02


@pytest.mark.parametrize("level", [-60.0, -50.0, -45.0, -40.0, -35.0, -30.0])
def test_a_steady_room_never_twitches_once_it_is_known(level: float) -> None:
    gate = _gate()
    wobble = np.random.default_rng(1).normal(0, 0.7, 1000)
    frames = [_noise(gate, level + wobble[i], i).activations.max() for i in range(900)]
    assert max(frames[30:]) == 0.0  # known after a second


@pytest.mark.parametrize("level", [-45.0, -35.0])
def test_a_fan_that_is_switched_on_is_known_after_a_few_seconds(level: float) -> None:
    gate = _gate()
    for i in range(90):
        _noise(gate, -75, i)
    frames = [_noise(gate, level, i).activations.max() for i in range(600)]
    assert frames[0] > 0.0
    assert max(frames[15:]) == 0.0  # half a second


@pytest.mark.parametrize("before", [-119.0, -70.0])
def test_how_quiet_it_was_before_does_not_delay_what_is_learnt_of_a_room(before: float) -> None:
    gate = _gate()
    for i in range(30):
        _noise(gate, before, i)  # as a muted microphone, or the zeros that some devices begin with
    states = [_noise(gate, -54, i).state for i in range(150)]
    assert set(states[30:]) == {State.SILENCE}


def test_breathing_moves_the_face_at_most_twice() -> None:
    gate = _gate()
    awake = []
    for i in range(900):
        level = -75 + 35 * max(0.0, np.sin(i / 15))  # up to -40 dBFS, every 3 s
        breath = band_noise(level, seed=i, band_hz=(300, 5000))
        awake.append(_hear(gate, breath).activations.max() > 0.0)
    openings = int(np.sum(np.diff(np.array(awake, int)) == 1))
    assert openings <= 2
    assert np.mean(awake) < 0.04


def test_typing_moves_the_face_at_most_a_few_times() -> None:
    gate = _gate()
    rng = np.random.default_rng(5)
    awake = []
    for i in range(900):
        sound = band_noise(-70, seed=i)
        if i % 7 == 0:
            at = int(rng.integers(0, PERIOD_SAMPLES - 300))
            sound[at : at + 300] += band_noise(-30 + rng.normal(0, 1), 300, seed=i, band_hz=(1000, 8000))
        awake.append(_hear(gate, sound).activations.max() > 0.0)
    assert np.mean(awake[:150]) < 0.2
    assert np.mean(awake[150:]) <= 0.03


def test_a_chord_that_goes_on_becomes_part_of_the_room() -> None:
    gate = _gate()
    n = 300 * PERIOD_SAMPLES
    chord = sum(vowel(-35, hz, n) for hz in (131.0, 165.0, 196.0))
    states = [_hear(gate, piece).state for piece in np.split(chord.astype(np.float32), 300)]
    assert set(states[90:]) == {State.SILENCE}  # 3 s


def test_where_any_sound_counts_claps_keep_the_face_awake() -> None:
    gate = _gate(voice_only=False)
    for i in range(30):
        _noise(gate, -75, i)
    states = {_noise(gate, -30 + 10 * np.sin(i), i).state for i in range(45)}
    assert states == {State.LIVE}


def test_speech_from_the_first_sample_on_is_not_taken_for_the_room() -> None:
    gate = _gate()
    states = {_voice(gate, -24 + 7 * np.sin(i / 2)).state for i in range(90)}
    assert states == {State.LIVE}


def test_a_rumbling_room_leaves_the_face_at_rest() -> None:
    gate = _gate()
    n = PERIOD_SAMPLES * 300
    rumble = band_noise(-37, n, seed=4, band_hz=(1, 20))  # as in a studio's recordings, wavering by 6 dB
    for piece in np.split(rumble, 300):
        assert _hear(gate, piece).state == State.SILENCE


def test_speech_above_a_loud_room_still_opens() -> None:
    gate = _gate()
    for i in range(600):
        _noise(gate, -40, i)
    assert _voice(gate, -25).activations.max() == 1.0


def test_speech_with_its_dips_keeps_the_gate_open_for_a_minute() -> None:
    gate = _gate()
    rng = np.random.default_rng(2)
    closed = 0
    for i in range(1800):
        level = -24 + 4 * np.sin(i / 3) + rng.normal(0, 2) - (18 if i % 9 == 0 else 0)  # a closure every 300 ms
        closed += _voice(gate, float(level)).state != State.LIVE
    assert closed / 1800 < 0.02


def test_between_the_thresholds_nothing_flutters() -> None:
    settings = SilenceSettings()
    middle = (settings.open_dbfs + settings.close_dbfs) / 2
    wobble = np.random.default_rng(3).normal(0, 0.6, 120)
    gate = _gate()
    for i in range(30):
        _noise(gate, -90, i)
    assert {_voice(gate, middle + wobble[i]).state for i in range(60)} == {State.SILENCE}
    gate.reset()  # what stays even for longer is the room
    for i in range(30):
        _noise(gate, -90, i)
    _voice(gate, settings.open_dbfs + 1)
    assert {_voice(gate, middle + wobble[i]).state for i in range(30)} == {State.LIVE}


def test_the_head_returns_more_slowly_than_the_face() -> None:
    gate = _gate()
    _speak(gate, 60)
    frames = [_noise(gate, -70, i) for i in range(30)]
    assert frames[6].activations.max() == 0.0
    assert frames[6].head_deg.max() > 1.0
    assert frames[29].head_deg.max() == 0.0


def test_a_reset_gate_begins_anew() -> None:
    gate = _gate()
    sounds = [band_noise(-50, seed=1), vowel(-25), vowel(-28), band_noise(-52, seed=2), vowel(-60)] * 4
    first = [_hear(gate, sound).activations[0] for sound in sounds]
    _speak(gate, 40, -10)
    gate.reset()
    assert [_hear(gate, sound).activations[0] for sound in sounds] == first


def test_switched_off_it_changes_nothing_but_the_level() -> None:
    frame = _noise(_gate(enabled=False), -100)
    assert frame.activations.min() == 1.0
    assert frame.level_dbfs == pytest.approx(-100, abs=1.0)
