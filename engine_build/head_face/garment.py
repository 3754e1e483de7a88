"""A crew-neck garment: the body's surface below a tilted plane, set off a little, cut exactly at the plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine_build.head_face.parts import FloatArray, Part, linear, vertex_normals

OFFSET_M = 0.0035
HEM_M = 0.005  # how far the edge is turned in
COLOUR = (52, 60, 72)


@dataclass(frozen=True)
class Collar:
    """The plane at which the garment ends.

    Attributes:
        height_m: Of the collar at z = middle_z_m.
        middle_z_m: Of the neck.
        slope: Rise per metre towards the back.
    """

    height_m: float
    middle_z_m: float
    slope: float

    def above(self, positions: FloatArray) -> FloatArray:
        """Return how far points lie above the collar, metres [n]."""
        line = self.height_m - self.slope * (positions[:, 2] - self.middle_z_m)
        return np.asarray(positions[:, 1] - line, np.float64)


def make_garment(positions: FloatArray, triangles: NDArray[np.int64], neck: FloatArray, collar: Collar) -> Part:
    """Return the garment.

    Args:
        positions: float64 [n, 3] of the skin, before it was cut.
        triangles: int [m, 3] of the skin.
        neck: float64 [n], how much each vertex follows the neck.
        collar: Where to cut.
    """
    height = collar.above(positions)
    normals = vertex_normals(positions, triangles)
    points: list[FloatArray] = []
    index: dict[tuple[int, int], int] = {}
    made: list[tuple[int, int, int]] = []
    rim: list[tuple[int, int]] = []
    columns = np.column_stack([positions + OFFSET_M * normals, normals, neck])

    def point(a: int, b: int) -> int:
        """Return the new vertex on edge a-b where it crosses the plane; a == b is the vertex itself."""
        key = (min(a, b), max(a, b))
        if key not in index:
            t = 0.0 if a == b else height[key[0]] / (height[key[0]] - height[key[1]])
            index[key] = len(points)
            points.append(columns[key[0]] * (1 - t) + columns[key[1]] * t)
        return index[key]

    for triangle in triangles.tolist():
        ring: list[int] = []
        cut: list[int] = []
        for a, b in zip(triangle, triangle[1:] + triangle[:1], strict=True):
            if height[a] <= 0:
                ring.append(point(a, a))
            if (height[a] <= 0) != (height[b] <= 0):
                ring.append(point(a, b))
                cut.append(ring[-1])
        made += [(ring[0], ring[i], ring[i + 1]) for i in range(1, len(ring) - 1)]
        if len(cut) == 2:
            rim.append((cut[0], cut[1]) if height[triangle[0]] > 0 or height[triangle[1]] <= 0 else (cut[1], cut[0]))
    edge: dict[int, tuple[int, int]] = {}  # the hem has its own vertices, so that its normals are its own
    for vertex in {v for pair in rim for v in pair}:
        outer, inner = points[vertex].copy(), points[vertex].copy()
        inner[:3] -= HEM_M * inner[3:6] + np.array([0.0, 0.002, 0.0])
        edge[vertex] = (len(points), len(points) + 1)
        points += [outer, inner]
    for a, b in rim:
        made += [(edge[a][0], edge[b][0], edge[a][1]), (edge[b][0], edge[b][1], edge[a][1])]
    table = np.array(points)
    colours = np.ones((len(table), 4))
    colours[:, :3] = linear(*COLOUR)
    head = np.zeros(len(table))
    return Part(
        "garment", "garment", table[:, :3], np.array(made, np.int64), colours, {}, head, np.clip(table[:, 6], 0, 1)
    )
