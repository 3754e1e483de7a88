"""Refine part of a mesh by the rules of Catmull and Clark, as one sparse matrix.

The rules are linear, so the same matrix refines positions, displacements and every painted attribute. Faces outside the
refined part stay as they are and take up the new points on their edges, so that no crack opens.

Source: E. Catmull, J. Clark, "Recursively generated B-spline surfaces on arbitrary topological meshes", 1978.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

Face = tuple[int, ...]


def refine(faces: Sequence[Face], n_vertices: int, is_refined: NDArray[np.bool_]) -> tuple[csr_matrix, list[Face]]:
    """Return the matrix [n_new, n_vertices] that makes the new vertices, and the new faces.

    The first n_vertices rows are the old vertices, moved where all their faces are refined.

    Args:
        faces: Polygons, counter-clockwise, of vertex indices.
        n_vertices: Count of the old vertices.
        is_refined: bool [n_faces], which faces are split.
    """
    edge_faces: dict[tuple[int, int], list[int]] = defaultdict(list)
    vertex_faces: dict[int, list[int]] = defaultdict(list)
    for index, face in enumerate(faces):
        for a, b in zip(face, face[1:] + face[:1], strict=True):
            edge_faces[min(a, b), max(a, b)].append(index)
            vertex_faces[a].append(index)
    neighbours: dict[int, set[int]] = defaultdict(set)
    open_vertices: set[int] = set()  # on a border or beside an unrefined face: these keep their place
    for (a, b), owners in edge_faces.items():
        neighbours[a].add(b)
        neighbours[b].add(a)
        if len(owners) != 2 or not all(is_refined[owner] for owner in owners):
            open_vertices.update((a, b))

    rows: list[dict[int, float]] = []
    face_point: dict[int, int] = {}
    edge_point: dict[tuple[int, int], int] = {}
    next_index = n_vertices
    face_rows: dict[int, dict[int, float]] = {}
    for index, face in enumerate(faces):
        if is_refined[index]:
            face_rows[index] = {vertex: 1.0 / len(face) for vertex in face}
    for vertex in range(n_vertices):
        rows.append(_moved_vertex(vertex, faces, vertex_faces, neighbours, open_vertices, is_refined))
    for index, row in face_rows.items():
        face_point[index] = next_index
        next_index += 1
        rows.append(row)
    for (a, b), owners in edge_faces.items():
        if not any(is_refined[owner] for owner in owners):
            continue
        edge_point[a, b] = next_index
        next_index += 1
        row = defaultdict(float)
        if len(owners) == 2 and all(is_refined[owner] for owner in owners):
            row[a] += 0.25
            row[b] += 0.25
            for owner in owners:
                for vertex, weight in face_rows[owner].items():
                    row[vertex] += 0.25 * weight
        else:
            row[a] = row[b] = 0.5
        rows.append(dict(row))

    new_faces: list[Face] = []
    for index, face in enumerate(faces):
        ring = [edge_point.get((min(a, b), max(a, b))) for a, b in zip(face, face[1:] + face[:1], strict=True)]
        if is_refined[index]:
            for corner, vertex in enumerate(face):
                quad = (vertex, ring[corner], face_point[index], ring[corner - 1])
                new_faces.append(tuple(point for point in quad if point is not None))  # none is: all edges are split
        else:
            polygon: list[int] = []
            for vertex, point in zip(face, ring, strict=True):
                polygon.append(vertex)
                if point is not None:
                    polygon.append(point)
            new_faces.append(tuple(polygon))
    return _as_matrix(rows, n_vertices), new_faces


def _moved_vertex(
    vertex: int,
    faces: Sequence[Face],
    vertex_faces: dict[int, list[int]],
    neighbours: dict[int, set[int]],
    open_vertices: set[int],
    is_refined: NDArray[np.bool_],
) -> dict[int, float]:
    owners = vertex_faces.get(vertex, [])
    if not owners or vertex in open_vertices or not all(is_refined[owner] for owner in owners):
        return {vertex: 1.0}
    valence = len(owners)
    row: dict[int, float] = defaultdict(float)
    row[vertex] += (valence - 3) / valence
    for other in neighbours[vertex]:  # 2 x the mean of the edges' middles
        row[vertex] += 2.0 / valence * 0.5 / valence
        row[other] += 2.0 / valence * 0.5 / valence
    for owner in owners:  # the mean of the faces' middles
        for corner in faces[owner]:
            row[corner] += 1.0 / valence / valence / len(faces[owner])
    return dict(row)


def _as_matrix(rows: Sequence[dict[int, float]], n_columns: int) -> csr_matrix:
    data = [weight for row in rows for weight in row.values()]
    columns = [column for row in rows for column in row]
    starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    return csr_matrix((data, columns, starts), shape=(len(rows), n_columns))


def triangulate(faces: Sequence[Face]) -> NDArray[np.int64]:
    """Return triangles [n, 3] of convex polygons, as fans from their first corner."""
    return np.array([(face[0], face[i], face[i + 1]) for face in faces for i in range(1, len(face) - 1)], np.int64)
