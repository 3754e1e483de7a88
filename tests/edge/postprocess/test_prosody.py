"""The voice's movements: only what differs from the speaker's own average moves anything."""

from __future__ import annotations

import numpy as np
import pytest

from edge.frames import AUFrame, State
from edge.postprocess.prosody import HIGHEST_PITCH_HZ, LOWEST_PITCH_HZ, PitchTracker, Prosody

RATE_HZ = 44_100
FRAME = RATE_HZ // 30
CHANNELS = ("jawOpen", "browInnerUp", "browDownLeft", "eyeWideLeft", "cheekSquintLeft")


def voice(pitch_hz: float, seconds: float, amplitude: float = 0.1) -> np.ndarray:
    """A buzz with the spectrum of a glottis: twelve harmonics that fall 12 dB an octave."""
    times = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    wave = sum(np.sin(2 * np.pi * pitch_hz * k * times + k) / k**2 for k in range(1, 13))
    return (amplitude * wave).astype(np.float32)


def run(prosody: Prosody, wave: np.ndarray, state: State = State.LIVE) -> np.ndarray:
    rows = []
    for begin in range(0, len(wave) - FRAME + 1, FRAME):
        newest = wave[begin : begin + FRAME]
        frame = AUFrame.neutral(len(CHANNELS))
        frame.level_dbfs = 10 * np.log10(float(np.mean(newest**2)) + 1e-12)
        frame.state = state
        prosody.apply(frame, newest)
        rows.append(frame.activations.copy())
    return np.array(rows)


@pytest.mark.parametrize("pitch_hz", [75.0, 110.0, 160.0, 220.0, 330.0, 390.0])
def test_the_pitch_of_a_buzz_is_found_within_half_a_semitone_and_two_samples(pitch_hz: float) -> None:
    tracker = PitchTracker(RATE_HZ)
    wave = voice(pitch_hz, 0.3)
    found = [tracker.follow(wave[i : i + FRAME]) for i in range(0, len(wave) - FRAME + 1, FRAME)][-1]
    assert abs(12 * np.log2(found / pitch_hz)) < 0.5 + 2 * 12 * pitch_hz / 8820 / np.log(2) / 2


def test_noise_and_silence_have_no_pitch() -> None:
    rng = np.random.default_rng(0)
    tracker = PitchTracker(RATE_HZ)
    noise = [tracker.follow((0.1 * rng.standard_normal(FRAME)).astype(np.float32)) for _ in range(60)]
    assert sum(pitch > 0 for pitch in noise) <= 6
    assert all(p == 0 or LOWEST_PITCH_HZ * 0.9 <= p <= HIGHEST_PITCH_HZ * 1.1 for p in noise)
    tracker.reset()
    assert tracker.follow(np.zeros(FRAME, np.float32)) == 0.0


@pytest.mark.parametrize("pitch_hz", [90.0, 250.0])
def test_an_even_voice_moves_nothing_however_high_or_loud(pitch_hz: float) -> None:
    faces = run(Prosody(1.0, RATE_HZ, 1 / 30, CHANNELS), voice(pitch_hz, 5.0, 0.3))
    assert np.abs(faces).max() < 0.05


def test_a_rise_in_pitch_raises_the_brows_and_not_the_jaw() -> None:
    prosody = Prosody(1.0, RATE_HZ, 1 / 30, CHANNELS)
    run(prosody, voice(120.0, 4.0))
    faces = run(prosody, voice(180.0, 0.5))
    assert faces[-1, 1] > 0.15
    assert faces[:, 0].max() == 0.0


def test_louder_lifts_cheeks_and_louder_and_lower_draws_the_brows_down() -> None:
    prosody = Prosody(1.0, RATE_HZ, 1 / 30, CHANNELS)
    run(prosody, voice(150.0, 4.0, 0.05))
    faces = run(prosody, voice(105.0, 0.5, 0.2))
    assert faces[-1, 4] > 0.1
    assert faces[-1, 2] > 0.1


def test_amount_zero_leaves_the_face_alone_and_amount_scales() -> None:
    waves = [voice(120.0, 4.0), voice(180.0, 0.5)]
    faces = {}
    for amount in (0.0, 0.5, 1.0):
        prosody = Prosody(amount, RATE_HZ, 1 / 30, CHANNELS)
        run(prosody, waves[0])
        faces[amount] = run(prosody, waves[1])
    assert not faces[0.0].any()
    np.testing.assert_allclose(faces[0.5], 0.5 * faces[1.0], atol=1e-6)


def test_silence_lets_the_face_come_to_rest() -> None:
    prosody = Prosody(1.0, RATE_HZ, 1 / 30, CHANNELS)
    run(prosody, voice(120.0, 4.0))
    run(prosody, voice(180.0, 0.5))
    faces = run(prosody, np.zeros(3 * RATE_HZ, np.float32), State.SILENCE)
    assert faces[-1].max() < 0.01


def test_after_reset_it_behaves_as_new() -> None:
    used, fresh = (Prosody(1.0, RATE_HZ, 1 / 30, CHANNELS) for _ in range(2))
    run(used, voice(300.0, 3.0))
    used.reset()
    waves = np.concatenate([voice(120.0, 2.0), voice(180.0, 0.5)])
    np.testing.assert_array_equal(run(used, waves), run(fresh, waves))
