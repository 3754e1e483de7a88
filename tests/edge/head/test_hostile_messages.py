"""Whatever a page, a sender or a face file says, it is understood or answered with a ValueError or a reason."""

from __future__ import annotations

import contextlib
import json
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.head.face_file import fault_of
from edge.head.pages import Pages
from edge.head.wire import pack_frame, read_drive, read_message
from edge.outputs.receiving import StreamDecoder
from edge.outputs.sound_datagram import read_sound
from tests.hostile import HUGE, fixed

NUMBERS = st.sampled_from(
    [HUGE, "-" + HUGE, "1e999", "-1e999", "NaN", "Infinity", "1e308", "0.5", "-1", "true", "null"]
)
JSON = st.recursive(
    NUMBERS | st.text(max_size=10).map(json.dumps) | st.just('"\\ud800"'),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]")
        | st.dictionaries(st.text(max_size=8).map(json.dumps), inner, max_size=3).map(
            lambda items: "{" + ",".join(f"{key}:{value}" for key, value in items.items()) + "}"
        )
    ),
    max_leaves=6,
)


@given(st.sampled_from(["drive", "ping", "sound", "no"]), JSON, JSON)
@fixed(150)
def test_any_message_of_a_page_is_a_face_in_range_or_refused(kind: str, au: str, head: str) -> None:
    for values, angles in ((au, f"[0,{head},0]"), (f'{{"a":{au}}}', head)):
        text = f'{{"type":"{kind}","au":{values},"head":{angles}}}'
        with contextlib.suppress(ValueError):
            drive = read_drive(read_message(text))
            assert all(0 <= value <= 1 for value in drive.au.values())
            assert all(-90 <= angle <= 90 for angle in drive.head_deg)


@given(st.text(max_size=100) | JSON)
@fixed(200)
def test_any_text_of_a_page_is_a_message_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        read_drive(read_message(text))


_TAIL = st.binary(max_size=200)
_STARTS = [b"", b"{", b"#bundle\0" + bytes(8), b"/face/au\0\0\0\0,ffff\0\0\0", b"AU\x01", b"AN\x01", b"AS\x01"]


@given(st.sampled_from(_STARTS), _TAIL)
@fixed(300)
def test_any_datagram_is_a_frame_that_can_be_shown_or_refused(start: bytes, tail: bytes) -> None:
    with contextlib.suppress(ValueError):
        frame = StreamDecoder().read(start + tail)
        if frame is not None:
            pack_frame(frame, 0.0)
    with contextlib.suppress(ValueError):
        read_sound(start + tail)


@given(JSON, JSON, JSON)
@fixed(150)
def test_any_json_frame_can_be_shown_or_is_refused(sequence: str, time: str, au: str) -> None:
    head = f'{{"pitch":0,"yaw":{time},"roll":0}}'
    text = f'{{"v":1,"seq":{sequence},"t":{time},"state":"live","au":{{"jawOpen":{au}}},"head":{head}}}'
    with contextlib.suppress(ValueError):
        frame = StreamDecoder().read(text.encode("utf-8", "surrogatepass"))
        if frame is not None:
            pack_frame(frame, 0.0)


def glb(description: str | bytes) -> bytes:
    chunk = description.encode() if isinstance(description, str) else description
    return struct.pack("<4sIII4s", b"glTF", 2, 20 + len(chunk), len(chunk), b"JSON") + chunk


@given(JSON)
@fixed(200)
def test_any_description_of_a_face_is_usable_or_has_a_fault(tmp_path: Path, text: str) -> None:
    path = tmp_path / "face.glb"
    for description in (text, f'{{"meshes":{text}}}', f'{{"meshes":[{{"extras":{{"targetNames":{text}}}}}]}}'):
        path.write_bytes(glb(description))
        fault_of(path)


@pytest.mark.parametrize("name", ["face.bin", "face", "face.html", "face.GLB", "face.txt"])
def test_a_face_is_one_by_what_it_holds_and_not_by_its_suffix(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(glb('{"meshes":[{"extras":{"targetNames":["jawOpen"]}}]}'))
    pages = Pages(["localhost"], str(path))
    pages.open()
    answer = pages.answer("/face.glb", "localhost", None, None)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "model/gltf-binary")
    assert answer.body == path.read_bytes()
