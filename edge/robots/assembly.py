"""Put a robot together from its map: the table of drivers, and what each needs beside its keys."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edge.config.options import did_you_mean
from edge.contracts import Clock, Transport
from edge.errors import ConfigurationError
from edge.robots.actuator_map import Actuator, ActuatorMap
from edge.robots.dmx import ARTNET_PORT, SACN_PORT, sacn_group
from edge.robots.driver import Driver, Servo
from edge.robots.robot_output import RobotOutput

DRIVERS: Mapping[str, str] = {
    "maestro": "edge.robots.maestro:MaestroDriver",
    "dynamixel": "edge.robots.dynamixel:DynamixelDriver",
    "pca9685": "edge.robots.pca9685:Pca9685Driver",
    "artnet": "edge.robots.dmx:ArtNetDriver",
    "sacn": "edge.robots.dmx:SacnDriver",
    "osc": "edge.robots.osc_actuators:OscActuatorsDriver",
}
_UDP_PORTS = {"artnet": ARTNET_PORT, "sacn": SACN_PORT, "osc": 9010}
_LOCALHOST = "127.0.0.1"
_MOST_DIGITS = 5  # of a port or a universe
MakeTransport = Callable[[str, int], Transport]


def make_driver(
    actuator_map: ActuatorMap, make_transport: MakeTransport, actuators: Sequence[Actuator] | None = None
) -> Driver:
    """Make the driver that a map names; drivers of the network take `host` and `udp_port` beside their own keys.

    Args:
        actuator_map: Names the driver.
        make_transport: Makes a transport to a host and a port.
        actuators: Only these; None for all of the map.

    Raises:
        ConfigurationError: The driver is unknown, or a key is wrong.
    """
    name = actuator_map.driver
    chosen = actuator_map.actuators if actuators is None else actuators
    servos = [Servo(actuator.name, actuator.output, actuator.limits.velocity) for actuator in chosen]
    keys = dict(actuator_map.driver_keys)
    driver_class = load_driver(name)
    if name not in _UDP_PORTS:
        driver: Driver = driver_class(servos, keys)
        return driver
    universe = keys.get("universe", "1")
    is_number = universe.isdecimal() and len(universe) <= _MOST_DIGITS  # what is none the driver refuses
    group = sacn_group(int(universe)) if name == "sacn" and is_number else _LOCALHOST
    host, port = keys.pop("host", group), keys.pop("udp_port", str(_UDP_PORTS[name]))
    if not port.isdecimal() or len(port) > _MOST_DIGITS:
        raise ConfigurationError(f"[robot] udp_port = {port}", "it is no port", "Give 1 to 65535")
    network_driver: Driver = driver_class(servos, keys, make_transport(host, int(port)))
    return network_driver


def load_driver(name: str) -> Any:
    """Return the class of a driver.

    Raises:
        ConfigurationError: There is no such driver.
    """
    if name not in DRIVERS:
        remedy = did_you_mean(name, DRIVERS) or f"There are {', '.join(DRIVERS)}"
        raise ConfigurationError(f"[robot] driver = {name}", "there is no such driver", remedy)
    module, _, attribute = DRIVERS[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def make_robot(
    name: str, actuator_map: ActuatorMap, channels: Sequence[str], make_transport: MakeTransport, clock: Clock
) -> RobotOutput:
    """Return the robot of a map as a receiver of frames.

    Args:
        name: As in the configuration.
        actuator_map: See `load_actuator_map`.
        channels: Of the manifest.
        make_transport: Makes a transport to a host and a port.
        clock: Time.

    Raises:
        ConfigurationError: The driver or a mix is wrong.
    """
    return RobotOutput(name, actuator_map, channels, make_driver(actuator_map, make_transport), clock)
