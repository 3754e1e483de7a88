"""UDP to receivers that say hello first, beside a configured one: what a phone with iFacialMocap does.

A hello names no port: the frames go to one fixed port of the machine that sent it, from the port that heard it. Who
greets is believed only as far as UDP can be: see the bounds below and docs/protocols.md.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass

from edge.contracts import Clock, Datagram, Transport
from edge.errors import ConfigurationError, DeviceError
from edge.outputs.link_state import LinkError, LinkState, state_of

_LOG = logging.getLogger(__name__)

MAX_RECEIVERS = 4
MAX_HELLO_BYTES = 256  # the longest documented one has 71
HELLOS_A_FRAME = 8  # read at most; a flood of them costs no more than that
GONE_AFTER_S = 3.0  # of answers that nobody listens; a receiver that is restarted has that long
LISTENS_AFTER_S = 2.0  # without such an answer; Linux gives one a second at least while it is refusing
_IP_RECVERR = getattr(socket, "IP_RECVERR", 11)  # Linux; Python names it from 3.14 on
_MSG_ERRQUEUE = getattr(socket, "MSG_ERRQUEUE", 0x2000)
_ORIGIN_ICMP = 2  # SO_EE_ORIGIN_ICMP
_EXTENDED_ERROR = struct.Struct("@IBBBBII")  # errno, origin, type, code, pad, info, data

ReadHello = Callable[[bytes], int]  # returns the version asked for, 0 for a good-bye; raises ValueError for others
Translate = Callable[[bytes, int], bytes]  # a datagram of version 1, in another version


@dataclass
class _Receiver:
    """Who greeted.

    Attributes:
        version: Of the format that it asked for.
        until_s: When it is forgotten unless it greets again.
        refused_since_s: When its machine first said that nobody listens; None since nothing was refused.
        refused_at_s: When it last said so.
    """

    version: int
    until_s: float
    refused_since_s: float | None = None
    refused_at_s: float = 0.0

    def is_gone(self, now_s: float) -> bool:
        """Return whether nobody has listened for too long; forget refusals that have ended."""
        if self.refused_since_s is None:
            return False
        if now_s - self.refused_at_s > LISTENS_AFTER_S:
            self.refused_since_s = None
            return False
        return self.refused_at_s - self.refused_since_s > GONE_AFTER_S


class GreetedTransport:
    """A configured receiver, and those that greet.

    Args:
        pushed: The configured receiver; None where only those that greet get frames.
        clock: Time.
        port: Where to listen, and the port of the receivers.
        read_hello: Tells a hello from other datagrams.
        translate: Makes the version that a receiver asked for.
        lease_s: How long a hello holds.
        is_local_only: Whether hellos from outside of local networks are left alone.
        interface: Network interface ("wlan0") or an address of this machine to listen at alone; empty for all.
        reply_port: Port of the receivers where it is another than `port`.

    Attributes:
        ignored: Hellos that were left alone: from outside, or too many.
    """

    def __init__(
        self,
        pushed: Transport | None,
        clock: Clock,
        port: int,
        read_hello: ReadHello,
        translate: Translate,
        *,
        lease_s: float = 3600.0,
        is_local_only: bool = True,
        interface: str = "",
        reply_port: int = 0,
    ) -> None:
        self._pushed = pushed
        self._clock = clock
        self._port = port
        self._interface = interface
        self._address = interface if _is_ipv4(interface) else ""
        self._reply_port = reply_port or port
        self._read_hello = read_hello
        self._translate = translate
        self._lease_s = lease_s
        self._is_local_only = is_local_only
        self._socket: socket.socket | None = None
        self._receivers: dict[str, _Receiver] = {}
        self._known: set[str] = set()
        self._refused = 0
        self.ignored = 0

    @property
    def description(self) -> str:
        """Return the addresses as a person writes them."""
        listening = f"who greets at udp://{self._interface or '0.0.0.0'}:{self._port}"
        return listening if self._pushed is None else f"{self._pushed.description} and {listening}"

    @property
    def refused(self) -> int:
        """Return how often a machine said that nobody listens."""
        return self._refused + int(getattr(self._pushed, "refused", 0))

    @property
    def state(self) -> LinkState:
        """Return how it stands with the configured receiver; who greets comes and goes as it likes."""
        return LinkState.UP if self._pushed is None else getattr(self._pushed, "state", LinkState.UP)

    @property
    def receivers(self) -> tuple[str, ...]:
        """Return the addresses that get frames because they asked."""
        return tuple(self._receivers)

    def open(self) -> None:
        """Open both ways; receivers that greeted before are not forgotten.

        Raises:
            DeviceError: The port is taken, or the configured receiver cannot be had now.
            ConfigurationError: See the configured receiver.
        """
        self.close()
        listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            listening.setblocking(False)
            listening.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
            if self._interface and not self._address:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self._interface.encode())
            listening.bind((self._address, self._port))
        except OSError as err:
            listening.close()
            raise LinkError(
                state_of(err),
                f"UDP port {self._port}{f' of {self._interface}' if self._interface else ''}, for hellos",
                f"it cannot be listened at ({err.strerror})",
                "End what uses it; where that is the receiver itself, set `reach = push`",
            ) from err
        self._socket = listening
        if self._pushed is not None:
            try:
                self._pushed.open()
            except (DeviceError, ConfigurationError, OSError):
                self.close()
                raise

    def adopt(self, newer: Transport) -> bool:
        """Take the bounds of a transport from a newer configuration: who greeted would not greet that one again.

        Args:
            newer: Not open.

        Returns:
            False where it listens elsewhere or sends elsewhere; that one is to be opened then.
        """
        if not isinstance(newer, GreetedTransport) or self.description != newer.description:
            return False
        if getattr(self._pushed, "ttl", None) != getattr(newer._pushed, "ttl", None):
            return False
        self._lease_s, self._is_local_only = newer._lease_s, newer._is_local_only
        return True

    def send(self, datagram: Datagram) -> None:
        """Send to all at once; hear hellos first.

        Raises:
            OSError: The configured receiver cannot be reached; the others have got theirs.
        """
        listening = self._socket
        if listening is None:
            raise OSError("the socket is closed")
        now_s = self._clock.monotonic_s()
        self._hear(listening, now_s)
        if self._receivers:
            self._send_to_receivers(listening, bytes(datagram), now_s)
        if self._pushed is not None:
            self._pushed.send(datagram)

    def close(self) -> None:
        """Close both."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._pushed is not None:
            self._pushed.close()

    def _hear(self, listening: socket.socket, now_s: float) -> None:
        """Take what has come, not more than a few datagrams."""
        for _ in range(HELLOS_A_FRAME):
            try:
                content, (address, _) = listening.recvfrom(MAX_HELLO_BYTES + 1)
            except BlockingIOError:
                return
            except OSError:  # the error of an earlier datagram; who it was stands in the error queue
                self._read_errors(listening, now_s)
                continue
            try:
                self._take(address, self._read_hello(content), now_s)
            except ValueError:
                pass  # no hello: nothing is answered, and nothing is said that a stranger could fill a log with

    def _take(self, address: str, version: int, now_s: float) -> None:
        """Note who greeted, or who said good-bye."""
        if version == 0:
            self._receivers.pop(address, None)
        elif address in self._receivers:
            self._receivers[address] = _Receiver(version, now_s + self._lease_s)
        elif len(self._receivers) >= MAX_RECEIVERS or (self._is_local_only and not _is_local(address)):
            self.ignored += 1
        else:
            self._receivers[address] = _Receiver(version, now_s + self._lease_s)
            if len(self._known) < 4 * MAX_RECEIVERS and address not in self._known:  # each once, and not for ever
                self._known.add(address)
                _LOG.info("frames go to %s, port %d, which has greeted", address, self._reply_port)

    def _send_to_receivers(self, listening: socket.socket, datagram: bytes, now_s: float) -> None:
        """Send to who greeted; forget who is gone."""
        for address, receiver in list(self._receivers.items()):
            if now_s >= receiver.until_s or receiver.is_gone(now_s):
                del self._receivers[address]
                continue
            try:
                listening.sendto(self._translate(datagram, receiver.version), (address, self._reply_port))
            except OSError:  # a full buffer, no route, or an earlier refusal: this frame is lost for this one
                self._read_errors(listening, now_s)

    def _read_errors(self, listening: socket.socket, now_s: float) -> None:
        """Take whose machine has said that nobody listens."""
        for _ in range(HELLOS_A_FRAME):
            try:
                _, ancillary, _, sender = listening.recvmsg(0, 256, _MSG_ERRQUEUE)
            except OSError:
                return
            for level, kind, content in ancillary:
                if (level, kind) != (socket.IPPROTO_IP, _IP_RECVERR) or len(content) < _EXTENDED_ERROR.size:
                    continue
                if _EXTENDED_ERROR.unpack_from(content)[1] != _ORIGIN_ICMP:
                    continue
                self._refused += 1
                receiver = self._receivers.get(sender[0]) if sender else None
                if receiver is not None:
                    receiver.refused_at_s = now_s
                    if receiver.refused_since_s is None:
                        receiver.refused_since_s = now_s


def _is_ipv4(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def _is_local(address: str) -> bool:
    """Return whether an address is one of a local network: private, link-local or this machine."""
    found = ipaddress.ip_address(address)
    return found.is_private or found.is_link_local or found.is_loopback
