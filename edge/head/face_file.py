"""Look at a glTF binary before it is served: whether it is whole, and whether its shapes carry names that move.

Source: Khronos, glTF 2.0 specification, chapter 4 (GLB file format); `extras.targetNames` is the common convention.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path

from edge.bounded_file import read_bounded
from edge.vocabulary import ARKIT_APPLE

LARGEST_FACE_BYTES = 64 << 20
_HEADER = struct.Struct("<4sII")  # magic, version, length of the file
_CHUNK = struct.Struct("<I4s")  # length, kind


def channel_key(name: str) -> str:
    """Return a name as the page compares it: "EyeBlink_L" and "eyeBlinkLeft" are one channel."""
    for short, long in (("_L", "Left"), ("_R", "Right"), ("L", "Left"), ("R", "Right")):
        if name.endswith(short):
            name = name[: -len(short)] + long
            break
    return name.replace("_", "").lower()


_KNOWN = {channel_key(name) for name in ARKIT_APPLE}


def fault_of(path: Path) -> str | None:
    """Return what is wrong with a face, or None.

    Args:
        path: Of the file.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST_FACE_BYTES:
            return f"it has {size >> 20} MiB, more than {LARGEST_FACE_BYTES >> 20}"
        content = read_bounded(path, LARGEST_FACE_BYTES)
    except OSError as err:
        return f"it cannot be read: {err.strerror or err}"
    size = len(content)
    if len(content) < _HEADER.size + _CHUNK.size or content[:4] != b"glTF":
        return "it is no glTF binary"
    _, version, length = _HEADER.unpack_from(content)
    if version != 2:
        return f"it is glTF {version}, not 2"
    if length != size:
        return f"it has {size} bytes where its header says {length}: it was cut or changed"
    n_bytes, kind = _CHUNK.unpack_from(content, _HEADER.size)
    start = _HEADER.size + _CHUNK.size
    try:
        described = json.loads(content[start : start + n_bytes]) if kind == b"JSON" else None
    except (ValueError, RecursionError):
        described = None
    if not isinstance(described, dict):
        return "its description is damaged"
    names = _shape_names(described)
    if not names:
        return "it has no named shapes"
    if not any(channel_key(name) in _KNOWN for name in names):
        return f"none of its {len(names)} shapes has an ARKit name (found {', '.join(names[:3])})"
    return None


def _shape_names(described: dict[str, object]) -> list[str]:
    """Return the names of all morph targets."""
    meshes = described.get("meshes")
    names: list[str] = []
    for mesh in meshes if isinstance(meshes, list) else []:
        extras = mesh.get("extras") if isinstance(mesh, dict) else None
        found = extras.get("targetNames") if isinstance(extras, dict) else None
        names += [str(name) for name in found] if isinstance(found, list) else []
    return names
