"""Write parts as one glTF 2.0 binary: sparse, quantised morph targets, a skin of three joints, one picture.

Source: Khronos glTF 2.0 specification (sections 3.6 and 4.4) and KHR_mesh_quantization, which allows morph targets in
normalised int16: at metres, a step of 0.03 mm.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine_build.head_face.parts import FloatArray, Part, vertex_normals

COMPONENT_TYPES = {"int8": 5120, "uint8": 5121, "int16": 5122, "uint16": 5123, "uint32": 5125, "float32": 5126}
ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963


class BinaryWriter:
    """Collects buffer views and accessors."""

    def __init__(self) -> None:
        self.payload = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def add_view(self, data: bytes, target: int | None = None, stride: int | None = None) -> int:
        """Append bytes on a 4-byte boundary and return the view's index."""
        self.payload += b"\0" * (-len(self.payload) % 4)
        view: dict[str, Any] = {"buffer": 0, "byteOffset": len(self.payload), "byteLength": len(data)}
        if target is not None:
            view["target"] = target
        if stride is not None:
            view["byteStride"] = stride
        self.payload += data
        self.views.append(view)
        return len(self.views) - 1

    def add_array(
        self,
        values: NDArray[Any],
        kind: str,
        *,
        normalised: bool = False,
        bounds: bool = False,
        target: int | None = ARRAY_BUFFER,
    ) -> int:
        """Append a dense accessor [n] or [n, k]; rows are padded to 4 bytes as vertex data must be."""
        table = values.reshape(len(values), -1)
        width = table.shape[1] * table.itemsize
        padded = -(-width // 4) * 4 if target == ARRAY_BUFFER else width
        rows = np.zeros((len(table), padded), np.uint8)
        rows[:, :width] = np.ascontiguousarray(table).view(np.uint8).reshape(len(table), width)
        accessor: dict[str, Any] = {
            "bufferView": self.add_view(rows.tobytes(), target, padded if padded != width else None),
            "componentType": COMPONENT_TYPES[table.dtype.name],
            "count": len(table),
            "type": kind,
        }
        if normalised:
            accessor["normalized"] = True
        if bounds:
            accessor["min"], accessor["max"] = table.min(axis=0).tolist(), table.max(axis=0).tolist()
        self.accessors.append(accessor)
        return len(self.accessors) - 1

    def add_moves(self, moves: FloatArray) -> int:
        """Append a sparse accessor of displacements [n, 3] in metres."""
        index = np.flatnonzero(np.any(moves != 0.0, axis=1)).astype(np.uint16)
        values = np.clip(np.round(moves[index] * 32767.0), -32767, 32767).astype(np.int16)
        dense = np.zeros((len(moves), 3), np.int16)
        dense[index] = values
        self.accessors.append(
            {
                "componentType": COMPONENT_TYPES["int16"],
                "normalized": True,
                "count": len(moves),
                "type": "VEC3",
                "min": dense.min(axis=0).tolist(),
                "max": dense.max(axis=0).tolist(),
                "sparse": {
                    "count": len(index),
                    "indices": {
                        "bufferView": self.add_view(index.tobytes()),
                        "componentType": COMPONENT_TYPES["uint16"],
                    },
                    "values": {"bufferView": self.add_view(values.tobytes())},
                },
            }
        )
        return len(self.accessors) - 1


def write_glb(
    parts: Sequence[Part],
    materials: Mapping[str, Mapping[str, Any]],
    joints: Mapping[str, FloatArray],
    picture_jpeg: bytes,
    notice: str,
) -> bytes:
    """Return the file.

    Args:
        parts: At most 65535 vertices each.
        materials: glTF materials by the parts' keys; the picture is texture 0.
        joints: root, neck and head: places in metres, each a child of the one before.
        picture_jpeg: The skin's colour.
        notice: Source and licence, stored as the asset's copyright.
    """
    writer = BinaryWriter()
    keys = list(materials)
    meshes = []
    nodes: list[dict[str, Any]] = []
    places = list(joints.values())
    for index, (name, place) in enumerate(joints.items()):
        offset = place - places[index - 1] if index else place
        node: dict[str, Any] = {"name": name, "translation": [float(v) for v in offset]}
        if index + 1 < len(places):
            node["children"] = [index + 1]
        nodes.append(node)
    roots = [0]
    for part in parts:
        meshes.append(_mesh(writer, part, keys))
        if part.head_weight is None:  # rigid with the skull: hung on the last joint
            back = [-float(v) for v in places[-1]]
            nodes[len(places) - 1].setdefault("children", []).append(len(nodes))
            nodes.append({"name": part.name, "mesh": len(meshes) - 1, "translation": back})
        else:
            roots.append(len(nodes))
            nodes.append({"name": part.name, "mesh": len(meshes) - 1, "skin": 0})
    inverse = np.tile(np.eye(4, dtype=np.float32), (len(places), 1, 1))
    inverse[:, 3, :3] = -np.array(places, np.float32)  # column-major: the translation is the last row
    bind = writer.add_array(inverse.reshape(len(places), 16), "MAT4", target=None)
    picture = writer.add_view(picture_jpeg)
    document = {
        "asset": {"version": "2.0", "generator": "au-edge engine_build.head_face", "copyright": notice},
        "extensionsUsed": ["KHR_mesh_quantization"],
        "extensionsRequired": ["KHR_mesh_quantization"],
        "scene": 0,
        "scenes": [{"nodes": roots}],
        "nodes": nodes,
        "meshes": meshes,
        "skins": [{"joints": list(range(len(places))), "inverseBindMatrices": bind, "skeleton": 0}],
        "materials": [dict(materials[key]) for key in keys],
        "textures": [{"source": 0, "sampler": 0}],
        "samplers": [{"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071}],
        "images": [{"bufferView": picture, "mimeType": "image/jpeg"}],
        "accessors": writer.accessors,
        "bufferViews": writer.views,
        "buffers": [{"byteLength": len(writer.payload)}],
    }
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    payload = bytes(writer.payload) + b"\0" * (-len(writer.payload) % 4)
    total = 12 + 8 + len(text) + 8 + len(payload)
    header = struct.pack("<4sII", b"glTF", 2, total)
    return (
        header + struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(payload), b"BIN\0") + payload
    )


def _mesh(writer: BinaryWriter, part: Part, material_keys: Sequence[str]) -> dict[str, Any]:
    part.drop_still_shapes()
    n_vertices = len(part.positions)
    normals = np.round(vertex_normals(part.positions, part.triangles) * 127.0).astype(np.int8)
    attributes = {
        "POSITION": writer.add_array(
            np.round(part.positions * 32767).astype(np.int16), "VEC3", normalised=True, bounds=True
        ),
        "NORMAL": writer.add_array(normals, "VEC3", normalised=True),
        "COLOR_0": writer.add_array(np.round(part.colours * 255).astype(np.uint8), "VEC4", normalised=True),
    }
    if part.uv is not None:
        uv = np.round(np.clip(part.uv, 0, 1) * 65535).astype(np.uint16)
        attributes["TEXCOORD_0"] = writer.add_array(uv, "VEC2", normalised=True)
    if part.head_weight is not None:
        head = part.head_weight
        neck = (1.0 - head) * (np.ones(n_vertices) if part.neck_weight is None else part.neck_weight)
        weights = np.zeros((n_vertices, 4), np.uint8)
        weights[:, 2] = np.round(head * 255)
        weights[:, 1] = np.minimum(np.round(neck * 255), 255 - weights[:, 2])
        weights[:, 0] = 255 - weights[:, 1] - weights[:, 2]
        numbers = np.tile(np.array([0, 1, 2, 0], np.uint8), (n_vertices, 1))
        numbers[weights == 0] = 0  # a joint without weight must be written as 0
        attributes["JOINTS_0"] = writer.add_array(numbers, "VEC4")
        attributes["WEIGHTS_0"] = writer.add_array(weights, "VEC4", normalised=True)
    primitive: dict[str, Any] = {
        "attributes": attributes,
        "indices": writer.add_array(
            part.triangles.reshape(-1).astype(np.uint16), "SCALAR", target=ELEMENT_ARRAY_BUFFER
        ),
        "material": material_keys.index(part.material),
    }
    mesh: dict[str, Any] = {"name": part.name, "primitives": [primitive]}
    if part.shapes:
        primitive["targets"] = [{"POSITION": writer.add_moves(moves)} for moves in part.shapes.values()]
        mesh["weights"] = [0.0] * len(part.shapes)
        mesh["extras"] = {"targetNames": list(part.shapes)}
    return mesh
