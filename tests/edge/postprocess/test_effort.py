"""Vocal effort: what is heard differs from the speaker's own average; gain, pauses and closed gates do not count."""

from __future__ import annotations

import numpy as np
import pytest

from edge.config.settings import EffortSettings
from edge.errors import ModelError
from edge.frames import AUFrame, State
from edge.postprocess.effort import HIGH, LEVEL, LOUD, PITCH, Effort
from edge.postprocess.effort_face import MOUTH_EFFORT, EffortFace
from edge.postprocess.effort_weights import MEASURES, parse_weights, shipped_weights
from edge.postprocess.spectrum import VoiceSpectrum
from edge.postprocess.voice import Voicing, level_dbfs
from tests.requirements import need_module

RATE_HZ = 44_100
FRAME = RATE_HZ // 30
CHANNELS = ("jawOpen", "mouthPucker", "browInnerUp", "browDownLeft", "eyeWideLeft", "cheekSquintLeft", "tongueOut")


def voice(pitch_hz: float, seconds: float, fall: float = 2.0, amplitude: float = 0.1) -> np.ndarray:
    """A buzz whose harmonics fall by 6 dB times `fall` an octave."""
    times = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    n = int(5000 / pitch_hz)
    wave = sum(np.sin(2 * np.pi * pitch_hz * k * times + k) / k**fall for k in range(1, n + 1))
    return (amplitude * wave / np.std(wave)).astype(np.float32)


def run(wave: np.ndarray, face: EffortFace, voicing: Voicing, state: State = State.LIVE) -> np.ndarray:
    """Return effort, tension, subdued and the face of each frame, which the network holds at 0.2."""
    rows = []
    for begin in range(0, len(wave) - FRAME + 1, FRAME):
        newest = wave[begin : begin + FRAME]
        frame = AUFrame.neutral(len(CHANNELS))
        frame.activations[:] = 0.2
        frame.level_dbfs, frame.state = level_dbfs(newest), state
        voicing.of(newest)
        face.apply(frame, newest)
        heard = face.effort
        rows.append([heard.effort, heard.tension, heard.subdued, *frame.activations])
    return np.array(rows)


def made(**amounts: float) -> tuple[EffortFace, Voicing]:
    voicing = Voicing(RATE_HZ)
    return EffortFace(EffortSettings(**amounts), shipped_weights(), voicing, RATE_HZ, 1 / 30, CHANNELS), voicing


CALM, RAISED = voice(140.0, 6.0, 2.2), voice(230.0, 3.0, 1.2, 0.2)


@pytest.mark.parametrize("pitch_hz", [80.0, 110.0, 160.0, 220.0, 330.0, 390.0, 450.0])
def test_the_pitch_of_a_buzz_is_found_within_a_third_of_a_semitone(pitch_hz: float) -> None:
    voicing = Voicing(RATE_HZ)
    for piece in np.split(voice(pitch_hz, 1.0), 30):
        voicing.of(piece)
    assert abs(voicing.pitch_semitones() - 12 * np.log2(pitch_hz)) < 0.33


def test_pitch_agrees_with_librosa_on_shipped_speech() -> None:
    librosa = need_module("librosa")
    import soundfile

    from edge.app import shipped_speech

    sound, rate_hz = soundfile.read(shipped_speech(), dtype="float32", stop=16_000 * 8)
    sound = librosa.resample(sound, orig_sr=rate_hz, target_sr=RATE_HZ)
    slow = librosa.resample(sound, orig_sr=RATE_HZ, target_sr=11_025)
    theirs_hz, is_voiced, _ = librosa.pyin(slow, fmin=70, fmax=550, sr=11_025, frame_length=512, hop_length=110)
    voicing, apart = Voicing(RATE_HZ), []
    for end in range(FRAME, len(sound) + 1, FRAME):
        likeness = voicing.of(np.ascontiguousarray(sound[end - FRAME : end]))
        place = round((end / RATE_HZ - 0.022) * 11_025 / 110)  # the middle of what is compared
        if likeness > 0.6 and place < len(theirs_hz) and is_voiced[place]:
            apart.append(12 * np.log2(voicing.pitch_hz() / theirs_hz[place]))
    assert len(apart) > 40
    assert np.median(np.abs(apart)) < 0.5
    assert np.mean(np.abs(apart) > 2) < 0.15


def test_bright_spectra_measure_high_and_gain_does_not_count() -> None:
    def measured(wave: np.ndarray) -> np.ndarray:
        spectrum = VoiceSpectrum(RATE_HZ)
        spectrum.measure(wave)
        return spectrum.values.copy()

    dull, bright = (voice(150.0, 1 / 30, fall) for fall in (2.5, 1.0))
    assert (measured(bright) > measured(dull)).all()
    for gain in (0.1, 10.0):
        np.testing.assert_allclose(measured(gain * dull), measured(dull), atol=0.02)


def test_bands_hold_the_power_that_they_say() -> None:
    at_s = np.arange(FRAME) / RATE_HZ
    wave = 0.1 * np.sin(2 * np.pi * 300 * at_s) + 0.01 * np.sin(2 * np.pi * 2500 * at_s)
    spectrum = VoiceSpectrum(RATE_HZ)
    spectrum.measure(wave.astype(np.float32))
    assert spectrum.values[:2] == pytest.approx([-20.0, -20.0], abs=0.7)


def test_a_raised_voice_is_effort_and_a_steady_one_is_not() -> None:
    face, voicing = made()
    calm = run(CALM, face, voicing)
    raised = run(RAISED, face, voicing)
    assert calm[-60:, 0].max() < 0.2
    assert raised[:, 0].max() > 0.6


def test_subdued_is_below_the_usual_voice() -> None:
    face, voicing = made()
    run(CALM, face, voicing)
    below = run(voice(105.0, 3.0, 3.0, 0.05), face, voicing)
    assert below[:, 2].max() > 0.3
    assert below[-1, 0] < 0.1


@pytest.mark.parametrize("gain", [0.1, 10.0])
def test_a_gain_changes_nothing(gain: float) -> None:
    wave = 0.05 * np.concatenate([CALM, RAISED])
    plain, gained = run(wave, *made()), run((gain * wave).astype(np.float32), *made())
    assert np.abs(plain[:, :3] - gained[:, :3]).max() < 0.02


def test_a_voice_that_stays_raised_does_not_become_the_usual_one() -> None:
    face, voicing = made()
    run(CALM, face, voicing)
    heard = [run(RAISED, face, voicing)[-1, 0] for _ in range(30)]
    assert heard[-1] > 0.6 * max(heard)


def left_after_20_s(drive: int, measure: int, more: float) -> float:
    """Return what is left of a drive, as a share of its most, where a known voice goes on with more of one measure."""
    usual = np.array(shipped_weights().mean)
    unusual, heard = usual.copy(), []
    unusual[measure] += more
    effort = Effort(shipped_weights(), 1 / 30)
    for _ in range(600):
        effort.hear(usual)
    for _ in range(600):
        effort.hear(unusual)
        heard.append(float(effort.drives[drive]))
    assert max(heard) > 0.4
    return heard[-1] / max(heard)


def test_a_high_voice_does_not_soon_become_the_usual_one_and_a_nearer_microphone_does() -> None:
    assert left_after_20_s(HIGH, PITCH, 8.0) > 0.7
    assert left_after_20_s(LOUD, LEVEL, 10.0) < 0.5


def test_a_pause_holds_then_fades_and_silence_shows_nothing_new() -> None:
    face, voicing = made()
    run(np.concatenate([CALM, RAISED]), face, voicing)
    top = face.effort.effort
    silence = run(np.zeros(4 * RATE_HZ, np.float32), face, voicing, State.SILENCE)
    assert silence[12, 0] == pytest.approx(top, rel=0.05)
    assert silence[-1, 0] < 0.1 * top
    assert (np.diff(silence[:, 0]) <= 0).all()


def test_noise_is_not_a_voice() -> None:
    noise = (0.1 * np.random.default_rng(0).standard_normal(10 * RATE_HZ)).astype(np.float32)
    assert run(noise, *made())[:, :3].max() < 0.05


def test_mouth_channels_are_scaled_together_and_zero_amounts_are_off() -> None:
    wave = np.concatenate([CALM, RAISED])
    rows = run(wave, *made())
    assert rows[:, 3] == pytest.approx(rows[:, 4])
    assert 1.05 < rows[-1, 3] / 0.2 <= 1 + MOUTH_EFFORT + 1e-5
    assert rows[:, -1] == pytest.approx(0.2)
    assert run(wave, *made(amount=0.0))[:, 3:] == pytest.approx(0.2)
    still = run(wave, *made(mouth=0.0, brows=0.0, eyes=0.0, cheeks=0.0, head=0.0))
    assert still[:, 3:] == pytest.approx(0.2)
    assert still[-1, 0] > 0.5


@pytest.mark.parametrize("rate", [60, 25])
def test_effort_counts_in_seconds_and_not_in_frames(rate: int) -> None:
    wave = np.concatenate([CALM, RAISED, np.zeros(2 * RATE_HZ, np.float32)])

    def at_thirds(frame_rate: int) -> np.ndarray:
        voicing = Voicing(RATE_HZ)
        channels = CHANNELS
        face = EffortFace(EffortSettings(), shipped_weights(), voicing, RATE_HZ, 1 / frame_rate, channels)
        found = {}
        ends = np.round(np.arange(1, len(wave) / RATE_HZ * frame_rate + 1) * RATE_HZ / frame_rate).astype(int)
        for begin, end in zip([0, *ends[:-1]], ends, strict=True):
            newest = wave[begin:end]
            frame = AUFrame.neutral(len(channels))
            frame.level_dbfs = level_dbfs(newest)
            frame.state = State.LIVE if newest.any() else State.SILENCE
            voicing.of(newest)
            face.apply(frame, newest)
            found[round(end / RATE_HZ, 3)] = face.effort.drives.copy()
        return np.array([found[time_s] for time_s in (6.4, 7.0, 8.0, 9.0, 9.4, 10.0, 10.8)])

    assert np.abs(at_thirds(rate) - at_thirds(30)).max() < 0.06


def test_a_high_voice_lifts_the_brows_and_a_bright_one_lowers_them() -> None:
    rest = [0.2] * len(CHANNELS)
    face, voicing = made()
    run(CALM, face, voicing)
    high = run(voice(230.0, 2.0, 2.2), face, voicing)[-1, 3:]
    assert high[CHANNELS.index("browInnerUp")] > rest[0] + 0.1
    assert high[CHANNELS.index("browDownLeft")] < rest[0] + 0.05
    face, voicing = made()
    run(CALM, face, voicing)
    bright = run(voice(140.0, 2.0, 1.0), face, voicing)[-1, 3:]
    assert bright[CHANNELS.index("browDownLeft")] > rest[0] + 0.1
    assert bright[CHANNELS.index("browInnerUp")] < rest[0] + 0.1


def test_reset_forgets_the_speaker() -> None:
    face, voicing = made()
    first = run(CALM, face, voicing)
    run(RAISED, face, voicing)
    face.reset()
    voicing.reset()
    assert np.array_equal(run(CALM, face, voicing), first)


def test_hearing_allocates_nothing_that_stays() -> None:
    import tracemalloc

    effort, measures = Effort(shipped_weights(), 1 / 30), np.array(shipped_weights().mean)
    effort.hear(measures)
    tracemalloc.start()
    for _ in range(50):
        effort.hear(measures)
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(500):
        effort.hear(measures)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 2000


def test_shipped_weights_keep_their_signs_and_name_their_source() -> None:
    weights = dict(zip(MEASURES, shipped_weights().effort, strict=True))
    assert all(weights[name] >= 0 for name in MEASURES[:-1])
    assert any("EMO-DB" in source for source in shipped_weights().sources)


@pytest.mark.parametrize(
    "old_new", [('"mean"', '"meen"'), ("au-edge-effort/2", "au-edge-effort/9"), ('"full"', '"ful"'), ("[", "[NaN,")]
)
def test_a_damaged_file_of_weights_is_named(old_new: tuple[str, str]) -> None:
    with pytest.raises(ModelError, match="engine_build effort"):
        parse_weights(shipped_weights().text().replace(*old_new), "w")
