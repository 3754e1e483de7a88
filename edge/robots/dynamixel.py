"""Dynamixel servos (X series), protocol 2.0, over a serial adapter. Positions are degrees, 180 is the middle.

The bus watchdog makes the servos stop where they are when nothing is heard from this computer.
Source: ROBOTIS e-Manual, protocol 2.0 and the control table of the X series.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

from edge.config.options import Option
from edge.robots.driver import Servo, driver_values
from edge.robots.serial_port import SerialPort

_HEADER = b"\xff\xff\xfd\x00"
_STUFFED, _STUFFING = b"\xff\xff\xfd", b"\xff\xff\xfd\xfd"
_WRITE, _SYNC_READ, _SYNC_WRITE, _STATUS = 0x03, 0x82, 0x83, 0x55
_BROADCAST = 0xFE
_TORQUE_ENABLE, _BUS_WATCHDOG, _PROFILE_VELOCITY, _GOAL_POSITION, _PRESENT_POSITION = 64, 98, 112, 116, 132
_TICKS_PER_DEGREE = 4096 / 360
_WATCHDOG_UNIT_MS = 20
_PROFILE_UNIT_DEG_S = 0.229 * 6  # 0.229 turns a minute
_PROFILE_MARGIN = 2.0  # the device's own limit is a second net: above ours, so that it does not add a delay
_CRC_POLYNOMIAL = 0x8005
_ANSWER_BYTES = 15  # header 4, id, length 2, instruction, error, position 4, CRC 2
_SILENT = (
    "Is the bus powered, is this the adapter's port and not another board's, and are `baud` and the id the servo's own?"
)


class DynamixelDriver:
    """Servos on one bus.

    Args:
        servos: In the order of positions; `output` is the id.
        keys: See OPTIONS.
    """

    OPTIONS: tuple[Option, ...] = (
        Option("port", "text", "/dev/ttyUSB0", help="serial port; a link under /dev/serial/by-id stays the same"),
        Option("baud", "integer", "57600", 9600, 4_500_000, help="bits a second of the bus"),
        Option("watchdog_ms", "integer", "500", 0, 2540, help="servos stop without a command for this long; 0 = never"),
    )  # fmt: skip
    summary = "Robotis Dynamixel X servos, protocol 2.0, over a serial adapter; unit: degrees, 180 in the middle"

    def __init__(self, servos: Sequence[Servo], keys: Mapping[str, str]) -> None:
        values = driver_values("dynamixel", self.OPTIONS, keys)
        self._servos = tuple(servos)
        self._ids = [servo.output for servo in servos]
        self._watchdog = -(-int(values["watchdog_ms"]) // _WATCHDOG_UNIT_MS)
        self._port = SerialPort(str(values["port"]), int(values["baud"]))
        self._is_on = False

    @property
    def description(self) -> str:
        """Return the device."""
        return f"dynamixel at {self._port.path}"

    def open(self) -> None:
        """Open the port, clear an old watchdog error and set the limits of the servos themselves."""
        self._port.open()
        self._is_on = False
        self._sync_write(_BUS_WATCHDOG, 1, [0] * len(self._ids))
        speeds = [max(1, round(_PROFILE_MARGIN * s.velocity / _PROFILE_UNIT_DEG_S)) for s in self._servos]
        self._sync_write(_PROFILE_VELOCITY, 4, speeds)

    def read_positions(self) -> Sequence[float] | None:
        """Return where the servos stand, measured."""
        self._port.discard_input()
        body = struct.pack("<HH", _PRESENT_POSITION, 4) + bytes(self._ids)
        self._port.write(packet(_BROADCAST, _SYNC_READ, body))
        positions = []
        for servo_id in self._ids:
            try:
                answer = self._port.read(_ANSWER_BYTES)
            except TimeoutError as err:
                raise TimeoutError(f"servo {servo_id} does not answer ({err}). {_SILENT}") from err
            if not answer.startswith(_HEADER) or answer[4] != servo_id or answer[7] != _STATUS:
                raise OSError(f"servo {servo_id} answered something else")
            if crc16(answer[:-2]) != int.from_bytes(answer[-2:], "little"):
                raise OSError(f"the answer of servo {servo_id} is damaged")
            positions.append(struct.unpack_from("<i", answer, 9)[0] / _TICKS_PER_DEGREE)
        return positions

    def write(self, positions: Sequence[float]) -> None:
        """Set all goals in one packet; the first one also switches the torque and the watchdog on."""
        self._port.write(encode_goals(self._ids, positions))
        if not self._is_on:
            self._sync_write(_TORQUE_ENABLE, 1, [1] * len(self._ids))
            self._port.write(encode_goals(self._ids, positions))  # a goal set without torque is forgotten
            self._sync_write(_BUS_WATCHDOG, 1, [self._watchdog] * len(self._ids))
            self._is_on = True

    def release(self) -> None:
        """Switch the torque off."""
        self._sync_write(_BUS_WATCHDOG, 1, [0] * len(self._ids))
        self._sync_write(_TORQUE_ENABLE, 1, [0] * len(self._ids))
        self._is_on = False

    def close(self) -> None:
        """Close the port."""
        self._port.close()

    def _sync_write(self, address: int, n_bytes: int, values: Sequence[int]) -> None:
        self._port.write(sync_write(address, n_bytes, self._ids, values))


def encode_goals(ids: Sequence[int], positions_deg: Sequence[float]) -> bytes:
    """Return the packet that sets goal positions.

    Args:
        ids: Of the servos.
        positions_deg: 0 to 360 in one turn.
    """
    return sync_write(_GOAL_POSITION, 4, ids, [round(position * _TICKS_PER_DEGREE) for position in positions_deg])


def sync_write(address: int, n_bytes: int, ids: Sequence[int], values: Sequence[int]) -> bytes:
    """Return the packet that writes one register of several servos.

    Args:
        address: Of the register.
        n_bytes: Its size.
        ids: Of the servos.
        values: For each.
    """
    body = struct.pack("<HH", address, n_bytes)
    for servo_id, value in zip(ids, values, strict=True):
        body += bytes((servo_id,)) + value.to_bytes(n_bytes, "little", signed=value < 0)
    return packet(_BROADCAST, _SYNC_WRITE, body)


def packet(servo_id: int, instruction: int, parameters: bytes) -> bytes:
    """Return an instruction packet: header, id, length, instruction, parameters, CRC, with byte stuffing."""
    content = (bytes((instruction,)) + parameters).replace(_STUFFED, _STUFFING)
    whole = _HEADER + bytes((servo_id,)) + struct.pack("<H", len(content) + 2) + content
    return whole + struct.pack("<H", crc16(whole))


def crc16(content: bytes) -> int:
    """Return the CRC-16 with polynomial 0x8005, not reflected, from 0."""
    crc = 0
    for byte in content:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ _CRC_POLYNOMIAL if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc
