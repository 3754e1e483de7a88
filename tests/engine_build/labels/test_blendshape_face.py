"""Laws of the blendshape face: size, sides, and that each shape does on the mesh what its name says."""

from __future__ import annotations

import numpy as np
import pytest

from engine_build.labels.blendshape_face import FACE_FILE, blendshape_face
from engine_build.labels.channels import CHANNELS
from engine_build.labels.geometry import eye_distance_mm, face_geometry, face_geometry_mm
from engine_build.labels.landmark_points import LIP_RINGS
from engine_build.labels.observation import UNSEEN, observation_of

GAP, WIDTH, CHIN = range(3)


def face_with(**shapes: float) -> np.ndarray:
    activations = np.zeros((1, len(CHANNELS)))
    for name, value in shapes.items():
        pair = [name] if name in CHANNELS else [f"{name}Left", f"{name}Right"]
        activations[0, [CHANNELS.index(channel) for channel in pair]] = value
    return face_geometry_mm(activations)[0]


def test_every_shape_moves_the_mesh() -> None:
    assert blendshape_face().offsets_mm.shape[0] == 52
    moved = np.abs(blendshape_face().offsets_mm).max(axis=(1, 2))
    assert (moved > 1.0).all(), [CHANNELS[i] for i in np.flatnonzero(moved <= 1.0)]


@pytest.mark.parametrize(
    ("measured", "low", "high"),
    [
        # Adults, both sexes (Farkas, Anthropometry of the Head and Face, 1994; two standard deviations to either side):
        (eye_distance_mm(), 78.0, 100.0),  # outer corner to outer corner
        (face_with()[WIDTH], 43.0, 61.0),  # mouth at rest
    ],
    ids=["eyes", "mouth"],
)
def test_the_head_has_natural_size(measured: float, low: float, high: float) -> None:
    assert low < measured < high


def test_landmarks_of_left_and_right_shapes_mirror_each_other() -> None:
    face = blendshape_face()
    neutral, offsets = face.landmark_neutral(), face.landmark_offsets()
    distance = np.linalg.norm(neutral[:, None] * [-1, 1, 1] - neutral[None], axis=2)
    twin, error = distance.argmin(axis=1), distance.min(axis=1)
    clear = error < 0.7  # points that have a twin on the other side, to within the mesh's own symmetry
    assert clear.mean() > 0.8
    for index, name in enumerate(CHANNELS):
        if name.endswith("Left") and "Look" not in name:
            other = CHANNELS.index(name[:-4] + "Right")
            mirrored = offsets[other][twin] * [-1, 1, 1]
            # the source's own smile differs by 6 % between the sides, on 19 mm
            np.testing.assert_allclose(offsets[index][clear], mirrored[clear], atol=1.3, err_msg=name)


def test_lip_rings_lie_around_each_other() -> None:
    face = blendshape_face()
    neutral = face.landmark_neutral()
    heights = [
        neutral[face.rows((upper[5],))[0], 1] - neutral[face.rows((lower[5],))[0], 1] for upper, lower in LIP_RINGS
    ]
    assert heights == sorted(heights, reverse=True)
    assert heights[-1] < 0.5  # the lips of the face at rest are together


@pytest.mark.parametrize(
    ("shapes", "part", "least_mm"),
    [
        ({"jawOpen": 0.5}, GAP, 12.0),
        ({"jawOpen": 0.5}, CHIN, 8.0),
        ({"mouthLowerDown": 1.0}, GAP, 3.0),
        ({"mouthUpperUp": 1.0}, GAP, 3.0),
        ({"mouthFunnel": 1.0}, GAP, 5.0),
        ({"mouthStretch": 1.0}, WIDTH, 4.0),
        ({"mouthSmile": 1.0}, WIDTH, 4.0),
        ({"mouthPucker": 1.0}, WIDTH, -3.0),
        ({"mouthFunnel": 1.0}, WIDTH, -3.0),
    ],
    ids=lambda value: str(value),
)
def test_a_shape_moves_what_it_is_named_for(shapes: dict[str, float], part: int, least_mm: float) -> None:
    change = float((face_with(**shapes) - face_with())[part])
    assert change > least_mm if least_mm > 0 else change < least_mm


@pytest.mark.parametrize("jaw", [0.2, 0.5, 1.0])
def test_mouth_close_takes_back_the_gap_of_an_equally_open_jaw(jaw: float) -> None:
    assert face_with(jawOpen=jaw)[GAP] > 5.0
    assert face_with(jawOpen=jaw, mouthClose=jaw)[GAP] < 2.0  # of 35 mm at jaw 1: the source's own remainder


@pytest.mark.parametrize("shape", ["mouthPress", "mouthRollLower", "mouthRollUpper", "mouthPucker", "mouthClose"])
def test_lips_pressed_together_are_closed_and_never_less(shape: str) -> None:
    assert 0.0 <= face_with(**{shape: 0.5})[GAP] < 1.5


def test_gap_and_chin_grow_evenly_with_the_jaw() -> None:
    values = np.linspace(0.05, 1.0, 20)
    activations = np.zeros((len(values), len(CHANNELS)))
    activations[:, CHANNELS.index("jawOpen")] = values
    geometry = face_geometry(activations)
    assert np.corrcoef(values, geometry[:, GAP])[0, 1] > 0.9999
    assert np.corrcoef(values, geometry[:, CHIN])[0, 1] > 0.99


def test_the_fit_does_not_guess_what_no_landmark_shows() -> None:
    design = observation_of(blendshape_face()).design
    informed = {name for name, column in zip(CHANNELS, design.T, strict=True) if np.abs(column).max() > 0}
    assert set(CHANNELS) - informed == set(UNSEEN) == {"tongueOut", "cheekPuff"}


def test_the_file_is_small_and_carries_its_licence() -> None:
    assert FACE_FILE.stat().st_size < 1_500_000
    with np.load(FACE_FILE) as data:
        assert "CC0" in str(data["licence"])
    assert "CC0" in FACE_FILE.with_name("face.LICENSE.txt").read_text()
