"""A ROS 2 node as a receiver of frames, where rclpy is installed: FacialActionUnits where hri_msgs is, and JointState.

rclpy comes with ROS and not from a package index: start au-edge in a shell in which ROS is sourced.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

from edge.config.options import Option
from edge.errors import ConfigurationError
from edge.frames import AUFrame
from edge.robots.driver import driver_values
from edge.robots.ros_messages import ActionUnits, joint_positions, stamp

_LOG = logging.getLogger(__name__)
_QUEUE_DEPTH = 1  # an old face is of no use


class RosOutput:
    """Publishes faces.

    Args:
        name: As in the configuration.
        channels: Names in the frame's order.
        keys: See OPTIONS.

    Raises:
        ConfigurationError: A key is unknown or a value is not allowed.
    """

    OPTIONS: tuple[Option, ...] = (
        Option("node", "text", "au_edge", help="name of the node"),
        Option("frame_id", "text", "face_au_edge", help="frame of the header"),
        Option("units_topic", "text", "/humans/faces/au_edge/facs", help="FacialActionUnits; empty = none"),
        Option("joints_topic", "text", "/au_edge/joint_states", help="JointState of the head; empty = none"),
        Option("joints", "text", "head_pitch head_yaw head_roll", help="names of the joints, in this order"),
    )
    summary = "ROS 2: hri_msgs/FacialActionUnits (FACS proxies) and sensor_msgs/JointState, where rclpy is installed"

    def __init__(self, name: str, channels: Sequence[str], keys: Mapping[str, str]) -> None:
        self.name = name
        values = driver_values("ros", self.OPTIONS, keys)
        self._keys = {key: str(value) for key, value in values.items()}
        self._joints = self._keys["joints"].split()
        if len(self._joints) != 3:
            raise ConfigurationError(f"joints of output {name}", f"there are {len(self._joints)}", "Name three")
        self._units = ActionUnits(channels)
        self._node: Any = None
        self._context: Any = None
        self._units_message: Any = None
        self._joints_message: Any = None
        self._units_publisher: Any = None
        self._joints_publisher: Any = None
        self._counts = {"sent": 0, "failed": 0}

    @property
    def description(self) -> str:
        """Return one line for a person."""
        return f"{self.name}: ROS 2 node {self._keys['node']} ({self.state})"

    @property
    def state(self) -> str:
        """Return "up" while the node runs."""
        return "up" if self._node is not None else "down"

    def open(self) -> None:
        """Start the node; where ROS is missing it is said once and frames go on to the others."""
        if self._node is not None:
            return
        try:
            import rclpy
            from sensor_msgs.msg import JointState
        except ImportError as err:
            _LOG.warning("output %s: ROS 2 is not here (%s); start in a shell in which ROS is sourced", self.name, err)
            return
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self._node = rclpy.create_node(self._keys["node"], context=self._context)
        if self._keys["joints_topic"]:
            self._joints_message = JointState()
            self._joints_message.name = self._joints
            self._joints_publisher = self._node.create_publisher(JointState, self._keys["joints_topic"], _QUEUE_DEPTH)
        if self._keys["units_topic"]:
            self._open_units()

    def _open_units(self) -> None:
        try:
            from hri_msgs.msg import FacialActionUnits
        except ImportError:
            _LOG.warning("output %s: hri_msgs is not installed; only joints are published", self.name)
            return
        self._units_message = FacialActionUnits()
        self._units_publisher = self._node.create_publisher(FacialActionUnits, self._keys["units_topic"], _QUEUE_DEPTH)

    def send(self, frame: AUFrame) -> None:
        """Publish a frame."""
        if self._node is None:
            self._counts["failed"] += 1
            return
        seconds, nanoseconds = stamp(frame)
        for message in (self._units_message, self._joints_message):
            if message is not None:
                message.header.stamp.sec = seconds
                message.header.stamp.nanosec = nanoseconds
                message.header.frame_id = self._keys["frame_id"]
        if self._units_message is not None:
            self._units.take(frame)
            self._units_message.intensity = self._units.intensity
            self._units_message.confidence = self._units.confidence
            self._units_publisher.publish(self._units_message)
        if self._joints_message is not None:
            self._joints_message.position = [angle if math.isfinite(angle) else 0.0 for angle in joint_positions(frame)]
            self._joints_publisher.publish(self._joints_message)
        self._counts["sent"] += 1

    def pump(self) -> None:
        """Do nothing: nothing is kept back."""

    def counters(self) -> Mapping[str, int]:
        """Return counts since the start."""
        return dict(self._counts)

    def close(self) -> None:
        """Stop the node; may be called twice."""
        if self._node is not None:
            import rclpy

            self._node.destroy_node()
            rclpy.shutdown(context=self._context)
            self._node = self._units_message = self._joints_message = None
