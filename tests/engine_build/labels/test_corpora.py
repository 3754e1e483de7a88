"""Corpora whose faces were stored: landmarks as differences, and another vocabulary's weights."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

from edge.errors import InputError
from engine_build.labels import facegood, stored_landmarks
from engine_build.labels.channels import CHANNELS
from engine_build.labels.landmark_points import LANDMARKS
from tests.engine_build.labels.faces import Spoken, rendered, speech_curves


def stored_corpus(folder: Path, spoken: list[Spoken], points: tuple[int, ...] = LANDMARKS, **more: object) -> None:
    deltas = []
    for one in spoken:
        absolute = np.rint(one.clip.points * 16).astype(np.int32)
        deltas.append(np.concatenate([absolute[:1], np.diff(absolute, axis=0)]).astype(np.int16))
    n_frames = [len(one.clip.points) for one in spoken]
    clips = [one.clip.name for one in spoken]
    np.savez(
        folder / "landmarks.npz",
        clips=clips,
        n_frames=n_frames,
        mediapipe_index=points,
        delta_px16=np.concatenate(deltas),
    )
    np.savez(folder / "labels.npz", fps=np.array(25.0), face_found=np.ones(sum(n_frames), dtype=bool), **more)
    (folder / "audio").mkdir()
    for clip in clips:
        (folder / "audio" / f"{clip}.flac").write_bytes(b"the command links it and does not listen")


def label(folder: Path, out: Path, *options: str) -> dict[str, np.ndarray]:
    parser = argparse.ArgumentParser()
    stored_landmarks.add_arguments(parser)
    assert stored_landmarks.run(parser.parse_args([str(folder), "--out", str(out), *options])) == 0
    with np.load(out / "labels.npz") as labels:
        return {name: labels[name] for name in labels.files}


def test_stored_landmarks_become_a_label_file(tmp_path: Path) -> None:
    spoken = [rendered(speech_curves(75, {"jawOpen": 0.5}, seed), seed, name=f"c{seed}") for seed in range(3)]
    stored_corpus(tmp_path, spoken)
    labels = label(tmp_path, tmp_path / "out", "--mask", "eye")
    assert labels["clips"].tolist() == ["c0", "c1", "c2"]
    assert all((tmp_path / "out" / "audio" / f"c{i}.flac").is_file() for i in range(3))
    jaw = CHANNELS.index("jawOpen")
    true = np.concatenate([one.activations[:, jaw] for one in spoken])
    assert np.corrcoef(true, labels["activations"][:, jaw])[0, 1] > 0.98
    eyes = [name.startswith("eye") for name in CHANNELS]
    assert (labels["confidence"][:, eyes] == 0).all()
    gaps = labels["geometry_picture"][:, 0], labels["geometry"][:, 0]
    assert np.corrcoef(*gaps)[0, 1] > 0.98  # in the picture's plane, and on the head without its tilt


def test_each_speaker_has_a_rest_and_a_range_of_his_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    peaks = {"wide": 0.6, "narrow": 0.4}
    spoken = [
        rendered(speech_curves(100, {"jawOpen": peak}, seed), seed, name=f"{who}{seed}")
        for who, peak in peaks.items()
        for seed in range(3)
    ]
    lone = rendered(speech_curves(50, {"jawOpen": 0.5}, 9), 9, name="lone")
    stored_corpus(tmp_path, [*spoken, lone], speakers=[*["wide"] * 3, *["narrow"] * 3, "lone"])
    spans = {}
    for option in ("--own-range", "--two-sided"):  # the latter keeps the default range
        labels = label(tmp_path, tmp_path / option, option)
        assert labels["speakers"].tolist() == ["wide"] * 3 + ["narrow"] * 3
        gap = labels["geometry"][:, 0].reshape(2, -1)
        spans[option] = np.percentile(gap, 95, axis=1) - np.percentile(gap, 5, axis=1)
    assert spans["--own-range"][0] > 1.25 * spans["--own-range"][1]
    assert spans["--two-sided"][0] < 1.1 * spans["--two-sided"][1]
    assert "speaker lone: 1 clip" in capsys.readouterr().out
    assert set(json.loads(str(labels["residual_mm_by_speaker"]))) == {"wide", "narrow"}


def test_a_clip_without_sound_is_left_out_and_the_rest_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spoken = [rendered(speech_curves(75, {"jawOpen": 0.5}, seed), seed, name=f"c{seed}") for seed in range(3)]
    stored_corpus(tmp_path, spoken)
    (tmp_path / "audio" / "c1.flac").unlink()
    assert label(tmp_path, tmp_path / "out")["clips"].tolist() == ["c0", "c2"]
    assert "1 clips of the speaker have no sound" in capsys.readouterr().out


def test_other_points_are_refused(tmp_path: Path) -> None:
    spoken = [rendered(speech_curves(20, {"jawOpen": 0.5}, 0), name="c")]
    stored_corpus(tmp_path, spoken, tuple(reversed(LANDMARKS)))
    with pytest.raises(InputError, match="another order"):
        stored_landmarks.read_clips(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"landmarks\.npz"):
        stored_landmarks.read_clips(tmp_path)


FACEGOOD_CHANNELS = [*sorted({channel for _, channel, _ in facegood.TABLE}), "tongue_u"]


@pytest.mark.parametrize(
    ("channel", "shape"),
    [
        ("mouth_stretch_c", "jawOpen"),
        ("mouth_funnel_dl", "mouthFunnel"),
        ("mouth_pucker_l", "mouthPucker"),
        ("mouth_oo_c", "mouthPucker"),
        ("mouth_lipCornerPull_l", "mouthSmileLeft"),
        ("mouth_lipCornerPull_l", "mouthSmileRight"),
        ("mouth_lowerLipDepress_l", "mouthLowerDownRight"),
        ("mouth_suck_dl", "mouthRollLower"),
        ("mouth_press_l", "mouthPressLeft"),
    ],
)
def test_a_facegood_channel_moves_the_shape_it_stands_for(channel: str, shape: str) -> None:
    weights = np.zeros((2, len(FACEGOOD_CHANNELS)))
    weights[1, FACEGOOD_CHANNELS.index(channel)] = 0.5
    activations = facegood.activations_of(weights, FACEGOOD_CHANNELS)
    assert (activations[0] == 0).all()
    assert activations[1, CHANNELS.index(shape)] > 0.1


def test_full_weights_stay_in_the_unit_interval() -> None:
    activations = facegood.activations_of(np.ones((1, len(FACEGOOD_CHANNELS))), FACEGOOD_CHANNELS)
    assert activations.min() >= 0
    assert activations.max() <= 1


def test_every_target_of_the_table_is_a_shape() -> None:
    for shape, _, gain in facegood.TABLE:
        assert shape in CHANNELS or {f"{shape}Left", f"{shape}Right"} <= set(CHANNELS), shape
        assert gain > 0


def test_another_label_file_is_refused() -> None:
    with pytest.raises(InputError, match="mouth_stretch_c"):
        facegood.activations_of(np.zeros((1, 1)), ["jawOpen"])


def test_the_facegood_file_has_no_head_and_no_measurement(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    weights = random.uniform(0, 0.5, (50, len(FACEGOOD_CHANNELS)))
    np.savez(
        tmp_path / "labels.npz",
        clips=["a", "b"],
        n_frames=[20, 30],
        fps=30,
        channel_names=FACEGOOD_CHANNELS,
        weights=weights,
    )
    assert facegood.main([str(tmp_path), "--out", str(tmp_path / "out.npz")]) == 0
    with np.load(tmp_path / "out.npz") as labels:
        assert "head_deg" not in labels.files
        assert np.isnan(labels["geometry"]).all()
        assert np.isfinite(labels["geometry_face"]).all()
        assert labels["confidence"][CHANNELS.index("mouthClose")] == 0
        assert labels["confidence"][CHANNELS.index("jawOpen")] > 0
