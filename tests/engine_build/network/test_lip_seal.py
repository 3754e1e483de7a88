"""The seal closes lips that are nearly closed, on the face that they are measured on, and touches nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from tests.requirements import need_module

torch = need_module("torch")

from engine_build.labels.channels import CHANNELS  # noqa: E402
from engine_build.labels.geometry import face_geometry_mm  # noqa: E402
from engine_build.network.lip_seal import FULL_TO_MM, GONE_AT_MM, MET_MM, LipSeal  # noqa: E402

SEAL_MM = 1.3


def spoken_faces(n_faces: int = 400) -> np.ndarray:
    """Mouths from closed to wide open, with what usually moves beside the jaw."""
    rng = np.random.default_rng(3)
    faces = np.zeros((n_faces, len(CHANNELS)), np.float32)
    for name, most in (("jawOpen", 0.5), ("mouthUpperUpLeft", 0.3), ("mouthPucker", 0.5), ("mouthRollUpper", 0.2)):
        faces[:, CHANNELS.index(name)] = rng.uniform(0.0, most, n_faces)
    return faces


def gap_mm(faces: np.ndarray) -> np.ndarray:
    return face_geometry_mm(faces)[:, 0]


def test_small_gaps_close_by_the_seal_and_not_past_it() -> None:
    faces = spoken_faces()
    before, after = gap_mm(faces), gap_mm(LipSeal(CHANNELS, SEAL_MM)(torch.from_numpy(faces)).numpy())
    small = (before > MET_MM + SEAL_MM) & (before < FULL_TO_MM)
    assert small.sum() > 10
    np.testing.assert_allclose(before[small] - after[small], SEAL_MM, atol=0.05)
    nearly = (before > MET_MM) & (before < MET_MM + SEAL_MM)
    assert nearly.sum() > 5
    np.testing.assert_allclose(after[nearly], MET_MM, atol=0.05)


def test_open_and_closed_mouths_stay_as_they_are() -> None:
    faces = spoken_faces()
    sealed = LipSeal(CHANNELS, SEAL_MM)(torch.from_numpy(faces)).numpy()
    before = gap_mm(faces)
    untouched = (before > GONE_AT_MM + 0.1) | (before < MET_MM - 0.1)
    assert untouched.sum() > 20
    np.testing.assert_array_equal(sealed[untouched], faces[untouched])
    rest = torch.zeros(1, len(CHANNELS))
    assert torch.equal(LipSeal(CHANNELS, SEAL_MM)(rest), rest)


def test_a_wider_mouth_stays_the_wider_one() -> None:
    jaw = np.zeros((300, len(CHANNELS)), np.float32)
    jaw[:, CHANNELS.index("jawOpen")] = np.linspace(0.0, 0.6, 300)
    after = gap_mm(LipSeal(CHANNELS, SEAL_MM)(torch.from_numpy(jaw)).numpy())
    assert (np.diff(after) > -1e-4).all()


def test_only_mouth_close_moves() -> None:
    faces = spoken_faces()
    sealed = LipSeal(CHANNELS, SEAL_MM)(torch.from_numpy(faces)).numpy()
    moved = [name for i, name in enumerate(CHANNELS) if not np.array_equal(sealed[:, i], faces[:, i])]
    assert moved == ["mouthClose"]


def test_channels_without_mouth_close_are_refused() -> None:
    with pytest.raises(ValueError, match="mouthClose"):
        LipSeal(("jawOpen",), SEAL_MM)
