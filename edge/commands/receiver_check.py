"""What `au-edge check` finds of the receivers: each is tried as far as nothing moves and nothing is sent."""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from edge.app.receivers import GREETED, ROBOT, ROS, is_loopback, make_outputs
from edge.app.tables import PROTOCOLS, SOUND, TRANSPORTS, load_class
from edge.config.settings import OutputSettings, Settings
from edge.contracts import Transport
from edge.errors import EXIT_UNAVAILABLE, AuEdgeError, BackendError, DeviceError
from edge.machine.clock import SystemClock
from edge.manifest import Manifest
from edge.outputs.link_state import LinkError

if TYPE_CHECKING:
    from edge.robots.actuator_map import ActuatorMap

LIMIT_S = 3.0  # a name server that is there answers in less
_MODULES = {"maestro": "serial", "dynamixel": "serial", "pca9685": "smbus2"}  # driver -> what it imports at open
_UDP_TABLES = (Path("/proc/net/udp"), Path("/proc/net/udp6"))  # proc(5): the local address and port in hexadecimal
_PACKAGES = {"serial": "pyserial"}  # where it is installed by another name


def check_receivers(settings: Settings, manifest: Manifest) -> list[tuple[str, str, int]]:
    """Try every configured receiver.

    Args:
        settings: Names them.
        manifest: Of the network.

    Returns:
        For each its status ("ok", "note" or "fail"), a line, and the exit status that it asks for.

    Raises:
        ConfigurationError: What is written cannot be made into receivers.
    """
    outputs = make_outputs(settings, manifest, SystemClock())
    made = {output.name: output.description.rpartition(" (")[0] for output in outputs}
    return [_check(output, made.get(output.name, output.name)) for output in settings.outputs]


def _check(output: OutputSettings, description: str) -> tuple[str, str, int]:
    """Try one; a state such as "down" is not told, since nothing here opens a receiver for good."""
    if not output.enabled:
        return "note", f"{description} (off: output.{output.name}.enabled = no)", 0
    try:
        note = _try(output)
    except (AuEdgeError, OSError) as err:
        state = f" ({err.state.value})" if isinstance(err, LinkError) else ""
        return "fail", f"{output.name}{state}: {err}", getattr(err, "exit_code", EXIT_UNAVAILABLE)
    return "ok", f"{description}{note}", 0


def _try(output: OutputSettings) -> str:
    """Try what a receiver needs and return what is to be added to its line.

    Raises:
        AuEdgeError: It is not there.
    """
    if output.protocol == ROS:
        for module in ("rclpy", "sensor_msgs.msg"):
            _import(f"output {output.name}", module, "Start in a shell in which ROS is sourced")
        return "; the node was not started"
    if output.protocol == ROBOT:
        return _try_robot(output)
    if output.protocol == GREETED and output.options.get("reach", "both") == "hello":
        return ""  # nothing is sent before a receiver says hello, and a running service may have the port
    # The port is of no matter to the way there, and each protocol has its own default.
    _open(_transport(output, output.host, output.port or 9))
    if output.protocol == SOUND:
        return "; sent to who asks for it"
    port = output.port or int(load_class(PROTOCOLS, output.protocol).default_port)
    return "" if _is_listened_at(output.host, port) else " (refused: nobody listens at that port now)"


def _is_listened_at(host: str, port: int) -> bool:
    """Return False where the receiver is to be on this machine and no socket has its port: without a datagram to it."""
    if not is_loopback(host):
        return True  # who knows; a running service tells by its metrics
    tables = [path for path in _UDP_TABLES if path.exists()]
    rows = [line.split() for path in tables for line in path.read_text(encoding="ascii").splitlines()[1:]]
    return not tables or any(int(row[1].rpartition(":")[2], 16) == port for row in rows)


def _try_robot(output: OutputSettings) -> str:
    from edge.robots.actuator_map import load_actuator_map
    from edge.robots.assembly import make_driver

    actuator_map = load_actuator_map(Path(output.mapping))
    module = _MODULES.get(actuator_map.driver)
    if module is not None:
        package = _PACKAGES.get(module, module)
        _import(f"driver {actuator_map.driver}", module, f"Install {package}: pip install 'au-edge[robots]'")
        _find_device(actuator_map)
        return "; the device is there and was not opened, since a running service may have it"
    ways: list[Transport] = []

    def keep(host: str, port: int) -> Transport:
        ways.append(_transport(output, host, port))
        return ways[-1]

    make_driver(actuator_map, keep)
    for way in ways:
        _open(way)
    return ""


def _find_device(actuator_map: ActuatorMap) -> None:
    """Look whether the file of a robot's device is there and may be used, without opening it.

    Raises:
        DeviceError: It is not, or may not.
    """
    from edge.robots.assembly import load_driver
    from edge.robots.driver import driver_values

    name = actuator_map.driver
    values = driver_values(name, load_driver(name).OPTIONS, actuator_map.driver_keys)
    path = Path(str(values.get("port", f"/dev/i2c-{values.get('bus')}")))
    group = "dialout" if "port" in values else "i2c"
    if not path.exists():
        raise DeviceError(f"{name} at {path}", "there is no such device now", "Connect it; until then it is waited for")
    if not os.access(path, os.R_OK | os.W_OK):
        raise DeviceError(f"{name} at {path}", "you may not use it", f"Add the user to the group {group}")


def _transport(output: OutputSettings, host: str, port: int) -> Transport:
    made: Transport = load_class(TRANSPORTS, "udp")(host, port, interface=output.interface, ttl=output.ttl)
    return made


def _import(asked: str, module: str, remedy: str) -> None:
    try:
        importlib.import_module(module)
    except ImportError as err:
        raise BackendError(asked, f"{module} cannot be imported ({err})", remedy) from err


def _open(transport: Transport) -> None:
    """Resolve, choose the interface and find a route; a UDP socket sends nothing by that.

    Raises:
        DeviceError: The host is unknown, there is no route, or nothing answered in time.
        LinkError: The interface is away.
    """
    failures = _within(transport.open)
    if failures is None:
        raise DeviceError(
            transport.description, f"the name server does not answer within {LIMIT_S:g} s",
            "Give the address in numbers, or mend the DNS",
        )  # fmt: skip
    transport.close()
    if failures:
        raise failures[0]


def _within(call: Callable[[], None]) -> list[AuEdgeError | OSError] | None:
    """Return what a call raised, at most one; None where it has not ended in time."""
    failures: list[AuEdgeError | OSError] = []

    def run() -> None:
        try:
            call()
        except (AuEdgeError, OSError) as err:
            failures.append(err)

    thread = threading.Thread(target=run, name="au-edge-check-receiver", daemon=True)
    thread.start()
    thread.join(LIMIT_S)
    return None if thread.is_alive() else failures
