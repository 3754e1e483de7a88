"""One part of the face: geometry with the displacement of every shape that moves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
SMALLEST_MOVE_M = 2.7e-4  # a displacement below 0.27 mm is not seen at arm's length; leaving it out halves the file
SMALLEST_SHARE = 0.02  # nor is one this small beside the shape's largest


@dataclass
class Part:
    """Triangles of one material.

    Attributes:
        name: Of the mesh in the file.
        material: Key of the material table.
        positions: float64 [n, 3], metres.
        triangles: int [m, 3], counter-clockwise seen from outside.
        colours: float64 [n, 4], linear RGB and opacity, in [0, 1].
        shapes: ARKit name to float64 [n, 3]; shapes that do not move the part are left out.
        head_weight: float64 [n], how much a vertex follows the head, the rest the neck; None: all of it.
        neck_weight: float64 [n], how much of the rest follows the neck rather than the body.
        uv: float64 [n, 2] or None.
    """

    name: str
    material: str
    positions: FloatArray
    triangles: NDArray[np.int64]
    colours: FloatArray
    shapes: dict[str, FloatArray] = field(default_factory=dict)
    head_weight: FloatArray | None = None
    neck_weight: FloatArray | None = None
    uv: FloatArray | None = None

    def drop_still_shapes(self) -> None:
        """Leave out every displacement too small to see."""
        kept: dict[str, FloatArray] = {}
        for name, moves in self.shapes.items():
            length = np.linalg.norm(moves, axis=1)
            is_seen = length >= max(SMALLEST_MOVE_M, SMALLEST_SHARE * length.max(initial=0.0))
            if is_seen.any():
                kept[name] = np.where(is_seen[:, None], moves, 0.0)
        self.shapes = kept


def vertex_normals(positions: FloatArray, triangles: NDArray[np.int64]) -> FloatArray:
    """Return unit normals [n, 3], weighted by the triangles' areas."""
    a, b, c = (positions[triangles[:, i]] for i in range(3))
    facets = np.cross(b - a, c - a)
    normals = np.zeros_like(positions)
    for corner in range(3):
        np.add.at(normals, triangles[:, corner], facets)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    unit: FloatArray = normals / np.maximum(length, 1e-12)
    return unit


def follow(
    source: FloatArray, moves: Mapping[str, FloatArray], targets: FloatArray, threshold_m: float = 2e-4
) -> dict[str, FloatArray]:
    """Carry the movement of one set of points over to another set, as the affine map that fits it best.

    Args:
        source: [n, 3], where the moved points are at rest.
        moves: Shape name to [n, 3].
        targets: [m, 3], points that move along.
        threshold_m: Shapes that move no point further are left out.

    Returns:
        Shape name to [m, 3].
    """
    centre = source.mean(axis=0)
    design = np.column_stack([source - centre, np.ones(len(source))])
    places = np.column_stack([targets - centre, np.ones(len(targets))])
    carried: dict[str, FloatArray] = {}
    for name, displacement in moves.items():
        if np.linalg.norm(displacement, axis=1).max(initial=0.0) < threshold_m:
            continue
        solution = np.linalg.lstsq(design, displacement, rcond=None)[0]
        carried[name] = places @ solution
    return carried


def linear(red: int, green: int, blue: int) -> FloatArray:
    """Return linear RGB [3] of an sRGB colour given in 0..255.

    Source: IEC 61966-2-1.
    """
    value = np.array([red, green, blue]) / 255.0
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def merge(name: str, pieces: list[Part]) -> Part:
    """Join pieces of the same material into one part."""
    offsets = np.cumsum([0] + [len(piece.positions) for piece in pieces])
    total = int(offsets[-1])
    shapes: dict[str, FloatArray] = {}
    for piece, offset in zip(pieces, offsets, strict=False):
        for shape, moves in piece.shapes.items():
            shapes.setdefault(shape, np.zeros((total, 3)))[offset : offset + len(moves)] = moves
    return Part(
        name,
        pieces[0].material,
        np.concatenate([piece.positions for piece in pieces]),
        np.concatenate([piece.triangles + offset for piece, offset in zip(pieces, offsets, strict=False)]),
        np.concatenate([piece.colours for piece in pieces]),
        shapes,
    )
