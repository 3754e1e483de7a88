"""Actuator commands as OSC, for controllers of one's own: `/actuators ,f...` and `/actuators/names ,s...`.

Positions are in the unit of the actuator map, in its order: a message each tick, and the names every two seconds.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

from edge.config.options import Option
from edge.contracts import Transport
from edge.errors import ConfigurationError
from edge.robots.driver import Servo, driver_values, link_state

_NAMES_EVERY = 100  # ticks; two seconds at 50 a second


class OscActuatorsDriver:
    """A receiver of OSC.

    Args:
        servos: In the order of positions.
        keys: See OPTIONS.
        transport: Where datagrams go.
    """

    OPTIONS: tuple[Option, ...] = (Option("prefix", "text", "/actuators", help="address of the message"),)
    summary = "OSC over UDP: /actuators with one float per actuator in the map's order; unit: that of the map"

    def __init__(self, servos: Sequence[Servo], keys: Mapping[str, str], transport: Transport) -> None:
        from pythonosc.osc_message_builder import OscMessageBuilder

        prefix = str(driver_values("osc", self.OPTIONS, keys)["prefix"])
        if not prefix.startswith("/") or set(prefix) & set(" #*,?[]{}"):
            raise ConfigurationError("driver osc", f"prefix {prefix!r} is no OSC address", "Write it as /actuators")
        self._transport = transport
        template, names = OscMessageBuilder(prefix), OscMessageBuilder(f"{prefix}/names")
        for servo in servos:
            template.add_arg(0.0, "f")
            names.add_arg(servo.name, "s")
        self._floats = struct.Struct(f">{len(servos)}f")
        self._head: bytes = template.build().dgram[: -self._floats.size]
        self._names: bytes = names.build().dgram
        self._n_ticks = 0

    @property
    def description(self) -> str:
        """Return the address."""
        return f"osc actuators at {self._transport.description}"

    @property
    def state(self) -> str:
        """Return how it stands with the way there: "up" where no error came back lately."""
        return link_state(self._transport)

    def open(self) -> None:
        """Open the socket."""
        self._transport.open()
        self._n_ticks = 0

    def read_positions(self) -> Sequence[float] | None:
        """Return None: nobody answers."""
        return None

    def write(self, positions: Sequence[float]) -> None:
        """Send the positions, and the names from time to time."""
        if self._n_ticks % _NAMES_EVERY == 0:
            self._transport.send(self._names)
        self._n_ticks += 1
        self._transport.send(self._head + self._floats.pack(*positions))

    def release(self) -> None:
        """Do nothing: what the receiver does without commands is its own affair."""

    def close(self) -> None:
        """Close the socket."""
        self._transport.close()
