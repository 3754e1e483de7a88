"""ROS 2 messages as wishes, against a double of rclpy: no real ROS ran this."""

from __future__ import annotations

import logging
import sys
import threading
import types
from collections.abc import Callable
from typing import Any

import pytest

from edge.contracts import Control
from edge.control.ros_control import RosControl
from tests.edge.control.test_osc_control import Face


class _Node:
    def __init__(self) -> None:
        self.callbacks: dict[str, tuple[type, Callable[[Any], None]]] = {}
        self.is_destroyed = False

    def create_subscription(self, kind: type, topic: str, callback: Callable[[Any], None], depth: int) -> None:
        assert depth > 0
        self.callbacks[topic] = (kind, callback)

    def destroy_node(self) -> None:
        self.is_destroyed = True


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> _Node:
    node, live = _Node(), {"n": 0}
    rclpy: Any = types.ModuleType("rclpy")
    executors: Any = types.ModuleType("rclpy.executors")
    messages: Any = types.ModuleType("std_msgs.msg")

    class Executor:
        def __init__(self, context: object) -> None:
            self.nodes: list[object] = []

        def add_node(self, added: object) -> None:
            self.nodes.append(added)

        def spin_once(self, timeout_sec: float) -> None:
            assert self.nodes == [node]
            threading.Event().wait(0.01)

    def init(context: object) -> None:
        live["n"] += 1

    def shutdown(context: object) -> None:
        live["n"] -= 1

    rclpy.Context, rclpy.init, rclpy.shutdown = object, init, shutdown
    rclpy.create_node = lambda name, context: node
    executors.SingleThreadedExecutor = Executor
    for name in ("Bool", "Float32MultiArray", "String"):
        setattr(messages, name, type(name, (), {}))
    for name, module in (
        ("rclpy", rclpy), ("rclpy.executors", executors), ("std_msgs", types.ModuleType("std_msgs")),
        ("std_msgs.msg", messages),
    ):  # fmt: skip
        monkeypatch.setitem(sys.modules, name, module)
    return node


def say(node: _Node, topic: str, data: object) -> None:
    node.callbacks[topic][1](types.SimpleNamespace(data=data))


def test_topics_are_wishes(node: _Node) -> None:
    face = Face()
    control = RosControl(face)
    assert isinstance(control, Control)
    control.open()
    try:
        assert {topic: kind.__name__ for topic, (kind, _) in node.callbacks.items()} == {
            "/face/mood": "String", "/face/look": "Float32MultiArray", "/face/gesture": "String", "/face/rest": "Bool",
        }  # fmt: skip
        say(node, "/face/mood", "happy 0.5")
        say(node, "/face/mood", "sad")
        say(node, "/face/look", [10.0, -5.0])
        say(node, "/face/look", [])
        say(node, "/face/gesture", "nod")
        say(node, "/face/rest", True)
        say(node, "/face/rest", False)
    finally:
        control.close()
        control.close()
    assert face.asked == [
        ("mood", "happy", 0.5), ("mood", "sad", 1.0), ("look", 10.0, -5.0), ("look", None, None), ("gesture", "nod"),
        ("rest",), ("wake",),
    ]  # fmt: skip
    assert node.is_destroyed


def test_bad_messages_are_counted_told_once_and_raise_nothing(node: _Node, caplog: pytest.LogCaptureFixture) -> None:
    face = Face()
    control = RosControl(face)
    control.open()
    for topic, data in (
        ("/face/mood", ""), ("/face/mood", "happy very much"), ("/face/mood", "happy much"), ("/face/mood", "grumpy"),
        ("/face/look", [1.0]), ("/face/look", [1.0, 2.0, 3.0]), ("/face/gesture", "wave"),
    ):  # fmt: skip
        say(node, topic, data)
    control.close()
    assert face.asked == []
    assert control.counters() == {"taken": 0, "refused": 7}
    assert sum("ROS control" in record.getMessage() for record in caplog.records) == 1


def test_without_ros_the_face_goes_on(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setitem(sys.modules, "rclpy", None)
    caplog.set_level(logging.WARNING)
    control = RosControl(Face())
    control.open()
    control.close()
    assert "ROS is sourced" in caplog.text
