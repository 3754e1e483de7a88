"""Eyelashes: single hairs along MakeHuman's lash strips, which are grids of five vertices from root to tip.

A strip would need a picture with holes; hairs are opaque, cast no sorting problems and stay sharp from near.
"""

from __future__ import annotations

import numpy as np

from engine_build.head_face.makehuman import BaseMesh
from engine_build.head_face.parts import FloatArray, Part, linear, merge

ROOT_WIDTH_M = 0.00030
# row of the base mesh: hairs, part of the strip's length that is kept
ROWS = {"1": (26, 0.50), "2": (44, 0.72)}  # 1: lower lid, 2: upper lid


def make_lashes(mesh: BaseMesh) -> Part:
    """Return the lashes of both eyes as one part."""
    pieces = []
    for side in ("l", "r"):
        eye = mesh.positions[mesh.vertices_of(f"helper-{side}-eye")]
        centre = (eye.max(axis=0) + eye.min(axis=0)) / 2
        for row, (n_hairs, length) in ROWS.items():
            pieces.append(_hairs(mesh, f"helper-{side}-eyelashes-{row}", centre, n_hairs, length))
    return merge("lashes", pieces)


def _grid_of(mesh: BaseMesh, group: str, centre: FloatArray) -> list[list[int]]:
    """Return the strip's vertices as columns from root to tip, found by walking its quads."""
    faces = [list(map(int, face)) for face in mesh.faces[group]]
    neighbours: dict[int, set[int]] = {}
    for face in faces:
        for a, b in zip(face, face[1:] + face[:1], strict=True):
            neighbours.setdefault(a, set()).add(b)
            neighbours.setdefault(b, set()).add(a)
    corners = [vertex for vertex, near in neighbours.items() if len(near) == 2]

    def walk(start: int, second: int) -> list[int]:
        line = [start, second]
        while True:
            used = {vertex for face in faces if line[-2] in face and line[-1] in face for vertex in face}
            ahead = [v for v in neighbours[line[-1]] if v not in used]
            if len(ahead) != 1 or ahead[0] in line:
                return line
            line.append(ahead[0])

    sides = [walk(corners[0], second) for second in neighbours[corners[0]]]
    short, long = sorted(sides, key=len)
    across = {b for b in neighbours[long[0]] if b == short[1]}
    columns = [walk(long[0], across.pop())]
    for here, before in zip(long[1:], long[:-1], strict=True):
        near = [v for v in neighbours[here] if v not in long and any({here, v, before} <= set(f) for f in faces)]
        columns.append(walk(here, near[0]))
    places = mesh.positions
    reach = np.linalg.norm(places[[column[0] for column in columns]] - centre, axis=1).mean()
    if reach > np.linalg.norm(places[[column[-1] for column in columns]] - centre, axis=1).mean():
        columns = [column[::-1] for column in columns]
    return columns


def _hairs(mesh: BaseMesh, group: str, centre: FloatArray, n_hairs: int, length: float) -> Part:
    columns = np.array(_grid_of(mesh, group, centre))
    used, numbers = np.unique(columns, return_inverse=True)
    grid = numbers.reshape(columns.shape)
    n_columns, n_rows = len(columns), len(columns[0])
    noise = np.random.default_rng(5)
    weights: list[FloatArray] = []
    sides: list[float] = []  # half width, to be laid along the lid
    triangles: list[tuple[int, int, int]] = []

    def blend(along: float, out: float) -> FloatArray:
        """Return the weights of the strip's vertices at a place between its columns and rows."""
        row = np.zeros(len(used))
        s = float(np.clip(along, 0.0, n_columns - 1.001))
        t = float(np.clip(out, 0.0, n_rows - 1.001))
        for i, wi in ((int(s), 1 - s % 1), (int(s) + 1, s % 1)):
            for j, wj in ((int(t), 1 - t % 1), (int(t) + 1, t % 1)):
                row[grid[i, j]] += wi * wj
        return row

    for hair in range(n_hairs):
        along = (hair + 0.5 + noise.uniform(-0.3, 0.3)) / n_hairs * (n_columns - 1)
        lean = noise.normal(0.0, 0.16)
        tip = (n_rows - 1) * length * noise.uniform(0.72, 1.0)
        first = len(weights)
        for out, width in ((0.0, 1.0), (0.55 * tip, 0.62), (tip, 0.0)):
            row = blend(along + lean * out / (n_rows - 1) * 2, out)
            for sign in (-1.0, 1.0) if width else (0.0,):
                weights.append(row)
                sides.append(sign * width * ROOT_WIDTH_M / 2)
        a = first
        triangles += [(a, a + 1, a + 2), (a + 1, a + 3, a + 2), (a + 2, a + 3, a + 4)]
    matrix = np.array(weights)
    strip = mesh.positions[used]
    tangent = strip[grid[-1, 0]] - strip[grid[0, 0]]
    tangent /= np.linalg.norm(tangent)
    positions = matrix @ strip + np.outer(sides, tangent)
    shapes = {name: matrix @ moves[used] for name, moves in mesh.shapes.items() if np.any(moves[used])}
    colours = np.ones((len(positions), 4))
    colours[:, :3] = linear(34, 24, 20)
    return Part(group, "lashes", positions, np.array(triangles, np.int64), colours, shapes)
