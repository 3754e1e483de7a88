"""Ways to hear an application, made from the configuration; none unless it asks for one."""

from __future__ import annotations

from edge.config.settings import ControlSettings
from edge.contracts import Control, Expressive


def make_controls(settings: ControlSettings, face: Expressive) -> list[Control]:
    """Make them, closed.

    Args:
        settings: Which.
        face: Whose wishes they hear.

    Raises:
        ConfigurationError: An address is none.
    """
    controls: list[Control] = []
    if settings.osc:
        from edge.control.osc_control import OscControl

        controls.append(OscControl(face, settings.osc))
    if settings.ros:
        from edge.control.ros_control import RosControl

        controls.append(RosControl(face))
    return controls
