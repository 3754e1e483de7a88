"""`au-edge servo`: find an actuator's limits by hand, one at a time, slowly, and only while a key is held."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import ArgumentsError
from edge.machine.clock import SystemClock

if TYPE_CHECKING:
    from edge.robots.actuator_map import Actuator, ActuatorMap
    from edge.robots.driver import Driver


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.epilog = (
        "Examples:\n"
        "  au-edge servo jog robot.ini jaw                         move the jaw within its limits\n"
        "  au-edge servo sweep robot.ini jaw                       between its limits, while the space bar is held\n"
        "  au-edge servo calibrate robot.ini jaw --lowest 900 --highest 2100     find new limits\n"
        "Keep a hand on the power switch. An actuator moves only while a key is held, and slowly."
    )
    parser.add_argument("action", choices=("jog", "sweep", "calibrate"))
    parser.add_argument("map", type=Path, metavar="MAP", help="actuator map; see docs/robots.md")
    parser.add_argument("actuator", help="its name in the map")
    parser.add_argument("--lowest", type=float, help="calibrate: lowest position that may be tried")
    parser.add_argument("--highest", type=float, help="calibrate: highest position that may be tried")


def run(arguments: argparse.Namespace) -> int:
    """Move one actuator by hand."""
    from edge.robots.actuator_map import load_actuator_map
    from edge.robots.keyboard import Keyboard
    from edge.robots.servo import HandControl, calibration_limits, jog, sweep

    actuator_map = load_actuator_map(arguments.map)
    limits = None
    if arguments.action == "calibrate":
        if arguments.lowest is None or arguments.highest is None or arguments.lowest >= arguments.highest:
            raise ArgumentsError(
                "servo calibrate", "the range to try is not given", "Give --lowest and --highest, lowest first"
            )
        known = {actuator.name: actuator for actuator in actuator_map.actuators}
        if arguments.actuator in known:
            limits = calibration_limits(known[arguments.actuator], arguments.lowest, arguments.highest)
    control = HandControl(
        actuator_map, arguments.actuator, lambda actuator: _driver_of(actuator_map, actuator), SystemClock(), limits
    )
    with Keyboard() as keys:
        if arguments.action == "sweep":
            sweep(control, keys.read, sys.stdout)
        else:
            jog(control, keys.read, sys.stdout)
    print()
    return 0


def _driver_of(actuator_map: ActuatorMap, actuator: Actuator) -> Driver:
    from edge.app.receivers import make_robot_transport
    from edge.robots.assembly import make_driver

    return make_driver(actuator_map, make_robot_transport, [actuator])
