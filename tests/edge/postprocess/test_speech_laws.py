"""The laws of silence on the shipped recording: at rest within 200 ms, nothing cut, no word begun late.

The recording is clean, so its plain level says where speech is. What follows it here is what follows it in a room:
breath 32 dB below the voice, then silence.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.app import choose_backend, find_manifest, make_every_stage, make_pipeline, shipped_speech
from edge.config.reading import load_settings
from edge.config.settings import SilenceSettings
from edge.frames import AudioChunk, AUFrame, State
from edge.metrics.counters import Metrics
from edge.postprocess.silence import SilenceGate
from tests.edge.postprocess.sounds import RATE_HZ, at_level, band_noise

BREATH_BELOW_DB = 32.0
SPEECH_DBFS = -18.0  # median of the recording's loud parts
LEAD_S, SPEECH_S, BREATH_S, SILENCE_S = 1.0, 5.0, 0.8, 1.0
REST_S = 0.2
AWAKE_S = 1 / 30
RESTING = 0.05  # of a mouth channel: nobody sees less


def _speech() -> np.ndarray:
    """Return the recording from its first sound, cut where a phrase is loud, so that the end is known to the sample."""
    sound, rate_hz = soundfile.read(shipped_speech(), dtype="float32")
    assert rate_hz == RATE_HZ
    loud = np.flatnonzero(np.abs(sound) > 0.03)
    return sound[loud[0] : loud[0] + int(SPEECH_S * RATE_HZ)]


def _scene(gain_db: float, floor_dbfs: float | None) -> tuple[np.ndarray, float, float]:
    """Return a room, speech, breath, silence; and when the speech begins and ends."""
    n_breath = int(BREATH_S * RATE_HZ)
    swell = np.hanning(n_breath).astype(np.float32) ** 0.5
    breath = swell * band_noise(SPEECH_DBFS - BREATH_BELOW_DB, n_breath, seed=1, band_hz=(300, 4000))
    lead = np.zeros(int(LEAD_S * RATE_HZ), np.float32)
    silence = np.zeros(int(SILENCE_S * RATE_HZ), np.float32)
    sound = np.concatenate([lead, _speech(), breath, silence]) * np.float32(10 ** (gain_db / 20))
    if floor_dbfs is not None:
        sound += at_level(np.random.default_rng(2).standard_normal(len(sound)), floor_dbfs)
    return sound, LEAD_S, LEAD_S + SPEECH_S


def _gate_on(sound: np.ndarray, rate_hz: int) -> tuple[np.ndarray, np.ndarray]:
    """Return when each frame ends, and how far it is awake, at a rate of frames."""
    n = RATE_HZ // rate_hz
    gate = SilenceGate(SilenceSettings(), 1 / rate_hz, RATE_HZ)
    pieces = np.split(sound[: len(sound) // n * n], len(sound) // n)
    awake = []
    for piece in pieces:
        frame = AUFrame.neutral(1)
        frame.activations[:] = 1
        gate.apply(frame, piece)
        awake.append(float(frame.activations[0]))
    return (np.arange(len(pieces)) + 1) / rate_hz, np.array(awake)


SCENES = [(gain, floor, 30) for gain in (0.0, -10.0, -20.0) for floor in (None, -60.0, -55.0)]
SCENES += [(0.0, None, 60), (-10.0, -55.0, 60), (-20.0, -60.0, 60)]


@pytest.mark.parametrize(("gain_db", "floor_dbfs", "rate_hz"), SCENES)
def test_after_loud_or_quiet_speech_breath_and_silence_find_the_face_at_rest(
    gain_db: float, floor_dbfs: float | None, rate_hz: int
) -> None:
    sound, _, end_s = _scene(gain_db, floor_dbfs)
    time_s, awake = _gate_on(sound, rate_hz)
    assert awake[time_s > end_s + REST_S].max() <= 0.001


@pytest.mark.parametrize(("gain_db", "floor_dbfs", "rate_hz"), SCENES)
def test_hardly_a_frame_of_speech_is_cut(gain_db: float, floor_dbfs: float | None, rate_hz: int) -> None:
    sound, begin_s, end_s = _scene(gain_db, floor_dbfs)
    time_s, awake = _gate_on(sound, rate_hz)
    clean, _, _ = _scene(0.0, None)
    n = RATE_HZ // rate_hz
    power = np.mean(clean[: len(time_s) * n].reshape(-1, n) ** 2, axis=1)
    is_heard = 10 * np.log10(power + 1e-12) > SPEECH_DBFS - 30.0  # without the pauses between phrases
    spoken = is_heard & (time_s > begin_s + 1 / rate_hz) & (time_s < end_s)
    assert spoken.mean() > 0.5
    is_clear = floor_dbfs is None or SPEECH_DBFS + gain_db - floor_dbfs > 20.0  # below it weak sounds drown
    assert np.mean(awake[spoken] < 0.5) < (0.02 if is_clear else 0.03)


@pytest.mark.parametrize(("gain_db", "floor_dbfs", "rate_hz"), SCENES)
def test_a_phrase_is_awake_after_a_30th_of_a_second(gain_db: float, floor_dbfs: float | None, rate_hz: int) -> None:
    sound, begin_s, _ = _scene(gain_db, floor_dbfs)
    time_s, awake = _gate_on(sound, rate_hz)
    assert awake[time_s < begin_s].max() == 0.0
    assert awake[time_s > begin_s + AWAKE_S - 1e-6][0] >= 0.5


def test_the_mouth_of_the_shipped_network_rests_within_200_ms() -> None:
    settings = load_settings({"osc": (), "json": ()}, system_file=Path("/nonexistent/au-edge.conf"))
    manifest = find_manifest("stream")
    session = choose_backend(settings, manifest).backend.open(manifest)
    mouth = [i for i, name in enumerate(manifest.channels) if name.startswith(("mouth", "jaw"))]
    sound, begin_s, end_s = _scene(0.0, None)
    rows: list[tuple[float, float, State]] = []

    def keep(frame: AUFrame) -> None:
        rows.append((frame.end_sample_index / RATE_HZ, float(frame.activations[mouth].max()), frame.state))

    pipeline = make_pipeline(manifest, session, lambda: RATE_HZ, make_every_stage(settings, manifest), Metrics())
    try:
        pipeline.process(AudioChunk(sound, 0, 0.0), keep)
    finally:
        pipeline.close()
    assert max(mouth for time_s, mouth, _ in rows if begin_s < time_s < end_s) > 4 * RESTING
    assert max(mouth for time_s, mouth, _ in rows if time_s > end_s + REST_S) < RESTING
    assert {state for time_s, _, state in rows if time_s > end_s + REST_S} == {State.SILENCE}
