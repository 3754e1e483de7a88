"""The formats of other people's programs, read by software that nobody here wrote, and the sense of every axis."""

from __future__ import annotations

import importlib.util
import math
import re
import shutil
import socket
import subprocess
import time
from typing import Any

import numpy as np
import pytest

from edge.outputs.ifacialmocap import IFacialMocapCodec
from edge.outputs.live_link_face import LiveLinkFaceCodec
from edge.outputs.osc import OscCodec
from edge.outputs.vmc import VmcCodec, unity_quaternion
from edge.outputs.vrchat import VrchatCodec
from edge.vocabulary import ARKIT_ALPHABETICAL, ARKIT_APPLE
from tests.edge.outputs.faces import frame_with, golden, manifest_with, random_frame
from tests.ports import free_udp_port
from tests.requirements import need

MANIFEST = manifest_with(ARKIT_ALPHABETICAL)  # another order than any receiver's own


def osc_messages(datagrams: Any) -> list[tuple[str, list[Any]]]:
    from pythonosc.osc_packet import OscPacket

    return [(m.message.address, m.message.params) for d in datagrams for m in OscPacket(bytes(d)).messages]


@pytest.mark.parametrize(
    ("name", "codec", "head_deg", "options"),
    [
        ("vmc", VmcCodec, (0, 20, 0), {"neck_share": "0"}),
        ("vrchat", VrchatCodec, (0, 0, 0), {}),
        ("livelink", LiveLinkFaceCodec, (9, 18, 0), {
            "subject": "test", "device_id": "00000000-0000-0000-0000-000000000001",
        }),
        ("ifacialmocap", IFacialMocapCodec, (9, 18, 0), {}),
    ],
    ids=["vmc", "vrchat", "livelink", "ifacialmocap"],
)  # fmt: skip
def test_a_frame_has_its_golden_bytes(name: str, codec: type, head_deg: Any, options: dict[str, str]) -> None:
    (datagram,) = codec(manifest_with(["jawOpen"]), options).encode(frame_with([0.25], head_deg))
    assert bytes(datagram) == golden(f"{name}_frame")


# VMC


def test_vmcp_with_osc4py3_receives_every_blend_shape_the_bones_and_the_end_of_the_frame() -> None:
    need("vmcp", importlib.util.find_spec("vmcp") is not None, "pip install vmcp osc4py3 (AGPL; for tests only)")
    from vmcp.events import BlendShapeApplyEvent, BlendShapeEvent, BoneTransformEvent, StateEvent
    from vmcp.facades import on_receive
    from vmcp.osc import OSC
    from vmcp.osc.backend.osc4py3 import as_comthreads
    from vmcp.typing import BlendShapeKey

    pascal = [name[0].upper() + name[1:] for name in ARKIT_ALPHABETICAL]
    BlendShapeKey("Keys", {name: name for name in pascal})  # vmcp wants the avatar's keys known
    frame = random_frame(3)
    events: list[Any] = []
    port = free_udp_port()
    osc = OSC(as_comthreads)
    with osc.open():
        receiver = osc.create_receiver("127.0.0.1", port, "receiver").open()
        for kind in (BoneTransformEvent, BlendShapeApplyEvent, StateEvent):
            on_receive(receiver, kind, events.append)
        shapes: dict[str, float] = {}
        receiver.register_handler(BlendShapeEvent.ADDRESS_PATTERN, lambda name, value: shapes.__setitem__(name, value))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for datagram in VmcCodec(MANIFEST, {"neck_share": "0.25"}).encode(frame):
                sender.sendto(datagram, ("127.0.0.1", port))
        end_s = time.monotonic() + 60.0
        while not any(isinstance(event, BlendShapeApplyEvent) for event in events) and time.monotonic() < end_s:
            osc.run()
            time.sleep(0.01)
    osc.close()
    assert shapes == dict(zip(pascal, frame.activations.tolist(), strict=True))
    bones = {event.joint.value: event.rotation for event in events if isinstance(event, BoneTransformEvent)}
    pitch, yaw, roll = frame.head_deg.tolist()
    for bone, share in (("Neck", 0.25), ("Head", 0.75)):
        q, expected = bones[bone], unity_quaternion(share * pitch, share * yaw, share * roll)
        assert (q.x, q.y, q.z, q.w) == pytest.approx(expected, abs=1e-6)
    assert any(isinstance(event, StateEvent) for event in events)


def rotated(quaternion: tuple[float, ...], vector: tuple[float, ...]) -> Any:
    """Return q v q*, the rotation that Unity's `quaternion * vector` is."""
    x, y, z, w = quaternion
    axis, v = np.array([x, y, z]), np.array(vector, float)
    return v + 2 * np.cross(axis, np.cross(axis, v) + w * v)


# Unity: x to the avatar's right, y up, z forward.
@pytest.mark.parametrize(
    ("head_deg", "vector", "becomes"),
    [
        ((0, 90, 0), (0, 0, 1), (-1, 0, 0)),
        ((90, 0, 0), (0, 0, 1), (0, 1, 0)),
        ((0, 0, 90), (0, 1, 0), (1, 0, 0)),
        ((45, 90, 0), (0, 0, 1), (-math.sqrt(0.5), math.sqrt(0.5), 0)),
        ((0, 90, 90), (0, 1, 0), (0, 0, 1)),
    ],
    ids=["yaw left", "nod up", "roll to the right", "nod up, then yaw left", "roll right, then yaw left"],
)
def test_the_vmc_head_turns_as_the_frame_says(head_deg: Any, vector: Any, becomes: Any) -> None:
    assert rotated(unity_quaternion(*head_deg), vector) == pytest.approx(becomes, abs=1e-9)


def test_vmc_vowels_follow_the_mouth() -> None:
    codec = VmcCodec(MANIFEST, {"keys": "vowels"})

    def vowel_of(**shapes: float) -> str:
        frame = frame_with([shapes.get(name, 0.0) for name in ARKIT_ALPHABETICAL])
        values = {p[0]: p[1] for address, p in osc_messages(codec.encode(frame)) if address.endswith("Val")}
        assert set(values) >= {"A", "I", "U", "E", "O", "Blink_L", "Blink_R"}
        return max("AIUEO", key=lambda key: float(values[key]))

    assert vowel_of(jawOpen=0.7) == "A"
    assert vowel_of(mouthPucker=0.8, jawOpen=0.1) == "U"
    assert vowel_of(mouthFunnel=0.8, jawOpen=0.3) == "O"
    assert vowel_of(mouthStretchLeft=0.6, mouthStretchRight=0.6, jawOpen=0.1) == "I"


def test_the_last_message_of_a_vmc_frame_applies_it() -> None:
    for keys in ("perfect-sync", "vowels", "both"):
        assert osc_messages(VmcCodec(MANIFEST, {"keys": keys}).encode(random_frame(1)))[-1] == (
            "/VMC/Ext/Blend/Apply",
            [],
        )


# VRChat


def test_vrchat_parameters_are_floats_under_the_avatars_prefix() -> None:
    frame = random_frame(4)
    found = dict(osc_messages(VrchatCodec(MANIFEST, {"prefix": "FT"}).encode(frame)))
    value = dict(zip(ARKIT_ALPHABETICAL, frame.activations.tolist(), strict=True))
    stem = "/avatar/parameters/FT/v2/"
    for name, channel in (
        ("JawOpen", "jawOpen"),
        ("EyeClosedLeft", "eyeBlinkLeft"),
        ("LipSuckUpper", "mouthRollUpper"),
        ("MouthRaiserLower", "mouthShrugLower"),
        ("BrowInnerUp", "browInnerUp"),
    ):
        assert found[stem + name] == [value[channel]]
    assert found[stem + "JawX"] == pytest.approx([value["jawRight"] - value["jawLeft"]], abs=1e-6)
    assert all(len(p) == 1 and isinstance(p[0], float) and -1 <= p[0] <= 1 for p in found.values())


@pytest.mark.parametrize(("blink", "wide", "lid"), [(0, 0, 0.75), (1, 0, 0), (1, 1, 0), (0, 1, 1)])
def test_a_vrchat_lid_is_closed_open_or_wide(blink: float, wide: float, lid: float) -> None:
    codec = VrchatCodec(manifest_with(["eyeBlinkLeft", "eyeWideLeft"]), {})
    found = dict(osc_messages(codec.encode(frame_with([blink, wide]))))
    assert found["/avatar/parameters/v2/EyeLidLeft"] == [pytest.approx(lid)]


# Live Link Face


def test_pylivelinkface_reads_every_shape_by_its_name() -> None:
    need("pylivelinkface", importlib.util.find_spec("pylivelinkface") is not None, "pip install pylivelinkface")
    from pylivelinkface import FaceBlendShape, PyLiveLinkFace

    frame = random_frame(5)
    frame.head_deg[:] = (18.0, -36.0, 9.0)
    (datagram,) = LiveLinkFaceCodec(MANIFEST, {"subject": "Robot"}).encode(frame)
    has_face, face = PyLiveLinkFace.decode(bytes(datagram))
    assert has_face
    assert face.name == "Robot"
    value = dict(zip(ARKIT_ALPHABETICAL, frame.activations.tolist(), strict=True))
    for name in ARKIT_APPLE:
        assert face.get_blendshape(FaceBlendShape[name[0].upper() + name[1:]]) == value[name]
    head = [face.get_blendshape(FaceBlendShape[f"Head{axis}"]) for axis in ("Pitch", "Yaw", "Roll")]
    assert head == pytest.approx(np.deg2rad([18.0, -36.0, 9.0]).tolist())


def live_link_values(shapes: dict[str, float], head_deg: Any = (0, 0, 0), **options: str) -> Any:
    codec = LiveLinkFaceCodec(manifest_with(list(shapes)), options)
    (datagram,) = codec.encode(frame_with(list(shapes.values()), head_deg))
    return np.frombuffer(bytes(datagram), ">f4", 61, len(datagram) - 244)


# Rows of a take that the iPhone application recorded (public, see docs/protocols.md): looks and angles of both eyes.
RECORDED = {
    "left and up": ({"OutLeft": 0.466, "InRight": 0.562, "UpLeft": 0.360, "UpRight": 0.353}, (-0.339, -0.163), -0.281),
    "ahead and up": ({"InLeft": 0.025, "InRight": 0.081, "UpLeft": 0.375, "UpRight": 0.374}, (-0.049, -0.163), 0.015),
    "ahead, down": ({"InLeft": 0.066, "InRight": 0.042, "DownLeft": 0.248, "DownRight": 0.248}, (-0.025, 0.151), 0.040),
}


@pytest.mark.parametrize(("first", "second"), [("left and up", "ahead and up"), ("ahead and up", "ahead, down")])
def test_live_link_eyes_turn_as_they_do_in_a_recording_of_the_application(first: str, second: str) -> None:
    """Compared is the change from one look to another: how a straight look is measured differs by some degrees."""
    ours, theirs = [], []
    for shapes, (yaw, pitch), right_yaw in (RECORDED[first], RECORDED[second]):
        values = live_link_values({f"eyeLook{name}": value for name, value in shapes.items()})
        ours.append(values[[55, 56, 58]])
        theirs.append(np.array([yaw, pitch, right_yaw]))
    change, recorded = ours[1] - ours[0], theirs[1] - theirs[0]
    for axis in np.flatnonzero(np.abs(recorded) > 0.1):
        assert change[axis] == pytest.approx(recorded[axis], rel=0.3)


def test_live_link_axes_can_be_turned_round_and_the_unit_be_half_turns() -> None:
    assert live_link_values({"jawOpen": 0.0}, [0, 18, 0])[52] == pytest.approx(math.radians(18))
    assert live_link_values({"jawOpen": 0.0}, [0, 18, 0], invert_yaw="yes")[52] == pytest.approx(-math.radians(18))
    assert live_link_values({"jawOpen": 0.0}, [9, 0, 0], angles="half-turns")[53] == pytest.approx(0.05)


def test_the_live_link_time_code_is_the_capture_time() -> None:
    codec = LiveLinkFaceCodec(manifest_with(["jawOpen"]), {"subject": "s"})
    times = []
    for capture_unix_s in (1_700_000_000.0, 1_700_000_000.0125, 1_700_000_001.0):
        frame = frame_with([0.0])
        frame.capture_unix_s = capture_unix_s
        (datagram,) = codec.encode(frame)
        at = 1 + 4 + 36 + 4 + 1
        whole, part = int.from_bytes(datagram[at : at + 4], "big"), np.frombuffer(bytes(datagram), ">f4", 1, at + 4)[0]
        times.append((whole + float(part)) / 30)
    assert times[1] - times[0] == pytest.approx(0.0125, abs=1e-6)
    assert times[2] - times[0] == pytest.approx(1.0, abs=1e-6)


# iFacialMocap: no reader in any registry, so this one is written from the description of the form.


def ifacialmocap_values(text: str) -> tuple[dict[str, int], dict[str, list[float]]]:
    shapes, _, rest = text.partition("=")
    values = {k: int(v) for k, v in re.findall(r"([A-Za-z_]+)-(\d+)\|", shapes)}
    angles = {k: [float(x) for x in v.split(",")] for k, v in re.findall(r"([A-Za-z]+)#([-\d.,]+)\|", rest)}
    return values, angles


def test_ifacialmocap_text_has_every_shape_in_percent_and_the_head_in_degrees() -> None:
    frame = random_frame(6)
    (datagram,) = IFacialMocapCodec(MANIFEST, {}).encode(frame)
    values, angles = ifacialmocap_values(bytes(datagram).decode("ascii"))
    assert len(values) == 52
    assert {"mouthSmile_R", "eyeLookOut_L", "mouthLeft", "jawRight", "browInnerUp"} <= values.keys()
    value = dict(zip(ARKIT_ALPHABETICAL, frame.activations.tolist(), strict=True))
    assert values["mouthSmile_R"] == round(100 * value["mouthSmileRight"])
    assert values["mouthLeft"] == round(100 * value["mouthLeft"])
    pitch, yaw, roll = frame.head_deg.tolist()
    assert angles["head"] == pytest.approx([-pitch, yaw, roll, 0, 0, 0], abs=0.006)
    assert set(angles) == {"head", "rightEye", "leftEye"}


@pytest.mark.parametrize(
    ("head_deg", "vector", "becomes"),
    [((0, 90, 0), (0, 0, 1), (-1, 0, 0)), ((90, 0, 0), (0, 0, 1), (0, 1, 0)), ((0, 0, 90), (0, 1, 0), (1, 0, 0))],
    ids=["yaw left", "nod up", "roll to the right"],
)
def test_the_makers_own_script_for_unity_turns_the_head_as_the_frame_says(
    head_deg: Any, vector: Any, becomes: Any
) -> None:
    (datagram,) = IFacialMocapCodec(MANIFEST, {}).encode(frame_with([0.0] * 52, head_deg))
    x, y, z = ifacialmocap_values(bytes(datagram).decode())[1]["head"][:3]
    # It applies Quaternion.Euler(x, -y, -z), and `unity_quaternion` is Quaternion.Euler(-pitch, -yaw, -roll).
    assert rotated(unity_quaternion(-x, y, z), vector) == pytest.approx(becomes, abs=1e-9)


def test_ifacialmocap_eyes_turn_as_in_the_frame_on_the_makers_page_and_another_recorded_one() -> None:
    """Of two frames that the application sent: looks in percent, and the eyes' x and y in degrees."""
    eyes = []
    for in_right, in_left, down in ((6, 4, 17), (12, 0, 15)):
        shapes = dict.fromkeys(ARKIT_ALPHABETICAL, 0.0)
        shapes |= {"eyeLookInRight": in_right / 100, "eyeLookInLeft": in_left / 100}
        shapes |= {"eyeLookDownLeft": down / 100, "eyeLookDownRight": down / 100}
        (datagram,) = IFacialMocapCodec(MANIFEST, {}).encode(frame_with(list(shapes.values())))
        angles = ifacialmocap_values(bytes(datagram).decode())[1]
        assert angles["rightEye"][0] == angles["leftEye"][0] == pytest.approx(6.03 if down == 17 else 5.3, rel=0.2)
        eyes.append(angles)
    for name, change in (("rightEye", 4.23 - 2.44), ("leftEye", 0.33 + 1.67)):
        assert eyes[1][name][1] - eyes[0][name][1] == pytest.approx(change, rel=0.5)


# Pure Data, which patchers use


def test_pure_data_reads_our_osc() -> None:
    need("puredata", shutil.which("pd") is not None, "apt install puredata-core")
    from pathlib import Path
    from tempfile import TemporaryDirectory

    port = free_udp_port()
    patch = (
        "#N canvas 0 0 400 300 10;\n"
        f"#X obj 10 10 netreceive -u -b {port};\n#X obj 10 40 oscparse;\n#X obj 10 70 print osc;\n"
        "#X connect 0 0 1 0;\n#X connect 1 0 2 0;\n"
    )
    codec = OscCodec(manifest_with(["jawOpen", "mouthClose"]), {})
    with TemporaryDirectory() as folder:
        path = Path(folder) / "receive.pd"
        path.write_text(patch)
        command = ["pd", "-nogui", "-noaudio", "-nomidi", "-noprefs", "-stderr", str(path)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as pd:
            try:
                for _ in range(200):
                    if f":{port:04X} " in Path("/proc/net/udp").read_text() + Path("/proc/net/udp6").read_text():
                        break
                    time.sleep(0.02)
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                    for _ in range(20):
                        for datagram in codec.encode(frame_with([0.25, 1.0], [10, -20, 0.5])):
                            sender.sendto(datagram, ("127.0.0.1", port))
                        time.sleep(0.02)
                time.sleep(0.3)
            finally:
                pd.terminate()
            assert pd.stderr is not None
            printed = pd.stderr.read()
    assert "osc: list face au 0.25 1" in printed
    assert "osc: list face head 10 -20 0.5" in printed
    assert re.search(r"osc: list face info 7 1.7e\+09 250000 live", printed)
