"""A face that could not be shown is refused at the start, with what is wrong; one that can be shown is not."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from edge.errors import InputError
from edge.head.face_file import LARGEST_FACE_BYTES, channel_key, fault_of
from edge.head.pages import STATIC, Pages

OURS = (STATIC / "face.glb").read_bytes()


def glb(described: object, version: int = 2) -> bytes:
    """Return a glTF binary of nothing but its description."""
    text = described if isinstance(described, bytes) else json.dumps(described).encode()
    text += b" " * (-len(text) % 4)
    return struct.pack("<4sII", b"glTF", version, 20 + len(text)) + struct.pack("<I4s", len(text), b"JSON") + text


def named(*names: str) -> bytes:
    return glb({"asset": {"version": "2.0"}, "meshes": [{"extras": {"targetNames": list(names)}}]})


@pytest.mark.parametrize("content", [OURS, named("jawOpen"), named("Smile", "EyeBlink_L"), named("eyeBlinkLeft")])
def test_a_face_with_arkit_names_is_taken(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "f.glb").write_bytes(content)
    assert fault_of(tmp_path / "f.glb") is None
    Pages(["localhost"], str(tmp_path)).open()


BAD = {
    "empty": (b"", "no glTF"), "text": (b"solid face\n" * 9, "no glTF"), "cut": (OURS[:-1000], "cut"),
    "padded": (OURS + b"x", "cut"), "old": (glb({}, version=1), "glTF 1"), "damaged": (glb(b"{" * 4000), "damaged"),
    "no object": (glb([1]), "damaged"),
    "odd": (glb({"meshes": [1, {"extras": 3}, {"extras": {"targetNames": 4}}]}), "no n"),
    "still": (glb({"meshes": [{}]}), "no named"), "other names": (named("A", "I", "U", "E"), "A, I, U"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_could_not_be_shown_is_told(name: str, tmp_path: Path) -> None:
    content, found = BAD[name]
    (tmp_path / "f.glb").write_bytes(content)
    with pytest.raises(InputError, match=found):
        Pages(["localhost"], str(tmp_path / "f.glb")).open()


def test_a_file_too_large_to_serve_is_not_even_read(tmp_path: Path) -> None:
    with (tmp_path / "f.glb").open("wb") as file:
        file.write(b"glTF")
        file.truncate(LARGEST_FACE_BYTES + (1 << 20))  # sparse: it takes no space
    assert fault_of(tmp_path / "f.glb") == "it has 65 MiB, more than 64"


def test_every_spelling_is_one_channel() -> None:
    assert {channel_key(name) for name in ("eyeBlink_L", "EyeBlinkLeft", "eyeBlinkLeft", "EYE_BLINK_L")} == {
        "eyeblinkleft"
    }
