"""`au-edge watch`: receive frames on a UDP port, in any of our formats, and show them and how they arrive."""

from __future__ import annotations

import errno
import ipaddress
import socket
import struct
import threading
import time
from typing import TextIO

from edge.errors import ArgumentsError, DeviceError
from edge.outputs.received import ReceivedFrame
from edge.outputs.receiving import StreamDecoder
from edge.watch.live_view import Screen
from edge.watch.screen import Shown
from edge.watch.stream_model import StreamModel

_POLL_S = 0.1
_RECEIVE_BYTES = 65535
STALE_AFTER_S = 1.0  # without a frame the view says that nothing comes


def run_watch(host: str, port: int, decoder: StreamDecoder, *, duration_s: float | None, stream: TextIO) -> int:
    """Show what arrives until Ctrl-C or the end of the duration.

    Args:
        host: Address to listen on; empty or 0.0.0.0 for all, a multicast group to join it.
        port: UDP port.
        decoder: Reads what arrives.
        duration_s: When to end by itself; None for never.
        stream: Where to draw.

    Returns:
        0, or 1 where nothing of ours arrived within the duration.

    Raises:
        DeviceError: The port is in use or the address cannot be bound.
        ArgumentsError: It is no address or no port.
    """
    watcher = Watcher(f"udp {host or '0.0.0.0'}:{port}", decoder)
    end_s = None if duration_s is None else time.monotonic() + duration_s
    with bind(host, port) as bound, Screen(stream, watcher.look):
        bound.settimeout(_POLL_S)
        try:
            while end_s is None or time.monotonic() < end_s:
                try:
                    datagram, sender = bound.recvfrom(_RECEIVE_BYTES)
                except TimeoutError:
                    continue
                watcher.take(datagram, str(sender[0]))
        except KeyboardInterrupt:
            return 0
    return 0 if watcher.model.n_frames or duration_s is None else 1


class Watcher:
    """What has arrived so far.

    Args:
        title: What is watched.
        decoder: Reads what arrives.
    """

    def __init__(self, title: str, decoder: StreamDecoder) -> None:
        self.model = StreamModel()
        self._title = title
        self._decoder = decoder
        self._newest: ReceivedFrame | None = None
        self._arrived_s = 0.0
        self._sender = ""
        self._lock = threading.Lock()

    def take(self, datagram: bytes, sender: str) -> None:
        """Take a datagram.

        Args:
            datagram: As received.
            sender: Its address.
        """
        with self._lock:
            frame = self._decoder.feed(datagram)
            if frame is not None:
                self._arrived_s = time.monotonic()
                if self.model.take(frame, self._arrived_s, time.time()):
                    self._newest, self._sender = frame, sender

    def look(self) -> Shown:
        """Return what is to be seen now."""
        with self._lock:
            now_s = time.monotonic()
            frame, model = self._newest, self.model
            if frame is None:
                refused = self._decoder.n_refused
                other = (
                    f"{refused} datagrams refused: {self._decoder.last_reason}" if refused else "nothing arrives yet"
                )
                return Shown({}, (0.0, 0.0, 0.0), None, self._title, (other,))
            is_stale = now_s - self._arrived_s > STALE_AFTER_S
            facts = [
                f"{model.rate_hz(now_s):.1f} frames/s",
                f"lost {model.n_lost} ({100 * model.loss():.1f} %)",
                f"age {model.age_text()}" if not is_stale else f"nothing for {now_s - self._arrived_s:.0f} s",
            ]
            if model.n_restarts:
                facts.append(f"restarts {model.n_restarts}")
            if self._decoder.n_refused:
                facts.append(f"refused {self._decoder.n_refused}")
            title = f"{self._title} <- {self._sender}  {frame.protocol}, {len(frame.values)} channels"
            names = frame.names
            if names is None:
                facts.append("names not announced yet")
            values = dict(zip(names, frame.values, strict=True)) if names is not None else {}
            return Shown(values, frame.head_deg, None if is_stale else frame.state, title, facts)


def bind(host: str, port: int) -> socket.socket:
    """Return a socket bound to an address, joined to it where it is a multicast group.

    Raises:
        DeviceError: It is in use, or not an address of this machine.
        ArgumentsError: It is no address or no port.
    """
    asked = f"listening on {host or '0.0.0.0'}:{port}"
    try:
        address = ipaddress.ip_address(host.strip("[]") or "0.0.0.0")
    except ValueError as err:
        raise ArgumentsError(asked, f"{host!r} is no address", "Give an address of this machine, or none") from err
    if not 0 < port < 65536:
        raise ArgumentsError(asked, "the port is not 1 to 65535", "Give the port that frames are sent to")
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_DGRAM)
    try:
        if address.is_multicast:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # several may listen to a group
        bound.bind((str(address), port))
        if address.is_multicast and address.version == 4:
            bound.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, address.packed + bytes(4))
        elif address.is_multicast:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, address.packed + struct.pack("@i", 0))
    except OSError as err:
        bound.close()
        if err.errno == errno.EADDRINUSE:
            remedy = f"Stop the program that listens there (`ss -ulpn 'sport = :{port}'` names it), or use another port"
            raise DeviceError(asked, "the port is in use", remedy) from err
        raise DeviceError(asked, f"it cannot be bound ({err.strerror})", "Give an address of this machine") from err
    return bound
