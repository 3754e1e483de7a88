"""A receiver whose time stamps are the kernel's: the moment a datagram is in the socket, not that it is looked at.

So nothing of the measurement depends on when this process is scheduled.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from dataclasses import dataclass

from edge.outputs.received import ReceivedFrame
from edge.outputs.receiving import decode

_SO_TIMESTAMPNS = 35  # asm-generic/socket.h; the socket module does not name it
_TIMESPEC = struct.Struct("@ll")
_BUFFER_BYTES = 1 << 21  # some minutes of frames, should this process stand still
_LOOK_S = 0.1


@dataclass(frozen=True)
class Arrival:
    """A datagram that came.

    Attributes:
        unix_s: Unix time at which the kernel had it.
        datagram: Its bytes.
    """

    unix_s: float
    datagram: bytes


class StampedReceiver:
    """A UDP socket on this machine and the thread that empties it."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self._first = threading.Event()
        self._stop = threading.Event()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.settimeout(_LOOK_S)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._receive, name="bench-receiver", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Return where to send to."""
        return int(self._socket.getsockname()[1])

    def wait_first(self, timeout_s: float) -> bool:
        """Return whether something has come, after waiting for it at most this long."""
        return self._first.wait(timeout_s)

    def close(self) -> None:
        """Stop receiving; what came stays."""
        self._stop.set()
        self._thread.join()
        self._socket.close()

    def frames(self) -> list[tuple[float, ReceivedFrame]]:
        """Return the frames that came with their arrival (Unix time), without announcements."""
        found = []
        for arrival in list(self.arrivals):
            received = decode(arrival.datagram)
            if isinstance(received, ReceivedFrame):
                found.append((arrival.unix_s, received))
        return found

    def _receive(self) -> None:
        while not self._stop.is_set():
            try:
                datagram, ancillary, _, _ = self._socket.recvmsg(65536, 64)
            except TimeoutError:
                continue
            self.arrivals.append(Arrival(_stamp(ancillary), datagram))
            self._first.set()


def _stamp(ancillary: list[tuple[int, int, bytes]]) -> float:
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
            seconds, nanoseconds = _TIMESPEC.unpack(content[: _TIMESPEC.size])
            return float(seconds + nanoseconds / 1e9)
    return time.time()
