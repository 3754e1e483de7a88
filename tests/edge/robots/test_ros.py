"""What goes to ROS is read by rosbags as the message definitions say, and the node works where there is a ROS."""

from __future__ import annotations

import importlib.util
import logging
import math
import sys
import types
from typing import Any

import numpy as np
import pytest

from edge.contracts import FrameOutput
from edge.frames import AUFrame, State
from edge.robots.ros_messages import (
    N_UNITS,
    ActionUnits,
    encode_action_units,
    encode_joint_state,
    joint_positions,
    stamp,
)
from edge.robots.ros_output import RosOutput
from edge.vocabulary import ARKIT_ALPHABETICAL, FACS_PROXIES
from tests.edge.outputs.faces import frame_with, random_frame
from tests.requirements import need

# The definition of ROS 2 (hri_msgs 2.0).
DEFINITION = "std_msgs/Header header\nfloat32[99] intensity\nfloat32[99] confidence\n"


@pytest.fixture(scope="module")
def typestore() -> Any:
    need("rosbags", importlib.util.find_spec("rosbags") is not None, "pip install rosbags")
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS2_HUMBLE)
    store.register(get_types_from_msg(DEFINITION, "hri_msgs/msg/FacialActionUnits"))
    return store


@pytest.mark.parametrize("frame_id", ["", "f", "fa", "fac", "face", "face_au_edge"])
def test_rosbags_reads_the_action_units_and_writes_the_same_bytes(typestore: Any, frame_id: str) -> None:
    frame = random_frame(1)
    units = ActionUnits(ARKIT_ALPHABETICAL)
    units.take(frame)
    encoded = encode_action_units(units, stamp(frame), frame_id)
    message = typestore.deserialize_cdr(encoded, "hri_msgs/msg/FacialActionUnits")
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (1_700_000_000, 250_000_000)
    assert message.header.frame_id == frame_id
    value = dict(zip(ARKIT_ALPHABETICAL, frame.activations.tolist(), strict=True))
    for unit, names in FACS_PROXIES.items():
        assert message.intensity[unit] == pytest.approx(np.mean([value[name] for name in names]), abs=1e-6)
        assert message.confidence[unit] == 1
    assert bytes(typestore.serialize_cdr(message, "hri_msgs/msg/FacialActionUnits")) == encoded


@pytest.mark.parametrize("names", [["a"], ["ab", "abc"], ["head_pitch", "head_yaw", "head_roll"]])
@pytest.mark.parametrize("frame_id", ["", "face"])
def test_rosbags_reads_the_joints_and_writes_the_same_bytes(typestore: Any, names: list[str], frame_id: str) -> None:
    angles = [0.1 * (index + 1) for index in range(len(names))]
    encoded = encode_joint_state(names, angles, (5, 6), frame_id)
    message = typestore.deserialize_cdr(encoded, "sensor_msgs/msg/JointState")
    assert (message.name, message.position.tolist()) == (names, angles)
    assert len(message.velocity) == len(message.effort) == 0
    assert bytes(typestore.serialize_cdr(message, "sensor_msgs/msg/JointState")) == encoded


@pytest.mark.parametrize(
    ("head_deg", "unit"),
    [((0, 15, 0), 51), ((0, -15, 0), 52), ((15, 0, 0), 53), ((-15, 0, 0), 54), ((0, 0, -15), 55), ((0, 0, 15), 56)],
    ids=["turn left", "turn right", "up", "down", "tilt left", "tilt right"],
)
def test_a_turn_of_the_head_is_one_unit(head_deg: Any, unit: int) -> None:
    units = ActionUnits(ARKIT_ALPHABETICAL)
    units.take(frame_with([0.0] * 52, head_deg, State.SILENCE))
    assert {n: v for n, v in enumerate(units.intensity.tolist()) if v} == {unit: 0.5}


def test_lips_part_with_the_jaw_unless_they_are_closed_and_speech_is_a_unit() -> None:
    units = ActionUnits(["jawOpen", "mouthClose"])
    units.take(frame_with([0.6, 0.0]))
    assert units.intensity[[25, 26, 50]] == pytest.approx([0.6, 0.6, 1.0])
    units.take(frame_with([0.6, 0.6], state=State.SILENCE))
    assert units.intensity[[25, 26, 50]] == pytest.approx([0.0, 0.6, 0.0])
    assert units.confidence.sum() == 2 + 6 + 1


def test_what_is_no_number_is_0_for_ros_too() -> None:
    units = ActionUnits(ARKIT_ALPHABETICAL)
    frame = frame_with([math.nan] * 52, [math.nan] * 3, State.SILENCE)
    units.take(frame)
    assert not units.intensity.any()
    assert joint_positions(frame) == (0, 0, 0)


def test_joints_turn_as_rep_103_says() -> None:
    pitch, yaw, roll = joint_positions(frame_with([0.0], [90, 90, 90]))
    assert (pitch, yaw, roll) == pytest.approx((-math.pi / 2, math.pi / 2, math.pi / 2))  # nose down, left, right


class Message:
    def __init__(self) -> None:
        self.header = types.SimpleNamespace(stamp=types.SimpleNamespace(sec=0, nanosec=0), frame_id="")


def put_ros_here(monkeypatch: pytest.MonkeyPatch, with_hri: bool) -> dict[str, list[Any]]:
    """Put a ROS in place that keeps what is published by topic."""
    published: dict[str, list[Any]] = {}

    class Node:
        def create_publisher(self, kind: type, topic: str, depth: int) -> Any:
            published[topic] = []
            return types.SimpleNamespace(publish=lambda m: published[topic].append(dict(m.__dict__)))

        def destroy_node(self) -> None: ...

    rclpy = types.ModuleType("rclpy")
    rclpy.Context = object  # type: ignore[attr-defined]
    rclpy.init = lambda context: None  # type: ignore[attr-defined]
    rclpy.shutdown = lambda context: None  # type: ignore[attr-defined]
    rclpy.create_node = lambda name, context: Node()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "rclpy", rclpy)
    for package, kind in (("sensor_msgs", "JointState"), ("hri_msgs", "FacialActionUnits")):
        module = types.ModuleType(f"{package}.msg")
        setattr(module, kind, type(kind, (Message,), {}))
        is_here = package == "sensor_msgs" or with_hri
        monkeypatch.setitem(sys.modules, package, types.ModuleType(package))
        monkeypatch.setitem(sys.modules, f"{package}.msg", module if is_here else None)  # type: ignore[arg-type]
    return published


@pytest.mark.parametrize("with_hri", [True, False])
def test_a_node_publishes_what_is_installed(monkeypatch: pytest.MonkeyPatch, with_hri: bool) -> None:
    published = put_ros_here(monkeypatch, with_hri)
    output = RosOutput("ros", ARKIT_ALPHABETICAL, {})
    assert isinstance(output, FrameOutput)
    output.open()
    output.send(random_frame(1))
    output.close()
    output.close()
    assert len(published["/au_edge/joint_states"]) == 1
    assert published["/au_edge/joint_states"][0]["name"] == ["head_pitch", "head_yaw", "head_roll"]
    assert ("/humans/faces/au_edge/facs" in published) == with_hri
    if with_hri:
        (message,) = published["/humans/faces/au_edge/facs"]
        assert len(message["intensity"]) == len(message["confidence"]) == N_UNITS
    assert output.counters() == {"sent": 1, "failed": 0}


def test_without_ros_it_is_said_once_and_nothing_breaks(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "rclpy", None)
    output = RosOutput("ros", ["jawOpen"], {})
    output.open()
    for _ in range(3):
        output.send(AUFrame.neutral(1))
    assert len(caplog.records) == 1
    assert "sourced" in caplog.text
    assert logging.getLevelName(caplog.records[0].levelno) == "WARNING"
    assert output.counters()["failed"] == 3
