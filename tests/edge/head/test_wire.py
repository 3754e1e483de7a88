"""The page gets what came, byte for byte as documented; what it sends is brought into range or refused."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest

from edge.frames import State
from edge.head.wire import pack_frame, pack_sound, read_drive, read_message
from edge.outputs.received import ReceivedFrame


def test_a_frame_has_the_documented_bytes() -> None:
    frame = ReceivedFrame("osc", (0.25, 1.0), ("a", "b"), (1.5, -2.0, 3.0), 7, 2**31, 1e9 + 0.25, State.HELD)
    packed = pack_frame(frame, 1e9 + 0.5)
    assert packed == (
        b"\x01\x02" + struct.pack("<HI", 2, 7) + struct.pack("<dd", 1e9 + 0.25, 1e9 + 0.5)
        + struct.pack("<4f", 1.5, -2.0, 3.0, 0.0) + struct.pack("<2f", 0.25, 1.0)
    )  # fmt: skip


def test_sound_is_rounded_and_clipped_to_sixteen_bits() -> None:
    packed = pack_sound(np.array([0.0, 0.5, 1.0, -1.0, 2.0, -2.0], np.float32), 44_100, 1e9)
    assert packed[:16] == b"\x02\0\0\0" + struct.pack("<Id", 44_100, 1e9)
    assert np.frombuffer(packed[16:], "<i2").tolist() == [0, 16384, 32767, -32767, 32767, -32768]


@pytest.mark.parametrize("text", ["", "x", "[]", "3", "{}", '{"type": 3}', "[" * 100_000])
def test_what_is_no_message_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        read_message(text)


def test_a_face_set_by_hand_is_brought_into_range() -> None:
    drive = read_drive({"au": {"jawOpen": 7, "mouthClose": -1.0, "x" * 100: 0.5}, "head": [500, 0, -500]})
    assert drive.au == {"jawOpen": 1.0, "mouthClose": 0.0, "x" * 64: 0.5}
    assert drive.head_deg == (90.0, 0.0, -90.0)


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"au": [], "head": [0, 0, 0]},
        {"au": {}, "head": [0, 0]},
        {"au": {"a": "1"}, "head": [0, 0, 0]},
        {"au": {"a": True}, "head": [0, 0, 0]},
        {"au": json.loads('{"a": NaN}'), "head": [0, 0, 0]},
        {"au": json.loads('{"a": Infinity}'), "head": [0, 0, 0]},
        {"au": {}, "head": [0, None, 0]},
        {"au": {f"c{i}": 0 for i in range(600)}, "head": [0, 0, 0]},
    ],
    ids=["empty", "list", "two angles", "text", "bool", "nan", "inf", "none", "too many"],
)
def test_what_is_no_face_is_refused(message: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        read_drive(message)
