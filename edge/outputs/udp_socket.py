"""A UDP socket to one address, with what broadcast, multicast and the choice of an interface need."""

from __future__ import annotations

import ipaddress
import socket
import struct
from typing import Any

from edge.outputs.link_state import LinkError, LinkState

# Without them a machine that is switched off is never told of: Linux keeps what it calls passing errors from UDP
# sockets. Source: ip(7), linux/in.h, linux/in6.h; Python has no names for them.
IP_RECVERR, IPV6_RECVERR = 11, 25


def connected_socket(family: int, address: tuple[Any, ...], interface: str, ttl: int) -> socket.socket:
    """Return a socket that sends to an address and never waits.

    Args:
        family: AF_INET or AF_INET6.
        address: As `socket.getaddrinfo` returns it.
        interface: Network interface ("eth0") or its address (a group over IPv6: its name); empty: any.
        ttl: Routers that a multicast datagram may pass, plus one.

    Raises:
        LinkError: There is no such interface now.
        OSError: No route leads there now.
    """
    made = socket.socket(family, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        if family == socket.AF_INET:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            made.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        else:
            made.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
        if not ipaddress.ip_address(str(address[0]).partition("%")[0]).is_multicast:
            if is_address(interface):
                made.bind((interface, 0))
            elif interface:
                _index(interface)
                made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        elif family == socket.AF_INET:
            made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, ttl)
            if interface:
                made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, _ipv4_request(interface))
        else:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, ttl)
            if interface:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, _index(interface))
        made.connect(address)
    except BaseException:
        made.close()
        raise
    return made


def is_address(text: str) -> bool:
    """Return whether a host or an interface is named by an address."""
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


def _ipv4_request(interface: str) -> bytes:
    """Return the `ip_mreqn` (group, address, index) that names the interface."""
    try:
        return struct.pack("@4s4si", bytes(4), socket.inet_aton(interface), 0)
    except OSError:  # no address, so a name
        return struct.pack("@4s4si", bytes(4), bytes(4), _index(interface))


def _index(interface: str) -> int:
    try:
        return socket.if_nametoindex(interface)
    except OSError as err:
        here = ", ".join(name for _, name in socket.if_nameindex())
        raise LinkError(
            LinkState.NO_INTERFACE,
            f"network interface {interface!r}",
            f"there is none of that name now; there are {here}",
            "It is used as soon as it is there; or correct `interface`",
        ) from err
