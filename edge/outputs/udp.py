"""Datagrams to a host, a broadcast address or a multicast group, IPv4 or IPv6, without ever waiting.

A name may have several addresses: IPv4 comes first, and where the receiver's host says that nobody listens there
(ECONNREFUSED, from an ICMP message that answers an earlier datagram) the next one is tried, until one does not refuse.
A refusal is counted and is no fault, since a receiver may start later. A name is looked up again, beside the loop, now
and then and while all its addresses refuse: DHCP and mDNS give a machine another address without a word.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

from edge.contracts import Datagram
from edge.errors import ConfigurationError
from edge.outputs.link_state import LinkError, LinkState, state_of
from edge.outputs.udp_socket import connected_socket, is_address

MAX_TTL = 255
MAX_ADDRESSES = 8  # of one name that are tried
RESOLVE_S = 60.0
REFUSED_RESOLVE_S = 5.0  # between two look-ups while the receiver refuses, or its machine is not there
UNREACHED_S = 6.0  # after such an answer; Linux asks three seconds for a neighbour, and then says so (arp(7))
REFUSING_S = 2.5  # after a refusal; a host answers once a second at least while it refuses (icmp(7), icmp_ratelimit)

_Found = list[tuple[int, tuple[object, ...]]]  # families and addresses, best first


class UdpTransport:
    """A way to a receiver.

    Args:
        host: Name, IPv4 or IPv6 address; a broadcast or a multicast address where several shall hear.
        port: 1 to 65535.
        interface: Network interface ("eth0") or its address (a group over IPv6: its name); empty: any.
        ttl: Routers that a multicast datagram may pass, plus one; 1 keeps it in the local network.
        resolve_s: Time after which a name is looked up again; 0 only where nothing else helps.
        monotonic_s: Source of CLOCK_MONOTONIC seconds.

    Attributes:
        ttl: As given.
        refused: How often the receiver's host said that nobody listens.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        interface: str = "",
        ttl: int = 1,
        resolve_s: float = RESOLVE_S,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._host = host.strip("[]")
        self._port = port
        self._interface = interface
        self.ttl = ttl
        self._resolve_s = resolve_s
        self._monotonic_s = monotonic_s
        self._is_named = not is_address(self._host)
        self._found: _Found = []
        self._sockets: list[socket.socket] = []
        self._at = 0  # the socket in use
        self._fresh: list[socket.socket] | None = None  # of a later look-up, for the next datagram
        self._resolved_s = 0.0
        self._refused_s = float("-inf")
        self._unreached_s: dict[int, float] = {}  # when a socket's machine was last said not to be there
        self._lookup: threading.Thread | None = None
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

    @property
    def state(self) -> LinkState:
        """Return how it stands, while it is open."""
        now_s = self._monotonic_s()
        if now_s - self._refused_s < REFUSING_S:
            return LinkState.REFUSED
        lately = [now_s - at_s < UNREACHED_S for at_s in self._unreached_s.values()]
        return LinkState.NO_ROUTE if lately and sum(lately) >= len(self._sockets) else LinkState.UP

    def open(self) -> None:
        """Resolve the name and connect; the look-up may take seconds, so it is no call for the frame loop.

        Raises:
            LinkError: The name is unknown now, its interface is away, or no route leads there now.
        """
        self.close()
        found = self._look_up()
        self._sockets = self._connect(found)
        self._found = found
        self._at = 0
        self._resolved_s = self._monotonic_s()
        self._refused_s = float("-inf")
        self._unreached_s.clear()

    def send(self, datagram: Datagram) -> None:
        """Send at once or raise OSError."""
        if self._is_named:
            self._keep_fresh()
        if not self._sockets:
            raise OSError("the socket is closed")
        failure: OSError | None = None
        for _ in range(max(2, len(self._sockets))):
            try:
                self._sockets[self._at].send(datagram)
            except ConnectionRefusedError:  # the answer to an earlier datagram; it took the place of this one
                self.refused += 1
                self._refused_s = self._monotonic_s()
                self._unreached_s.pop(self._at, None)  # its machine is there
            except OSError as err:
                if state_of(err) is not LinkState.NO_ROUTE:
                    raise
                failure = err  # of this datagram where it fails again, or the answer to an earlier one
                self._unreached_s[self._at] = self._monotonic_s()
            else:
                return
            self._at = (self._at + 1) % len(self._sockets)
        if failure is not None:
            raise failure

    def close(self) -> None:
        """Close the sockets; may be called twice."""
        for made in (*self._sockets, *(self._fresh or ())):
            made.close()
        self._sockets, self._fresh = [], None

    def _keep_fresh(self) -> None:
        """Take what a later look-up found, and begin one where it is time."""
        if self._lookup is not None:
            if self._lookup.is_alive():
                return
            self._lookup = None
            self._resolved_s = self._monotonic_s()
            if self._fresh:
                for old in self._sockets:
                    old.close()
                self._sockets, self._fresh, self._at = self._fresh, None, 0
                self._unreached_s.clear()
        age_s = self._monotonic_s() - self._resolved_s
        is_unheard = self.state is not LinkState.UP and age_s >= REFUSED_RESOLVE_S
        if is_unheard or (self._resolve_s > 0 and age_s >= self._resolve_s):
            self._lookup = threading.Thread(target=self._refresh, name="au-edge-look-up", daemon=True)
            self._lookup.start()

    def _refresh(self) -> None:
        """Look the name up again, on a thread of its own; what is known is kept where that fails."""
        try:
            found = self._look_up()
            if sorted(map(str, found)) != sorted(map(str, self._found)):
                self._fresh = self._connect(found)
                self._found = found
        except LinkError:
            return
        if not self._sockets:  # closed meanwhile
            self.close()

    def _look_up(self) -> _Found:
        """Return the addresses, IPv4 first: a receiver that hears both hears that, and most hear nothing else."""
        try:
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)
        except (socket.gaierror, UnicodeError) as err:
            raise LinkError(
                LinkState.NO_NAME, self.description, f"the host name cannot be resolved ({err})",
                "It is tried again; correct the name, or the DNS",
            ) from err  # fmt: skip
        ways: _Found = [(int(family), address) for family, _, _, _, address in found]
        ways.sort(key=lambda way: way[0] != socket.AF_INET)
        return list(dict.fromkeys(ways))[:MAX_ADDRESSES]

    def _connect(self, found: _Found) -> list[socket.socket]:
        """Return a socket to each address to which a route leads."""
        made: list[socket.socket] = []
        failure: OSError | LinkError | None = None
        for family, address in found:
            try:
                made.append(connected_socket(family, address, self._interface, self.ttl))
            except LinkError as err:
                failure = err
            except OSError as err:
                failure = failure or err
        if made:
            return made
        if isinstance(failure, LinkError):
            raise failure
        state = state_of(failure) if failure is not None else LinkState.DOWN
        raise LinkError(state, self.description, f"it cannot be reached ({failure})", "Check the network") from failure
