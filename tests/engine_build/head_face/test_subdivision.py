"""Refinement keeps to the published rules: known points of a cube, weights that sum to one, no cracks."""

from __future__ import annotations

import numpy as np
import pytest

from engine_build.head_face.subdivision import Face, refine, triangulate

CUBE = np.array([[x, y, z] for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)])
CUBE_FACES: list[Face] = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]


def edge_counts(faces: list[Face]) -> dict[tuple[int, int], int]:
    counts: dict[tuple[int, int], int] = {}
    for face in faces:
        for a, b in zip(face, face[1:] + face[:1], strict=True):
            counts[min(a, b), max(a, b)] = counts.get((min(a, b), max(a, b)), 0) + 1
    return counts


def test_a_cube_gets_the_points_of_the_paper() -> None:
    matrix, faces = refine(CUBE_FACES, 8, np.ones(6, bool))
    points = matrix @ CUBE
    assert len(faces) == 24
    assert len(points) == 8 + 6 + 12
    # corner: (mean of faces + 2 mean of edges + (3 - 3) corner) / 3 = 5/9; face middle: 1; edge: (0, 3/4, 3/4)
    assert np.abs(points[:8]) == pytest.approx(np.full((8, 3), 5 / 9))
    assert np.sort(np.abs(points[8:14]), axis=1) == pytest.approx(np.tile([0.0, 0.0, 1.0], (6, 1)))
    assert np.sort(np.abs(points[14:]), axis=1) == pytest.approx(np.tile([0.0, 0.75, 0.75], (12, 1)))


@pytest.mark.parametrize("mask", [[1, 1, 1, 1, 1, 1], [1, 0, 0, 0, 0, 0], [1, 0, 1, 0, 1, 0], [0, 0, 0, 0, 0, 0]])
def test_a_partly_refined_surface_has_no_crack_and_moves_with_its_points(mask: list[int]) -> None:
    matrix, faces = refine(CUBE_FACES, 8, np.array(mask, bool))
    assert np.asarray(matrix.sum(axis=1)).ravel() == pytest.approx(np.ones(matrix.shape[0]))
    assert set(edge_counts(faces).values()) == {2}
    assert set(edge_counts([tuple(t) for t in triangulate(faces).tolist()]).values()) == {2}


def test_a_sphere_like_surface_converges_to_one_smooth_limit() -> None:
    points, faces = CUBE, CUBE_FACES
    areas = []
    for _ in range(4):
        matrix, faces = refine(faces, len(points), np.ones(len(faces), bool))
        points = matrix @ points
        a, b, c = (points[triangulate(faces)[:, i]] for i in range(3))
        areas.append(0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1).sum())
    steps = np.abs(np.diff(areas))
    assert np.all(steps[1:] < 0.5 * steps[:-1])
