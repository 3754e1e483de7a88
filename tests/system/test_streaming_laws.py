"""The laws of streaming, on the shipped networks with their whole pipeline: causal, chunk-invariant, level-proof."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.app import choose_backend, find_manifest, make_every_stage, make_pipeline, shipped_models
from edge.config.reading import load_settings
from edge.frames import AudioChunk, AUFrame
from edge.metrics.counters import Metrics
from tests.system.programs import SPEECH

RATE_HZ = 44_100
SETTINGS = load_settings({"osc": (), "json": ()}, system_file=Path("/nonexistent/au-edge.conf"))


def _speech(seconds: float) -> np.ndarray:
    sound, rate = soundfile.read(SPEECH, frames=int(seconds * RATE_HZ), dtype="float32")
    assert rate == RATE_HZ
    return sound


@pytest.fixture(scope="module", params=sorted(shipped_models()))
def model(request) -> Iterator[tuple]:
    manifest = find_manifest(request.param)
    session = choose_backend(SETTINGS, manifest).backend.open(manifest)
    yield manifest, session
    session.close()


def _frames(model: tuple, sound: np.ndarray, cuts: list[int], rate_hz: int = RATE_HZ, raw: bool = False) -> np.ndarray:
    manifest, session = model
    stages = [] if raw else make_every_stage(SETTINGS, manifest)
    session.reset()
    pipeline = make_pipeline(manifest, session, lambda: rate_hz, stages, Metrics())
    rows: list[np.ndarray] = []

    def keep(frame: AUFrame) -> None:
        rows.append(np.concatenate([frame.activations, frame.head_deg]))

    at = 0
    for n in [*cuts, len(sound)]:
        piece = sound[at : at + n]
        pipeline.process(AudioChunk(piece, at, 0.0), keep)
        at += len(piece)
    return np.array(rows)


@pytest.mark.parametrize("rate_hz", [44_100, 48_000, 16_000])
def test_how_sound_is_cut_changes_nothing(model: tuple, rate_hz: int) -> None:
    sound = _speech(2.0)[: int(1.5 * rate_hz)]
    whole = _frames(model, sound, [len(sound)], rate_hz)
    rng = np.random.default_rng(0)
    for sizes in ([256] * 400, [1] * 50 + [1470] * 60, list(rng.integers(1, 3000, 100))):
        cut = _frames(model, sound, [int(n) for n in sizes], rate_hz)
        # Cut otherwise, the resampler adds in another order: the last bit, which can turn a rounding to int8.
        np.testing.assert_allclose(cut, whole, atol=1e-6 if rate_hz == RATE_HZ else 1e-2)


def test_the_future_changes_nothing_of_the_past(model: tuple) -> None:
    sound = _speech(2.0)
    other = sound.copy()
    other[RATE_HZ:] = 0.3 * np.random.default_rng(1).standard_normal(len(sound) - RATE_HZ)
    one, two = (_frames(model, s, [len(s)]) for s in (sound, other))
    n = round(1 / model[0].frame_period_s)  # of the first second, which both have
    np.testing.assert_array_equal(one[:n], two[:n])
    assert np.abs(one[n:] - two[n:]).max() > 0.01


def test_a_reset_session_begins_anew(model: tuple) -> None:
    sound = _speech(1.0)
    first = _frames(model, sound, [len(sound)])
    _frames(model, 0.5 * np.sin(np.arange(RATE_HZ, dtype=np.float32)), [RATE_HZ])
    np.testing.assert_array_equal(_frames(model, sound, [len(sound)]), first)


def test_the_jaw_moves_with_speech_and_rests_after_it(model: tuple) -> None:
    manifest, _ = model
    sound = np.concatenate([_speech(4.0), np.zeros(RATE_HZ, np.float32)])
    jaw = _frames(model, sound, [len(sound)])[:, manifest.channels.index("jawOpen")]
    spoken_s, rest_s = 4.0, 4.2 + manifest.lookahead_ms / 1000  # at rest 200 ms after the end of speech
    assert jaw[: round(spoken_s / manifest.frame_period_s)].std() > 0.03
    assert jaw[round(rest_s / manifest.frame_period_s) :].max() <= 0.001


@pytest.mark.parametrize("level_dbfs", [-60, -50, -45])
def test_room_noise_moves_nothing(model: tuple, level_dbfs: float) -> None:
    noise = np.random.default_rng(2).standard_normal(4 * RATE_HZ).astype(np.float32) * np.float32(
        10 ** (level_dbfs / 20)
    )
    frames = _frames(model, noise, [len(noise)])[:, : model[0].n_channels]
    assert frames[round(2 / model[0].frame_period_s) :].mean() <= 0.03
