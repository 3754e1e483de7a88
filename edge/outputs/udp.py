"""Datagrams to a host, a broadcast address or a multicast group, IPv4 or IPv6, without ever waiting.

The name is resolved once, at open. A socket connected to its receiver learns that nobody listens (ECONNREFUSED, from an
ICMP message that answers an earlier datagram); that is counted and is no fault, since a receiver may start later.
"""

from __future__ import annotations

import ipaddress
import socket
import struct

from edge.contracts import Datagram
from edge.errors import ConfigurationError, DeviceError

MAX_TTL = 255


class UdpTransport:
    """A UDP socket.

    Args:
        host: Name, IPv4 or IPv6 address; a broadcast or a multicast address where several shall hear.
        port: 1 to 65535.
        interface: Network interface ("eth0") or its address (a group over IPv6: its name); empty: any.
        ttl: Routers that a multicast datagram may pass, plus one; 1 keeps it in the local network.

    Attributes:
        ttl: As given.
        refused: How often the receiver's host said that nobody listens.
    """

    def __init__(self, host: str, port: int, *, interface: str = "", ttl: int = 1) -> None:
        self._host = host.strip("[]")
        self._port = port
        self._interface = interface
        self.ttl = ttl
        self._socket: socket.socket | None = None
        self.refused = 0
        if not self._host or not 0 < port < 65536 or not 0 <= ttl <= MAX_TTL:
            raise ConfigurationError(
                f"UDP address {host}:{port} with TTL {ttl}",
                "the host is empty, the port is not 1 to 65535, or the TTL is not 0 to 255",
                "Write it as host:port, for example 127.0.0.1:9000",
            )

    @property
    def description(self) -> str:
        """Return the address as a person writes it."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"udp://{host}:{self._port}"

    def open(self) -> None:
        """Resolve the name and connect; the look-up may take seconds, so it is no call for the frame loop.

        Raises:
            DeviceError: The name is unknown now, or no route leads there now.
            ConfigurationError: The interface does not exist.
        """
        self.close()
        try:
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)
        except (socket.gaierror, UnicodeError) as err:
            raise DeviceError(
                self.description, f"the host name cannot be resolved ({err})", "Correct the name, or the DNS"
            ) from err
        failure: OSError | None = None
        for family, kind, protocol, _, address in found:
            candidate = socket.socket(family, kind, protocol)
            try:
                candidate.setblocking(False)
                self._prepare(candidate, family, str(address[0]))
                candidate.connect(address)
            except OSError as err:
                candidate.close()
                failure = err
                continue
            self._socket = candidate
            return
        raise DeviceError(self.description, f"it cannot be reached ({failure})", "Check the network") from failure

    def send(self, datagram: Datagram) -> None:
        """Send at once or raise OSError."""
        if self._socket is None:
            raise OSError("the socket is closed")
        try:
            self._socket.send(datagram)
        except ConnectionRefusedError:
            self.refused += 1  # the answer to an earlier datagram; it took the place of this one
            try:
                self._socket.send(datagram)
            except ConnectionRefusedError:
                self.refused += 1

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _prepare(self, candidate: socket.socket, family: int, address: str) -> None:
        """Set what broadcast, multicast and the choice of an interface need."""
        is_multicast = ipaddress.ip_address(address.partition("%")[0]).is_multicast
        if family == socket.AF_INET:
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        if not is_multicast:
            if _is_address(self._interface):
                candidate.bind((self._interface, 0))
            elif self._interface:
                self._interface_index()
                candidate.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self._interface.encode())
        elif family == socket.AF_INET:
            candidate.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, self.ttl)
            if self._interface:
                candidate.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, self._ipv4_interface())
        else:
            candidate.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, self.ttl)
            if self._interface:
                candidate.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, self._interface_index())

    def _ipv4_interface(self) -> bytes:
        """Return the `ip_mreqn` (group, address, index) that names the interface."""
        try:
            return struct.pack("@4s4si", bytes(4), socket.inet_aton(self._interface), 0)
        except OSError:  # no address, so a name
            return struct.pack("@4s4si", bytes(4), bytes(4), self._interface_index())

    def _interface_index(self) -> int:
        try:
            return socket.if_nametoindex(self._interface)
        except OSError as err:
            here = ", ".join(name for _, name in socket.if_nameindex())
            raise ConfigurationError(
                f"network interface {self._interface!r} for {self.description}",
                f"there is none of that name; there are {here}",
                "Correct `interface`, or leave it empty",
            ) from err


def _is_address(interface: str) -> bool:
    """Return whether an interface is named by an address of its own."""
    try:
        ipaddress.ip_address(interface)
    except ValueError:
        return False
    return True
