"""Pololu Maestro over its USB or TTL serial port, compact protocol. Positions are pulse widths in microseconds.

Set the Maestro's own serial timeout in its control centre: where this computer dies, it then goes to its home.
Source: Pololu Maestro user's guide, "Serial Servo Commands".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from edge.config.options import Option
from edge.robots.driver import PLAUSIBLE_US, Servo, driver_values
from edge.robots.serial_port import SerialPort

_SET_TARGET, _SET_SPEED, _GET_POSITION = 0x84, 0x87, 0x90
_QUARTERS = 4  # of a microsecond: the unit of a target
_SPEED_UNIT_US_S = 25.0  # a quarter microsecond every 10 ms
_SPEED_MARGIN = 2.0  # the device's own limit is a second net: above ours, so that it does not add a delay
# Both ports of a board open alike, and one of them answers nothing.
_OTHER_PORT = (
    "A Maestro has two ports: commands go to the first (`-if00` in /dev/serial/by-id), the second is its TTL port; set "
    "its serial mode to USB Dual Port"
)
OFF_US = 0.0  # a target of 0 stops the pulses


class MaestroDriver:
    """A Maestro.

    Args:
        servos: In the order of positions.
        keys: See OPTIONS.
    """

    OPTIONS: tuple[Option, ...] = (
        Option("port", "text", "/dev/ttyACM0", help="serial port; a link under /dev/serial/by-id stays the same"),
        Option("baud", "integer", "115200", 9600, 2_000_000, help="bits a second; without meaning over USB"),
    )
    summary = "Pololu Maestro (6 to 24 hobby servos) over USB or TTL serial; unit: microseconds of pulse"

    def __init__(self, servos: Sequence[Servo], keys: Mapping[str, str]) -> None:
        values = driver_values("maestro", self.OPTIONS, keys)
        self._servos = tuple(servos)
        self._port = SerialPort(str(values["port"]), int(values["baud"]))

    @property
    def description(self) -> str:
        """Return the device."""
        return f"maestro at {self._port.path}"

    def open(self) -> None:
        """Open the port and set the device's own speed limits."""
        self._port.open()
        for servo in self._servos:
            speed = min(max(1, round(_SPEED_MARGIN * servo.velocity / _SPEED_UNIT_US_S)), 0x3FFF)
            self._port.write(_command(_SET_SPEED, servo.output, speed))

    def read_positions(self) -> Sequence[float] | None:
        """Return the pulse widths now; NaN for a servo that is off, since then nobody knows where it stands."""
        self._port.discard_input()
        positions = []
        for servo in self._servos:
            self._port.write(bytes((_GET_POSITION, servo.output)))
            try:
                low, high = self._port.read(2)
            except TimeoutError as err:
                raise TimeoutError(f"{err}. {_OTHER_PORT}") from err
            position = (low | high << 8) / _QUARTERS
            positions.append(position if PLAUSIBLE_US[0] <= position <= PLAUSIBLE_US[1] else math.nan)
        return positions

    def write(self, positions: Sequence[float]) -> None:
        """Set all targets in one write, but for those that stay off."""
        on = [(servo.output, position) for servo, position in zip(self._servos, positions, strict=True)]
        on = [(output, position) for output, position in on if not math.isnan(position)]
        self._port.write(encode_targets([output for output, _ in on], [position for _, position in on]))

    def release(self) -> None:
        """Stop the pulses."""
        self.write([OFF_US] * len(self._servos))

    def close(self) -> None:
        """Close the port."""
        self._port.close()


def encode_targets(outputs: Sequence[int], positions_us: Sequence[float]) -> bytes:
    """Return the bytes that set targets.

    Args:
        outputs: Channels, 0 to 23.
        positions_us: Pulse widths; 0 for none.
    """
    return b"".join(
        _command(_SET_TARGET, output, round(position * _QUARTERS))
        for output, position in zip(outputs, positions_us, strict=True)
    )


def _command(command: int, channel: int, value: int) -> bytes:
    """Return a command with a value of 14 bits, 7 low bits first."""
    return bytes((command, channel & 0x7F, value & 0x7F, value >> 7 & 0x7F))
