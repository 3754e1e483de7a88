"""Corpora whose faces were stored: landmarks as differences, and another vocabulary's weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.errors import EXIT_INPUT, InputError
from engine_build.labels import facegood, stored_landmarks
from engine_build.labels.channels import CHANNELS
from engine_build.labels.landmark_points import LANDMARKS
from tests.engine_build.labels.faces import Spoken, rendered, speech_curves


def stored_corpus(folder: Path, spoken: list[Spoken], points: tuple[int, ...] = LANDMARKS) -> None:
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
    np.savez(folder / "labels.npz", fps=np.array(25.0), face_found=np.ones(sum(n_frames), dtype=bool))


def test_stored_landmarks_become_a_label_file(tmp_path: Path) -> None:
    spoken = [rendered(speech_curves(75, {"jawOpen": 0.5}, seed), seed, name=f"c{seed}") for seed in range(3)]
    stored_corpus(tmp_path, spoken)
    out = tmp_path / "out.npz"
    assert stored_landmarks.main([str(tmp_path), "--out", str(out), "--mask", "eye"]) == 0
    with np.load(out) as labels:
        assert labels["clips"].tolist() == ["c0", "c1", "c2"]
        jaw = CHANNELS.index("jawOpen")
        true = np.concatenate([one.activations[:, jaw] for one in spoken])
        assert np.corrcoef(true, labels["activations"][:, jaw])[0, 1] > 0.98
        eyes = [name.startswith("eye") for name in CHANNELS]
        assert (labels["confidence"][eyes] == 0).all()
        gaps = labels["geometry_picture"][:, 0], labels["geometry"][:, 0]
        assert np.corrcoef(*gaps)[0, 1] > 0.98  # in the picture's plane, and on the head without its tilt


def test_other_points_are_refused(tmp_path: Path) -> None:
    spoken = [rendered(speech_curves(20, {"jawOpen": 0.5}, 0), name="c")]
    stored_corpus(tmp_path, spoken, tuple(reversed(LANDMARKS)))
    with pytest.raises(InputError, match="another order"):
        stored_landmarks.read_clips(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert stored_landmarks.main([str(tmp_path), "--out", str(tmp_path / "o.npz")]) == EXIT_INPUT
    assert "landmarks.npz" in capsys.readouterr().err


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
