"""A picture that is late by a known time is found to be so much later than its sound, and is moved."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from engine_build.labels import stored_landmarks
from engine_build.labels.channels import CHANNELS
from engine_build.labels.fit import LandmarkClip
from engine_build.labels.gap_from_sound import speech_bands
from engine_build.labels.sound_lag import SoundLag, in_time, measure_lag, moved_earlier
from tests.engine_build.labels.faces import FPS, Spoken, rendered, speech_curves
from tests.engine_build.labels.test_corpora import label, stored_corpus

RATE_HZ = 16_000
JAW = CHANNELS.index("jawOpen")
SPOKEN = [rendered(speech_curves(100, {"jawOpen": 0.5}, seed), seed, name=f"c{seed}") for seed in range(5)]


def voice_of(spoken: Spoken, late_ms: float) -> NDArray[np.float32]:
    """Return a voice whose loudness is the jaw, so much later than the face."""
    times = np.arange(round(len(spoken.activations) / FPS * RATE_HZ)) / RATE_HZ
    jaw = np.interp((times - late_ms / 1000) * FPS, np.arange(len(spoken.activations)), spoken.activations[:, JAW])
    buzz = sum(np.sin(2 * np.pi * 130 * k * times) / k for k in range(1, 30))
    hiss = 1e-3 * np.random.default_rng(0).standard_normal(len(times))
    return np.asarray(0.2 * jaw * buzz + hiss, dtype=np.float32)


def measured(sound_late_ms: float) -> SoundLag:
    bands = [speech_bands(voice_of(one, sound_late_ms), RATE_HZ) for one in SPOKEN]
    return measure_lag([one.clip for one in SPOKEN], bands)


def test_a_shifted_speaker_is_measured_as_shifted() -> None:
    together = measured(0.0)
    assert together.correlation > 0.6
    for late_ms in (-90.0, 70.0):
        shifted = measured(late_ms)
        assert shifted.lag_ms - together.lag_ms == pytest.approx(-late_ms, abs=12.0)  # labels have 40 ms
        assert shifted.error_ms < 10.0
        assert shifted.is_off


def test_what_is_not_sure_or_hardly_off_is_left_alone() -> None:
    assert not SoundLag(9.0, 1.0, 0.8).is_off
    assert not SoundLag(30.0, 16.0, 0.8).is_off
    assert not SoundLag(60.0, 1.0, 0.2).is_off
    clips = [one.clip for one in SPOKEN]
    same, lag = in_time(clips, SoundLag(9.0, 1.0, 0.8))
    assert all(one is other for one, other in zip(same, clips, strict=True))
    assert not lag.is_corrected


def test_a_clip_is_moved_by_parts_of_a_frame_and_lacks_what_it_never_had() -> None:
    points = np.arange(20, dtype=float)[:, None, None] * np.ones((1, 2, 3))
    found = np.ones(20, dtype=bool)
    found[10] = False
    moved = moved_earlier(LandmarkClip("c", points, found, 25.0), 60.0)  # a frame and a half
    assert moved.points[4, 0, 0] == pytest.approx(5.5)
    assert np.flatnonzero(~moved.is_found).tolist() == [8, 9, 18, 19]
    assert moved_earlier(LandmarkClip("c", points, found, 25.0), -40.0).points[5, 1, 2] == pytest.approx(4.0)


def test_the_command_moves_a_late_picture_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored_corpus(tmp_path, SPOKEN)
    for one in SPOKEN:
        soundfile.write(tmp_path / "audio" / f"{one.clip.name}.flac", voice_of(one, -90.0), RATE_HZ)
    moved, kept = (label(tmp_path, tmp_path / f"out{option}", *option) for option in ((), ("--own-time",)))
    told = json.loads(str(moved["sound_lag"]))[tmp_path.name]
    assert told["is_corrected"]
    assert json.loads(str(kept["sound_lag"])) == {}
    said = capsys.readouterr().out
    assert "picture against sound +" in said
    assert "taken away" in said
    n_frames, jaw = 100, moved["activations"][:, JAW]
    true = np.concatenate([one.activations[:, JAW] for one in SPOKEN])
    times = np.concatenate([k * n_frames + np.clip(np.arange(n_frames) + told["lag_ms"] / 40, 0, 99) for k in range(5)])
    valid = moved["valid"]
    assert np.corrcoef(jaw[valid], np.interp(times, np.arange(len(true)), true)[valid])[0, 1] > 0.98
    assert np.corrcoef(kept["activations"][:, JAW], true)[0, 1] > 0.98


def test_sound_that_cannot_be_read_costs_the_timing_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored_corpus(tmp_path, SPOKEN[:2])
    parser = argparse.ArgumentParser()
    stored_landmarks.add_arguments(parser)
    assert stored_landmarks.run(parser.parse_args([str(tmp_path), "--out", str(tmp_path / "out")])) == 0
    assert "sound against picture is not measured" in capsys.readouterr().out
