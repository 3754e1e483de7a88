"""Find, for each MediaPipe point, the point of the MakeHuman face mesh that it belongs to.

In: the mesh of the average adult, and the canonical positions of MediaPipe's points. Lips and lid margins are matched
ring by ring along the edge loops of the mesh, by arc length; with the middle line of the face they anchor a thin-plate
spline that carries the other points near the mesh, where each takes the nearest point of the outer surface.
"""

from __future__ import annotations

import struct
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine_build.labels.landmark_points import LEFT_EYE, LEFT_IRIS, LIP_RINGS, RIGHT_EYE, RIGHT_IRIS

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

IRIS_RADIUS_MM = 5.9  # the visible iris of an adult is 11.7 mm wide, with little spread between people
# Where the edge loops of the base mesh cross the middle of the upper and of the lower lip (base vertex numbers).
LIP_LOOPS = ((455, 492), (466, 496), (468, 494), (520, 523))
LEFT_LID_LOOP = (13377, 13352, 13365, 13370)  # outer corner, upper lid, inner corner, lower lid: the margin's loop
# Points on the middle line: MediaPipe point -> base vertex, read off a rendering of the mesh.
MIDDLE = {168: 136, 5: 5134, 4: 294, 1: 297, 2: 317, 18: 5337, 200: 724, 199: 5162, 175: 5211, 152: 5296}


@dataclass(frozen=True)
class Mesh:
    """The head's mesh.

    Attributes:
        vertices: float64 [n, 3], millimetres, x to the subject's left, y up, z to the front.
        quads: int [m, 4], outer skin and the linings of mouth and nose.
        eyeballs: int [k, 4], both eyeballs.
        index_of: Base mesh vertex number -> row of `vertices`.
    """

    vertices: Float64
    quads: Int64
    eyeballs: Int64
    index_of: dict[int, int]

    def mirrored(self, row: int) -> int:
        """Return the vertex on the other side of the face."""
        return int(np.linalg.norm(self.vertices - self.vertices[row] * [-1, 1, 1], axis=1).argmin())


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (field number, bytes) of a protocol-buffer message; varints are skipped."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        key = varint()
        wire = key & 7
        if wire == 0:
            varint()
            continue
        size = varint() if wire == 2 else {1: 8, 5: 4}[wire]
        yield key >> 3, message[at : at + size]
        at += size


def canonical_landmarks(model: Path) -> Float64:
    """Read MediaPipe's canonical face from the Face Landmarker bundle.

    Returns:
        float64 [478, 3], millimetres, axes as in `Mesh`; the ten iris points are set into the middle of the eyes.
    """
    with zipfile.ZipFile(model) as bundle:
        metadata = bundle.read("geometry_pipeline_metadata_landmarks.binarypb")
    mesh = next(data for number, data in _fields(metadata) if number == 1)
    numbers = [struct.unpack("<f", data)[0] for number, data in _fields(mesh) if number == 3]
    points = np.zeros((478, 3))
    points[:468] = np.array(numbers).reshape(-1, 5)[:, :3] * 10  # x, y, z, u, v in centimetres
    around = IRIS_RADIUS_MM * np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]])
    for eye, iris, side in ((LEFT_EYE, LEFT_IRIS, 1), (RIGHT_EYE, RIGHT_IRIS, -1)):
        middle = points[[point for half in eye for point in half]].mean(axis=0)
        points[list(iris)] = middle + around * [side, 1, 1]
    return points


def edge_loop(mesh: Mesh, start: int, towards: int) -> list[int]:
    """Walk the edge loop of the quad mesh that leaves `start` to `towards`, until it closes or meets a pole."""
    faces_at: dict[int, list[Int64]] = defaultdict(list)
    for quad in mesh.quads:
        for corner in quad:
            faces_at[int(corner)].append(quad)
    path = [start, towards]
    while path[-1] != start:
        before, here = path[-2], path[-1]
        beside = {int(corner) for quad in faces_at[here] if before in quad for corner in quad}
        ahead: set[int] = set()
        for quad in faces_at[here]:
            at = list(quad).index(here)
            ahead |= {int(quad[(at + 1) % 4]), int(quad[(at - 1) % 4])} - beside
        if len(ahead) != 1:
            break
        path.append(ahead.pop())
    return path


def _neighbours(mesh: Mesh, row: int) -> set[int]:
    near: set[int] = set()
    for quad in mesh.quads[(mesh.quads == row).any(axis=1)]:
        at = list(quad).index(row)
        near |= {int(quad[(at + 1) % 4]), int(quad[(at - 1) % 4])}
    return near


def spread_along(path: Float64, rest: Float64) -> tuple[Int64, Float64]:
    """Place points on a polyline at the fractions of arc length they have among themselves.

    Args:
        path: [n, 3], the polyline.
        rest: [k, 3], points from one end to the other.

    Returns:
        segment [k] (the edge from segment to segment + 1) and the fraction [k] along it.
    """
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    wanted = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(rest, axis=0), axis=1))])
    wanted = wanted / wanted[-1] * along[-1]
    segment = np.clip(np.searchsorted(along, wanted, side="right") - 1, 0, len(path) - 2)
    return segment, (wanted - along[segment]) / (along[segment + 1] - along[segment])


Anchors = dict[int, tuple[list[int], list[float]]]


def _place(anchors: Anchors, mesh: Mesh, path: Sequence[int], points: Sequence[int], rest: Float64) -> None:
    segments, fractions = spread_along(mesh.vertices[list(path)], rest[list(points)])
    for point, segment, fraction in zip(points, segments, fractions, strict=True):
        first, second = path[segment], path[segment + 1]
        anchors[point] = ([first, second, second], [1 - fraction, fraction, 0.0])


def ring_anchors(mesh: Mesh, canonical: Float64) -> Anchors:
    """Match lips, lid margins and the middle line; return point -> (three vertices, their weights)."""
    anchors: Anchors = {point: ([mesh.index_of[base]] * 3, [1.0, 0, 0]) for point, base in MIDDLE.items()}
    for (upper, lower), (upper_points, lower_points) in zip(LIP_LOOPS, LIP_RINGS, strict=True):
        top, bottom = mesh.index_of[upper], mesh.index_of[lower]
        towards = max(_neighbours(mesh, top), key=lambda row: mesh.vertices[row, 0])
        loop = edge_loop(mesh, top, towards)
        half = loop[: loop.index(bottom) + 1]
        corner = int(mesh.vertices[half, 0].argmax())
        for left, points in ((half[: corner + 1], upper_points), (half[corner:][::-1], lower_points)):
            right = [mesh.mirrored(row) for row in left]
            _place(anchors, mesh, left, points[5:], canonical)
            _place(anchors, mesh, right, points[5::-1], canonical)
    outer, over, inner, under = (mesh.index_of[base] for base in LEFT_LID_LOOP)
    towards = next(row for row in _neighbours(mesh, outer) if over in edge_loop(mesh, outer, row)[:10])
    loop = edge_loop(mesh, outer, towards)
    turn = loop.index(inner)
    for path, left_points, right_points in (
        (loop[: turn + 1], LEFT_EYE[0], RIGHT_EYE[0]),
        (loop[: turn - 1 : -1], LEFT_EYE[1], RIGHT_EYE[1]),
    ):
        _place(anchors, mesh, path, left_points, canonical)
        _place(anchors, mesh, [mesh.mirrored(row) for row in path], right_points, canonical)
    if under not in loop:
        raise ValueError("the lid margin's loop does not pass the lower lid: another base mesh?")
    return anchors


def nearest_on_surface(vertices: Float64, triangles: Int64, points: Float64) -> tuple[Int64, Float64]:
    """Find the nearest point of a surface.

    Args:
        vertices: [n, 3].
        triangles: [m, 3].
        points: [k, 3].

    Returns:
        triangle [k, 3] as vertex rows, and barycentric weights [k, 3].
    """
    corner = vertices[triangles]
    side_a, side_b = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    aa, ab, bb = (np.einsum("ij,ij->i", p, q) for p, q in ((side_a, side_a), (side_a, side_b), (side_b, side_b)))
    determinant = np.maximum(aa * bb - ab * ab, 1e-9)
    found, weights = np.zeros((len(points), 3), dtype=np.int64), np.zeros((len(points), 3))
    for row, point in enumerate(points):
        to = point - corner[:, 0]
        pa, pb = np.einsum("ij,ij->i", to, side_a), np.einsum("ij,ij->i", to, side_b)
        second, third = (bb * pa - ab * pb) / determinant, (aa * pb - ab * pa) / determinant
        bary = np.clip(np.stack([1 - second - third, second, third], axis=1), 0, None)
        bary /= bary.sum(axis=1, keepdims=True)  # outside a triangle: close to, not exactly, its nearest point
        away = np.linalg.norm(np.einsum("ij,ijk->ik", bary, corner) - point, axis=1)
        best = int(away.argmin())
        found[row], weights[row] = triangles[best], bary[best]
    return found, weights


def outer_skin(mesh: Mesh) -> Int64:
    """Return the triangles [m, 3] that face away from the middle of the head: no linings of mouth, nose, eyes."""
    triangles = np.concatenate([mesh.quads[:, [0, 1, 2]], mesh.quads[:, [0, 2, 3]]])
    corner = mesh.vertices[triangles]
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    middle = mesh.vertices[mesh.index_of[MIDDLE[168]]] - [0, 30, 90]
    outward = np.einsum("ij,ij->i", normal, corner.mean(axis=1) - middle)
    return np.asarray(triangles[outward > 0])


def correspond(mesh: Mesh, canonical: Float64, points: Sequence[int]) -> tuple[Int64, Float64]:
    """Match MediaPipe points to the mesh.

    Args:
        mesh: The head.
        canonical: MediaPipe's canonical face, [478, 3] mm.
        points: The MediaPipe points wanted.

    Returns:
        triangle [k, 3] as vertex rows, and barycentric weights [k, 3], in the order of `points`.
    """
    from scipy.interpolate import RBFInterpolator

    anchors = ring_anchors(mesh, canonical)
    anchored = list(anchors)
    targets = np.array([np.array(weight) @ mesh.vertices[rows] for rows, weight in anchors.values()])
    carried = RBFInterpolator(canonical[anchored], targets, kernel="thin_plate_spline", smoothing=1.0)(canonical)
    free = [point for point in points if point not in anchors]
    skin, weights = nearest_on_surface(mesh.vertices, outer_skin(mesh), carried[free])
    for point, triangle, weight in zip(free, skin, weights, strict=True):
        anchors[point] = (list(triangle), list(weight))
    balls = np.concatenate([mesh.eyeballs[:, [0, 1, 2]], mesh.eyeballs[:, [0, 2, 3]]])
    for iris, side in ((LEFT_IRIS, 1), (RIGHT_IRIS, -1)):
        ball = balls[mesh.vertices[balls[:, 0], 0] * side > 0]
        front = mesh.vertices[ball.ravel()[mesh.vertices[ball.ravel(), 2].argmax()]]
        around = canonical[list(iris)] - canonical[iris[0]]
        for point, triangle, weight in zip(iris, *nearest_on_surface(mesh.vertices, ball, front + around), strict=True):
            anchors[point] = (list(triangle), list(weight))
    chosen = [anchors[point] for point in points]
    return np.array([rows for rows, _ in chosen]), np.array([weight for _, weight in chosen])
