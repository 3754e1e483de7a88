"""Load the blendshape face: an average adult head of natural size with the 52 ARKit shapes.

In: `face.npz` beside this file (CC0 1.0: MakeHuman base mesh and targets, face units by Mika Suominen; made by
`face_extraction`). Out: vertices, quads and offsets in millimetres, and the points of the mesh that MediaPipe's
landmarks belong to. Axes: x to the subject's left, y up, z to the front; the origin is inside the head, at eye level.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine_build.labels.channels import CHANNELS

FACE_FILE = Path(__file__).with_name("face.npz")
Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class BlendshapeFace:
    """A head whose shape is linear in the activations: neutral + sum of activation * offset.

    Attributes:
        vertices_mm: float64 [n_vertices, 3], the face at rest.
        quads: int [n_quads, 4], vertex rows.
        part: int [n_quads], index into part_names.
        part_names: Names of the mesh's parts (skin, eyeballs, teeth, tongue).
        offsets_mm: float64 [52, n_vertices, 3], in the order of `CHANNELS`.
        landmarks: int [n_landmarks], MediaPipe's number of each landmark.
        landmark_rows: int [n_landmarks, 3], the vertices around each landmark.
        landmark_weights: float64 [n_landmarks, 3], their weights (sum 1).
    """

    vertices_mm: Float64
    quads: NDArray[np.int64]
    part: NDArray[np.uint8]
    part_names: tuple[str, ...]
    offsets_mm: Float64
    landmarks: NDArray[np.int64]
    landmark_rows: NDArray[np.int64]
    landmark_weights: Float64

    def landmark_neutral(self) -> Float64:
        """Return the landmarks of the face at rest, [n_landmarks, 3] mm."""
        return np.asarray(np.einsum("lk,lkx->lx", self.landmark_weights, self.vertices_mm[self.landmark_rows]))

    def landmark_offsets(self) -> Float64:
        """Return how each shape moves each landmark, [52, n_landmarks, 3] mm at activation 1."""
        return np.asarray(np.einsum("lk,clkx->clx", self.landmark_weights, self.offsets_mm[:, self.landmark_rows]))

    def rows(self, mediapipe_points: tuple[int, ...]) -> NDArray[np.int64]:
        """Return where the given MediaPipe points stand in `landmarks`.

        Raises:
            KeyError: A point is not among them.
        """
        place = {int(point): row for row, point in enumerate(self.landmarks)}
        return np.array([place[point] for point in mediapipe_points])


def read_face(path: Path) -> BlendshapeFace:
    """Read a compact face file.

    Args:
        path: An `.npz` as `face_extraction` writes it.

    Raises:
        ValueError: The file's channels are not the 52 in Apple's order.
    """
    with np.load(path) as data:
        if tuple(str(name) for name in data["channels"]) != CHANNELS:
            raise ValueError(f"{path}: its shapes are not the 52 ARKit shapes in Apple's order")
        vertices = data["vertices_um"] / 1000.0
        offsets = np.zeros((len(CHANNELS), *vertices.shape))
        start = data["shape_start"]
        for channel in range(len(CHANNELS)):
            span = slice(start[channel], start[channel + 1])
            offsets[channel, data["shape_vertex"][span]] = data["shape_tenth_mm"][span] / 10.0
        return BlendshapeFace(
            vertices_mm=vertices,
            quads=data["quads"].astype(np.int64),
            part=data["part"],
            part_names=tuple(str(name) for name in data["part_names"]),
            offsets_mm=offsets,
            landmarks=data["mediapipe_index"].astype(np.int64),
            landmark_rows=data["landmark_triangle"].astype(np.int64),
            landmark_weights=data["landmark_weight"].astype(np.float64),
        )


@cache
def blendshape_face() -> BlendshapeFace:
    """Return the face that ships with the package (read once; treat it as read-only)."""
    return read_face(FACE_FILE)
