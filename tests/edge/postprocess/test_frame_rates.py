"""A face is the same at 30 and at 60 frames a second: every second frame of the one is a frame of the other, nearly."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from edge.app import find_manifest, make_stages
from edge.config.reading import load_settings
from edge.config.settings import LifeSettings, SmoothingSettings
from edge.frames import AUFrame, State
from edge.postprocess.life import Life
from edge.postprocess.smoothing import Smoothing
from edge.vocabulary import ARKIT_APPLE
from tests.edge.postprocess.sounds import RATE_HZ
from tests.edge.postprocess.test_speech_laws import _scene

NO_SOUND = np.zeros(0, np.float32)
SLOW_S = 1 / 30
OPTIONS = ("expression.mood=happy", "expression.amount=0.8", "effort.amount=1")  # life has its own law below


class Shown(NamedTuple):
    """What was shown at each frame."""

    activations: np.ndarray
    head_deg: np.ndarray
    state: np.ndarray
    level_dbfs: np.ndarray
    efforts: np.ndarray


def network_says(time_s: float, n_channels: int) -> np.ndarray:
    """Return a face that moves smoothly, each channel at its own speed up to 3 Hz."""
    channel = np.arange(n_channels)
    return (0.25 + 0.25 * np.sin(2 * np.pi * (0.3 + 0.07 * (channel % 40)) * time_s + channel)).astype(np.float32)


@lru_cache
def shown(rate_hz: int) -> Shown:
    """Return a scene of room, speech, breath and silence through every stage of the program."""
    sound, _, _ = _scene(0.0, -60.0)
    manifest = dataclasses.replace(find_manifest("stream"), frame_rate=Fraction(rate_hz))
    settings = load_settings({"osc": (), "json": ()}, None, OPTIONS, Path("/nonexistent/au-edge.conf"))
    with_sound, last = make_stages(settings, manifest)
    effort = next(stage.effort for stage in with_sound if hasattr(stage, "effort"))
    frame, n = AUFrame.neutral(manifest.n_channels), RATE_HZ // rate_hz
    rows = []
    for i in range(len(sound) // n):
        time_s = frame.capture_time_s = (i + 1) / rate_hz
        frame.activations[:] = network_says(time_s, manifest.n_channels)
        frame.head_deg[:] = 10 * np.sin(time_s * np.arange(1, 4))
        frame.state = State.LIVE
        for stage in (*with_sound, *last):
            stage.apply(frame, sound[i * n : (i + 1) * n])
        efforts = effort.effort, effort.tension, effort.subdued
        rows.append((frame.activations.copy(), frame.head_deg.copy(), frame.state, frame.level_dbfs, efforts))
    return Shown(*(np.array(column) for column in zip(*rows, strict=True)))


def both() -> tuple[Shown, Shown]:
    """Return what 30 frames a second show, and what 60 show at the same times."""
    slow, fast = shown(30), shown(60)
    n = min(len(slow.state), len(fast.state) // 2)
    return Shown(*(column[:n] for column in slow)), Shown(*(column[1::2][:n] for column in fast))


def test_level_and_state_of_the_sound_are_the_same() -> None:
    slow, fast = both()
    assert np.abs(slow.level_dbfs - fast.level_dbfs)[1:].max() < 0.01
    assert np.mean(slow.state != fast.state) < 0.02  # one pause of a frame between words may be seen by one alone
    wakes, rests = (
        [np.flatnonzero(one.state == State.LIVE)[which] for one in (slow, fast)] for which in (0, -1)
    )  # fmt: skip
    assert abs(wakes[0] - wakes[1]) <= 1
    assert abs(rests[0] - rests[1]) <= 1


def test_the_face_is_the_same_but_for_the_moment_in_which_it_wakes_or_rests() -> None:
    slow, fast = both()
    difference = np.abs(slow.activations - fast.activations)
    assert difference.mean() < 0.006
    differs = np.convolve(slow.state != fast.state, np.ones(13), "same") > 0
    moves = np.convolve(np.abs(np.diff(slow.state, prepend=1)), np.ones(9), "same") > 0
    still = ~(differs | moves)
    assert still.mean() > 0.5
    assert np.quantile(difference[still], 0.999) < 0.08
    assert np.abs(slow.head_deg - fast.head_deg)[still].mean() < 0.15


def test_effort_is_heard_alike() -> None:
    slow, fast = both()
    assert np.abs(slow.efforts - fast.efforts).mean() < 0.03
    assert np.abs(slow.efforts - fast.efforts).max() < 0.15


@pytest.mark.parametrize("rate_hz", [60, 120])
def test_smoothing_delays_a_fast_lip_by_the_same_time(rate_hz: int) -> None:
    def smoothed(rate_hz: int) -> np.ndarray:
        smoothing = Smoothing(SmoothingSettings(), ["jawOpen"], 1 / rate_hz)
        got = []
        for i in range(10 * rate_hz):
            frame = AUFrame.neutral(1)
            frame.activations[0] = 0.5 - 0.5 * np.cos(2 * np.pi * 3 * (i + 1) / rate_hz)
            smoothing.apply(frame, NO_SOUND)
            got.append(frame.activations[0])
        return np.array(got)

    step = rate_hz // 30
    assert np.abs(smoothed(30) - smoothed(rate_hz)[step - 1 :: step])[30:].max() < 0.05


@pytest.mark.parametrize("state", [State.LIVE, State.SILENCE])
def test_life_blinks_and_looks_at_the_same_times(state: State) -> None:
    settings = LifeSettings(enabled=True, blink=1.0, saccade_deg=2.0, breath_deg=0.4, sway_deg=1.5)

    def lived(rate_hz: int) -> tuple[np.ndarray, np.ndarray]:
        life, faces, heads = Life(settings, ARKIT_APPLE, 4), [], []
        for i in range(90 * rate_hz + 1):
            frame = AUFrame.neutral(52)
            frame.state = state
            life.apply(frame, i / rate_hz)
            faces.append(frame.activations)
            heads.append(frame.head_deg)
        return np.array(faces), np.array(heads)

    (slow, slow_head), (fast, fast_head) = lived(30), lived(60)
    assert slow.max() == 1.0
    np.testing.assert_allclose(fast[::2], slow, atol=1e-4)
    np.testing.assert_allclose(fast_head[::2], slow_head, atol=0.02)
