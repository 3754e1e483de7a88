"""Put the face together: skin, eyes, lashes, teeth, tongue, materials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine_build.head_face.eyes_teeth import dental_arch, eyeball
from engine_build.head_face.garment import Collar, make_garment
from engine_build.head_face.gltf import write_glb
from engine_build.head_face.lashes import make_lashes
from engine_build.head_face.makehuman import BaseMesh, find_data, read_base_mesh, read_bone_weights, sample_mask
from engine_build.head_face.paint import Landmarks, paint_skin, project, rasterise
from engine_build.head_face.parts import FloatArray, Part, follow, linear, merge
from engine_build.head_face.subdivision import Face, refine, triangulate

NOTICE = (
    "Shapes: MakeHuman base mesh and targets (MakeHuman community) and Face Units (Mika Suominen), all CC0 1.0; "
    "eyes, teeth and colours made by au-edge, CC0 1.0"
)
# Bones of MakeHuman's default rig, by the beginning of their names.
HEAD_BONES = (
    "head", "jaw", "eye", "levator", "oculi", "orbicularis", "oris", "risorius", "special", "temporalis", "tongue",
)  # fmt: skip
NECK_BONES = ("neck",)
# Height of the hairline between the eyes (0) and the crown (1) by the angle from the front, degrees.
HAIRLINE = (
    [0.0, 14.0, 26.0, 36.0, 46.0, 56.0, 66.0, 76.0, 88.0, 100.0, 112.0, 128.0, 150.0, 180.0],
    [0.63, 0.64, 0.67, 0.66, 0.56, 0.38, 0.22, -0.05, -0.05, 0.0, -0.25, -0.42, -0.50, -0.52],
)
MASKS = ("lips", "eyelids", "inside-mouth", "ears")
SHOULDERS_M = 0.40
COLLAR_RISE_M, COLLAR_SLOPE = 0.012, 0.55
MOUTH_REST = -0.042  # of jawOpen: the base mesh parts its lips by 1.5 mm
SIDES = (("l", "Left"), ("r", "Right"))

MATERIALS: dict[str, dict[str, Any]] = {
    "skin": {
        "name": "skin",
        "pbrMetallicRoughness": {"baseColorTexture": {"index": 0}, "metallicFactor": 0.0, "roughnessFactor": 0.52},
    },
    "eye": {"name": "eye", "pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 0.28}},
    "cornea": {
        "name": "cornea",
        "pbrMetallicRoughness": {"baseColorFactor": [1, 1, 1, 0.06], "metallicFactor": 0.0, "roughnessFactor": 0.03},
        "alphaMode": "BLEND",
    },
    "teeth": {"name": "teeth", "pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 0.22}},
    "tongue": {"name": "tongue", "pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 0.38}},
    "lashes": {
        "name": "lashes",
        "pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 0.9},
        "doubleSided": True,
    },
    "garment": {
        "name": "garment",
        "pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 0.95},
        "doubleSided": True,
    },
}


def _compact(faces: NDArray[np.int64]) -> tuple[NDArray[np.int64], list[Face]]:
    """Return the vertices used, and the faces numbered by them."""
    used, inverse = np.unique(faces, return_inverse=True)
    return used, [tuple(int(v) for v in row) for row in inverse.reshape(faces.shape)]


def _skin_faces(mesh: BaseMesh, lowest_y_m: float) -> NDArray[np.int64]:
    faces = mesh.faces["body"]
    middle = mesh.positions[faces].mean(axis=1)
    kept: NDArray[np.int64] = faces[(middle[:, 1] > lowest_y_m) & (np.abs(middle[:, 0]) < SHOULDERS_M)]
    return kept


def _worth_splitting(
    positions: FloatArray, faces: Sequence[Face], eye: FloatArray, inside: FloatArray
) -> NDArray[np.bool_]:
    """Return the faces of the head above the neck, but for the mouth's inside and the back of the head."""
    middle = np.array([positions[list(face)].mean(axis=0) for face in faces])
    in_mouth = np.array([inside[list(face)].min() > 0.9 for face in faces])
    is_back = (middle[:, 2] < eye[2] - 0.112) & (middle[:, 1] < eye[1] + 0.065)
    is_head = middle[:, 1] > eye[1] - 0.120 - 0.4 * np.clip(middle[:, 2] - eye[2] + 0.06, -0.1, 0.06)
    return np.asarray(is_head & ~in_mouth & ~is_back)


def _skin(
    mesh: BaseMesh, masks: dict[str, FloatArray], weights: FloatArray, eye: FloatArray
) -> tuple[Part, Part, bytes]:
    """Return the skin, the garment and the skin's picture."""
    neck_joint = mesh.centre_of("joint-neck")
    used, faces = _compact(_skin_faces(mesh, neck_joint[1] - 0.14))
    shapes = list(mesh.shapes)
    names = list(masks)
    columns = np.column_stack(
        [mesh.positions[used], *(mesh.shapes[name][used] for name in shapes)]
        + [masks[name][used] for name in names]
        + [weights[used]]
    )
    for _ in range(1):
        painted = columns[:, 3 + 3 * len(shapes) :]
        split = _worth_splitting(columns[:, :3], faces, eye, painted[:, names.index("inside-mouth")])
        matrix, faces = refine(faces, len(columns), split)
        columns = matrix @ columns
    triangles = triangulate(faces)
    positions = columns[:, :3]
    moves = {name: columns[:, 3 + 3 * i : 6 + 3 * i] for i, name in enumerate(shapes)}
    attributes = columns[:, 3 + 3 * len(shapes) :]
    mask = {name: np.clip(attributes[:, i], 0, 1) for i, name in enumerate(names)}
    head, neck = np.clip(attributes[:, len(names) :].T, 0, 1)

    marks = _landmarks(mesh, positions, mask, eye)
    scalp = _scalp(positions, marks)
    centre = np.array([0.0, eye[1] - 0.01, marks.ear[2] + 0.01])
    uv = project(positions, centre)
    outer = triangles[
        (mask["inside-mouth"][triangles].max(axis=1) < 0.5) & (positions[triangles][:, :, 0].mean(axis=1) > -1e-4)
    ]
    values = np.column_stack([positions, mask["lips"], mask["eyelids"], scalp])
    reach = np.linalg.norm(positions - centre, axis=1)
    picture, outermost = rasterise(uv, outer, values, reach)
    jpeg = paint_skin(picture[..., :3], picture[..., 3], picture[..., 4], picture[..., 5], marks)

    rows, columns_px = (np.round(uv[:, ::-1] * (len(outermost) - 1)).astype(int)).T
    is_behind = reach < outermost[rows, columns_px] - 0.0007
    _tuck_lips(positions, uv, mask, marks, is_behind)
    colours = np.ones((len(positions), 4))
    depth = np.clip(mask["inside-mouth"], 0, 1) * np.clip((marks.mouth[2] - 0.006 - positions[:, 2]) / 0.02, 0, 1)
    colours[:, :3] = np.exp(np.outer(depth, np.log(linear(112, 62, 66))))  # a factor on the lips' colour
    follows_neck = neck / np.maximum(1 - head, 1e-6)
    collar = Collar(neck_joint[1] + COLLAR_RISE_M, neck_joint[2], COLLAR_SLOPE)
    garment = make_garment(positions, triangles, follows_neck, collar)
    seen = triangles[(collar.above(positions)[triangles] > -0.012).any(axis=1)]
    kept, seen = np.unique(seen, return_inverse=True)
    part = Part(
        "skin",
        "skin",
        positions[kept],
        seen.reshape(-1, 3),
        colours[kept],
        {name: move[kept] for name, move in moves.items()},
        head[kept],
        follows_neck[kept],
        uv[kept],
    )
    return part, garment, jpeg


def _tuck_lips(
    positions: FloatArray, uv: FloatArray, mask: dict[str, FloatArray], marks: Landmarks, is_behind: NDArray[np.bool_]
) -> None:
    """Give what is rolled into the mouth the colour of the nearest lip, since the picture shows only the outside."""
    near = np.linalg.norm((positions - marks.mouth) / np.array([1.0, 0.6, 1.4]), axis=1) < 0.045
    hidden = (mask["inside-mouth"] > 0.02) | (near & is_behind)
    lips = np.flatnonzero((mask["lips"] > 0.9) & ~hidden)
    for vertex in np.flatnonzero(hidden):
        gap = np.linalg.norm((positions[lips] - positions[vertex]) * np.array([1.0, 1.6, 0.4]), axis=1)
        uv[vertex] = uv[lips[gap.argmin()]]


def _landmarks(mesh: BaseMesh, positions: FloatArray, mask: dict[str, FloatArray], eye: FloatArray) -> Landmarks:
    lips = positions[mask["lips"] > 0.5]
    front = positions[np.abs(positions[:, 0]) < 0.004]
    nose = front[(front[:, 1] < eye[1] - 0.01) & (front[:, 1] > lips[:, 1].max() + 0.004)]
    chin = front[(front[:, 1] < lips[:, 1].min() - 0.008) & (front[:, 1] > lips[:, 1].min() - 0.04)]
    ears = positions[(mask["ears"] > 0.5) & (positions[:, 0] > 0)]
    return Landmarks(
        eye,
        lips[lips[:, 0].argmax()],
        lips.mean(axis=0),
        nose[nose[:, 2].argmax()],
        chin[chin[:, 2].argmax()],
        positions[positions[:, 1].argmax()],
        ears.mean(axis=0),
    )


def _scalp(positions: FloatArray, marks: Landmarks) -> FloatArray:
    """Return where hair grows, [n] from 0 to 1 about 0.4 at the hairline."""
    y = positions[:, 1]
    around_deg = np.degrees(np.arctan2(np.abs(positions[:, 0]), positions[:, 2] - marks.ear[2] - 0.012))
    line = marks.eye[1] + (marks.crown[1] - marks.eye[1]) * np.interp(around_deg, *HAIRLINE)
    return np.asarray(np.clip((y - line) / 0.012 + 0.4, 0, 1) * (1 - _near_ear(positions, marks)))


def _near_ear(positions: FloatArray, marks: Landmarks) -> FloatArray:
    mirrored = positions.copy()
    mirrored[:, 0] = np.abs(mirrored[:, 0])
    reach = (mirrored - marks.ear) / np.array([0.03, 0.034, 0.020])
    return np.asarray(np.linalg.norm(reach, axis=1) < 0.95, np.float64)


def _plain(mesh: BaseMesh, groups: Sequence[str], name: str, material: str, levels: int) -> Part:
    """Return helper geometry as it is, refined as a whole."""
    used, faces = _compact(np.concatenate([mesh.faces[group] for group in groups]))
    shapes = [shape for shape, moves in mesh.shapes.items() if np.any(moves[used])]
    columns = np.column_stack([mesh.positions[used], *(mesh.shapes[shape][used] for shape in shapes)])
    for _ in range(levels):
        matrix, faces = refine(faces, len(columns), np.ones(len(faces), bool))
        columns = matrix @ columns
    moves = {shape: columns[:, 3 + 3 * i : 6 + 3 * i] for i, shape in enumerate(shapes)}
    return Part(name, material, columns[:, :3], triangulate(faces), np.ones((len(columns), 4)), moves)


def _tongue(mesh: BaseMesh) -> Part:
    part = _plain(mesh, ["helper-tongue"], "tongue", "tongue", 1)
    back = np.clip((part.positions[:, 2] - part.positions[:, 2].min()) / np.ptp(part.positions[:, 2]), 0, 1)
    part.colours[:, :3] = np.outer(0.18 + 0.82 * back**1.3, linear(186, 96, 96))
    return part


def close_mouth(mesh: BaseMesh, amount: float) -> BaseMesh:
    """Return the mesh with an amount of jawOpen added for good."""
    return replace(mesh, positions=mesh.positions + amount * mesh.shapes["jawOpen"])


def make_face(masculinity: float) -> tuple[bytes, str]:
    """Return the glTF binary and one line on what it holds.

    Args:
        masculinity: See `read_base_mesh`.
    """
    data = find_data()
    mesh = read_base_mesh(data, masculinity)
    mesh = close_mouth(mesh, MOUTH_REST)
    n_vertices = len(mesh.positions)
    weights = np.column_stack([read_bone_weights(data, bones, n_vertices) for bones in (HEAD_BONES, NECK_BONES)])
    masks = {name: sample_mask(data, name, mesh, "body") for name in MASKS}

    parts: list[Part] = []
    eyes: list[Part] = []
    corneas: list[Part] = []
    left_eye = np.zeros(3)
    for side, word in SIDES:
        helper = mesh.vertices_of(f"helper-{side}-eye")
        points = mesh.positions[helper]
        radius = (points[:, 1].max() - points[:, 1].min()) / 2
        centre = np.array([points[:, 0].mean(), points[:, 1].mean(), points[:, 2].min() + radius])
        left_eye = centre if side == "l" else left_eye
        moves = {name: shape[helper] for name, shape in mesh.shapes.items()}
        for piece, pile in zip(eyeball(f"eye{word}", centre, radius, (104, 82, 58)), (eyes, corneas), strict=True):
            piece.shapes = follow(points, moves, piece.positions)
            pile.append(piece)
    eye_front = left_eye + np.array([0.0, 0.0, radius])
    skin, garment, jpeg = _skin(mesh, masks, weights, eye_front)
    parts += [skin, garment]
    parts.append(merge("eyes", eyes))
    mouth: list[Part] = []
    for jaw in ("upper", "lower"):
        helper = mesh.vertices_of(f"helper-{jaw}-teeth")
        moves = {name: shape[helper] for name, shape in mesh.shapes.items()}
        for piece in dental_arch(mesh.positions[helper], jaw):
            piece.shapes = follow(mesh.positions[helper], moves, piece.positions)
            mouth.append(piece)
    parts.append(merge("teeth", mouth))
    parts.append(_tongue(mesh))
    parts.append(make_lashes(mesh))
    parts.append(merge("corneas", corneas))
    joints = {name: mesh.centre_of(group) for name, group in (("neck", "joint-neck"), ("head", "joint-head"))}
    content = write_glb(parts, MATERIALS, {"root": np.zeros(3), **joints}, jpeg, NOTICE)
    counts = ", ".join(f"{part.name} {len(part.positions)}" for part in parts)
    return content, f"52 shapes; vertices: {counts}; picture {len(jpeg) // 1024} KiB"
