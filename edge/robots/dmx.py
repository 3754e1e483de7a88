"""Show control over the network: Art-Net and sACN (E1.31). Positions are levels from 0 to 1, sent as 16 bits.

Each actuator takes two slots, coarse then fine, from its `output` on (slots count from 1). Fixtures hold the last level
when the stream ends, unless they are told otherwise.
Source: Art-Net 4 specification, ArtDmx; ANSI E1.31-2018, sections 4 to 6.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Mapping, Sequence

from edge.config.options import Option
from edge.contracts import Transport
from edge.errors import ConfigurationError
from edge.robots.driver import Servo, driver_values, link_state

N_SLOTS = 512
FULL_LEVEL = 65535
ARTNET_PORT, SACN_PORT = 6454, 5568
_ARTNET_DMX, _ARTNET_VERSION = 0x5000, 14
_SOURCE_ID = uuid.uuid5(uuid.NAMESPACE_DNS, "au-edge").bytes


class DmxDriver:
    """A universe; see ArtNetDriver and SacnDriver.

    Args:
        name: Of the driver.
        servos: In the order of positions; `output` is the coarse slot, 1 to 511.
        universe: Its number.
        transport: Where datagrams go.
    """

    def __init__(self, name: str, servos: Sequence[Servo], universe: int, transport: Transport) -> None:
        self._name = name
        self._slots = [servo.output for servo in servos]
        self._universe = universe
        self._transport = transport
        self._sequence = 0
        self._data = bytearray(N_SLOTS)
        taken = sorted(self._slots)
        if taken and (taken[0] < 1 or taken[-1] >= N_SLOTS or any(b - a < 2 for a, b in zip(taken, taken[1:]))):  # noqa: B905, RUF007
            raise ConfigurationError(
                f"driver {name}",
                f"outputs {', '.join(map(str, taken))} overlap or are not 1 to 511",
                "An actuator takes two slots: its output and the next",
            )

    @property
    def description(self) -> str:
        """Return the address."""
        return f"{self._name} universe {self._universe} at {self._transport.description}"

    @property
    def state(self) -> str:
        """Return how it stands with the way there: "up" where no error came back lately."""
        return link_state(self._transport)

    def open(self) -> None:
        """Open the socket."""
        self._transport.open()

    def read_positions(self) -> Sequence[float] | None:
        """Return None: nobody answers."""
        return None

    def write(self, positions: Sequence[float]) -> None:
        """Send the universe."""
        for slot, position in zip(self._slots, positions, strict=True):
            level = round(min(max(position, 0.0), 1.0) * FULL_LEVEL)
            self._data[slot - 1 : slot + 1] = level.to_bytes(2, "big")
        self._sequence = self._sequence % 255 + 1  # 0 would switch the order check of Art-Net off
        self._transport.send(self._packet())

    def release(self) -> None:
        """Do nothing: a level of 0 is a position, not an end of torque."""

    def close(self) -> None:
        """Close the socket."""
        self._transport.close()

    def _packet(self) -> bytes:
        raise NotImplementedError


class ArtNetDriver(DmxDriver):
    """A universe by Art-Net.

    Args:
        servos: In the order of positions.
        keys: See OPTIONS.
        transport: To the node, UDP port 6454.
    """

    OPTIONS: tuple[Option, ...] = (Option("universe", "integer", "0", 0, 32_767, help="port address: net, subnet, universe"),)  # fmt: skip  # noqa: E501
    summary = "Art-Net 4 (DMX over UDP 6454), 16-bit levels in two slots; unit: level 0 to 1"

    def __init__(self, servos: Sequence[Servo], keys: Mapping[str, str], transport: Transport) -> None:
        values = driver_values("artnet", self.OPTIONS, keys)
        super().__init__("artnet", servos, int(values["universe"]), transport)

    def _packet(self) -> bytes:
        return artnet_packet(self._universe, self._sequence, self._data)


class SacnDriver(DmxDriver):
    """A universe by streaming ACN.

    Args:
        servos: In the order of positions.
        keys: See OPTIONS.
        transport: To the receiver or to the universe's group, UDP port 5568.
    """

    OPTIONS: tuple[Option, ...] = (
        Option("universe", "integer", "1", 1, 63_999, help="universe"),
        Option("priority", "integer", "100", 0, 200, help="among several sources of a universe the highest wins"),
    )
    summary = "sACN / E1.31 (DMX over UDP 5568), 16-bit levels in two slots; unit: level 0 to 1"

    def __init__(self, servos: Sequence[Servo], keys: Mapping[str, str], transport: Transport) -> None:
        values = driver_values("sacn", self.OPTIONS, keys)
        super().__init__("sacn", servos, int(values["universe"]), transport)
        self._priority = int(values["priority"])

    def _packet(self) -> bytes:
        return sacn_packet(self._universe, self._sequence, self._priority, self._data)


def sacn_group(universe: int) -> str:
    """Return the multicast address of a universe.

    Args:
        universe: 1 to 63999.
    """
    return f"239.255.{universe >> 8}.{universe & 0xFF}"


def artnet_packet(universe: int, sequence: int, data: bytes | bytearray) -> bytes:
    """Return an ArtDmx packet.

    Args:
        universe: Port address of 15 bits.
        sequence: 1 to 255.
        data: Slots, an even number from 2 to 512.
    """
    head = struct.pack("<8sH", b"Art-Net\0", _ARTNET_DMX) + struct.pack(">H", _ARTNET_VERSION)
    return head + struct.pack("<BBH", sequence, 0, universe) + struct.pack(">H", len(data)) + data


def sacn_packet(universe: int, sequence: int, priority: int, data: bytes | bytearray) -> bytes:
    """Return an E1.31 data packet: root, framing and DMP layer, each with its flags and length.

    Args:
        universe: 1 to 63999.
        sequence: 0 to 255.
        priority: 0 to 200.
        data: Slots, 1 to 512; the start code 0 is added.
    """
    dmp = struct.pack(">BBHHHB", 0x02, 0xA1, 0, 1, len(data) + 1, 0) + data
    dmp = struct.pack(">H", 0x7000 | len(dmp) + 2) + dmp
    framing = struct.pack(">I64sBHBBH", 2, b"au-edge", priority, 0, sequence, 0, universe) + dmp
    framing = struct.pack(">H", 0x7000 | len(framing) + 2) + framing
    root = struct.pack(">I16s", 4, _SOURCE_ID) + framing
    root = struct.pack(">H", 0x7000 | len(root) + 2) + root
    return struct.pack(">HH12s", 0x0010, 0, b"ASC-E1.17\0\0\0") + root
