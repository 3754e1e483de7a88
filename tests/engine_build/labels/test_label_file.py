"""Label files: complete or absent, and what is averaged or masked keeps what a viewer sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine_build.labels import label_file
from engine_build.labels.channels import CHANNELS
from engine_build.labels.fit import Labels, fit_clips
from engine_build.labels.geometry import eye_distance_mm
from engine_build.labels.label_file import joined, masked, symmetrised, write_labels
from tests.engine_build.labels.faces import rendered, speech_curves


@pytest.fixture(scope="module")
def labels() -> Labels:
    activations = speech_curves(75, {"jawOpen": 0.5, "mouthSmileLeft": 0.6, "mouthUpperUpRight": 0.5}, seed=1)
    return fit_clips([rendered(activations, name="one").clip])


def test_a_file_holds_what_was_labelled(labels: Labels, tmp_path: Path) -> None:
    write_labels(tmp_path / "new" / "labels.npz", labels, {"more": np.arange(3)})
    with np.load(tmp_path / "new" / "labels.npz") as stored:
        assert tuple(stored["channels"]) == CHANNELS
        assert int(stored["n_frames"].sum()) == len(stored["activations"]) == len(stored["valid"]) == 75
        assert stored["head_deg"].shape == stored["geometry"].shape == stored["geometry_face"].shape == (75, 3)
        assert stored["confidence"].shape == (52,)
        assert stored["more"].tolist() == [0, 1, 2]
        np.testing.assert_array_equal(stored["activations"], labels.activations)


def test_a_full_disk_leaves_the_file_of_before(labels: Labels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "labels.npz"
    write_labels(path, labels)
    before = path.read_bytes()

    def full(part: Path, **_: object) -> None:
        part.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(label_file.np, "savez_compressed", full)
    with pytest.raises(OSError, match="No space"):
        write_labels(path, labels)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_averaging_the_sides_keeps_lips_and_chin(labels: Labels) -> None:
    even = symmetrised(labels)
    for index, name in enumerate(CHANNELS):
        if name.startswith("mouth") and name.endswith("Left") and name != "mouthLeft":
            other = CHANNELS.index(name[:-4] + "Right")
            np.testing.assert_array_equal(even.activations[:, index], even.activations[:, other])
    assert (even.activations[:, CHANNELS.index("jawLeft")] == 0).all()
    # the two smiles of the source differ by 6 %, and distances bend where corners move up on one side only
    change_mm = np.abs(even.geometry_face - labels.geometry_face) * eye_distance_mm()
    assert change_mm.mean() < 0.5


def test_a_mask_takes_confidence_from_the_named_channels_only(labels: Labels) -> None:
    without = masked(labels, ("mouthSmile",))
    for index, name in enumerate(CHANNELS):
        expected = 0.0 if name.startswith("mouthSmile") else labels.confidence[index]
        assert without.confidence[index] == expected


def test_speakers_are_put_one_after_the_other(labels: Labels) -> None:
    both = joined([labels, labels])
    assert both.clips == ("one", "one")
    assert len(both.activations) == 150
    np.testing.assert_allclose(both.confidence, labels.confidence, atol=1e-6)
    assert both.residual.lips_mm == pytest.approx(labels.residual.lips_mm)
