"""The judge of the affect benchmark: what is seen counts, what nobody would see does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine_build.effort.corpus import LEVELS, ActedClip
from engine_build.effort.sessions import Mark
from tests.benchmarks.affect import judged, utterance_rows
from tests.requirements import need_module

CHANNELS = ("browInnerUp", "browDownLeft", "browDownRight", "jawOpen")
ACTED = ("angry", "happy", "neutral", "sad")


def acted(move: float) -> dict[str, object]:
    """Figures of faces whose brows are lifted by `move` where a voice is raised, beside what differs by chance."""
    random, rows, marks = np.random.default_rng(0), [], []
    for speaker in range(6):
        for i in range(24):
            name = ACTED[i % 4]
            values = np.full(3 * len(CHANNELS) + 9, 0.2) + 0.01 * speaker
            values[[0, 4]] += move * (LEVELS[name] > 0) + 0.2 * move * random.standard_normal()
            rows.append(values)
            strength = 1.0 if i % 8 < 4 else 0.67
            clip = ActedClip(Path("x"), str(speaker), name, LEVELS[name], strength, None)
            marks.append(Mark(clip, 0.0, 1.0))
    return judged(np.array(rows), marks, CHANNELS)


def test_a_move_that_is_seen_is_found_and_one_below_the_blur_is_not() -> None:
    need_module("sklearn", "scikit-learn")
    assert acted(0.3)["aroused_uar"] > 0.95
    assert acted(0.001)["aroused_uar"] < 0.65  # without the blur it would be as sure
    assert acted(0.3)["strong_against_normal_auc"] < 0.65  # strength moved nothing
    assert acted(0.3)["brow_inner_up_angry_less_neutral"] > 0.25


def test_only_the_speaking_frames_of_a_sentence_count() -> None:
    clip = ActedClip(Path("x"), "a", "neutral", 0, 0.67, None)
    times_s = np.arange(1, 61) / 30
    state = np.where(times_s <= 0.5, "silence", "live")
    values = np.where(state == "live", 0.4, 0.0)[:, None].repeat(len(CHANNELS), axis=1)
    found = {"time_s": times_s, "activations": values, "head_deg": np.zeros((60, 3)), "state": state}
    rows = utterance_rows([Mark(clip, 0.0, 1.0), Mark(clip, 0.3, 0.6)], found)
    assert len(rows) == 1
    assert np.allclose(rows[0][1][: 2 * len(CHANNELS)], 0.4)
