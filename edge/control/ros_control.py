"""Wishes as ROS 2 messages, where rclpy is installed. Not run on a real ROS here, only against a double of rclpy.

`/face/mood` std_msgs/String ("happy" or "happy 0.5"), `/face/look` std_msgs/Float32MultiArray (yaw and pitch in
degrees; empty: freely again), `/face/gesture` std_msgs/String, `/face/rest` std_msgs/Bool (false ends the rest).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any

from edge.contracts import Expressive
from edge.control.hearing import Hearing

_log = logging.getLogger("au-edge.control")
NODE = "au_edge_control"
QUEUE_DEPTH = 10
SPIN_S = 0.2


class RosControl:
    """Hears ROS 2.

    Args:
        face: Whose wishes they are.
    """

    description = f"ROS 2 node {NODE}"

    def __init__(self, face: Expressive) -> None:
        self._hearing = Hearing(face, "ROS control")
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._context: Any = None
        self._node: Any = None

    def open(self) -> None:
        """Start the node; where ROS is missing it is said once, and the face goes on without."""
        try:
            import rclpy
            from rclpy.executors import SingleThreadedExecutor
            from std_msgs.msg import Bool, Float32MultiArray, String
        except ImportError as err:
            _log.warning("control.ros: ROS 2 is not here (%s); start in a shell in which ROS is sourced", err)
            return
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self._node = rclpy.create_node(NODE, context=self._context)
        take = self._hearing.take
        for kind, topic, read in (
            (String, "/face/mood", mood_wish),
            (Float32MultiArray, "/face/look", look_wish),
            (String, "/face/gesture", gesture_wish),
            (Bool, "/face/rest", rest_wish),
        ):
            self._node.create_subscription(
                kind, topic, lambda message, read=read: take(lambda: read(message)), QUEUE_DEPTH
            )
        executor = SingleThreadedExecutor(context=self._context)
        executor.add_node(self._node)
        self._thread = threading.Thread(target=self._run, args=(executor,), name="control-ros", daemon=True)
        self._thread.start()

    def _run(self, executor: Any) -> None:
        while not self._stop.is_set():
            executor.spin_once(timeout_sec=SPIN_S)

    def counters(self) -> Mapping[str, int]:
        """Return how many wishes were taken and refused."""
        return self._hearing.counters()

    def close(self) -> None:
        """Stop the node; may be called twice."""
        self._stop.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(2 * SPIN_S)
        if self._node is not None:
            import rclpy

            self._node.destroy_node()
            rclpy.shutdown(context=self._context)
            self._node = None


def mood_wish(message: Any) -> dict[str, object]:
    """Return the wish of a std_msgs/String: a mood and perhaps its amount.

    Raises:
        ValueError: It is neither.
    """
    words = str(message.data).split()
    if not 1 <= len(words) <= 2:
        raise ValueError(f"the mood is {message.data[:64]!r}; write `happy` or `happy 0.5`")
    return {"type": "mood", "mood": words[0], "amount": float(words[1]) if len(words) == 2 else 1.0}


def look_wish(message: Any) -> dict[str, object]:
    """Return the wish of a std_msgs/Float32MultiArray: yaw and pitch, or none.

    Raises:
        ValueError: It has another number of values.
    """
    angles = [float(angle) for angle in message.data]
    if len(angles) not in (0, 2):
        raise ValueError(f"a look has {len(angles)} numbers and not yaw and pitch")
    return {"type": "look", **dict(zip(("yaw_deg", "pitch_deg"), angles, strict=False))}


def gesture_wish(message: Any) -> dict[str, object]:
    """Return the wish of a std_msgs/String."""
    return {"type": "gesture", "gesture": str(message.data)}


def rest_wish(message: Any) -> dict[str, object]:
    """Return the wish of a std_msgs/Bool."""
    return {"type": "rest" if message.data else "wake"}
