"""A face in another program, asked over OSC: the page of `au-edge head` beside a running `au-edge run`."""

from __future__ import annotations

import contextlib
import socket

from edge.control.address import parse_address
from edge.control.osc_control import PREFIX
from edge.errors import DeviceError
from edge.outputs.osc_template import Arguments, build_message


class OscRemote:
    """Sends wishes as `OscControl` hears them; it answers nothing, so a name that is unknown is refused there.

    Args:
        address: Where the other program listens.

    Raises:
        ConfigurationError: That is no address.
        DeviceError: The host is unknown.
    """

    def __init__(self, address: str) -> None:
        host, port = parse_address("control.osc", address)
        try:
            family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
            self._socket = socket.socket(family, kind, protocol)
        except (OSError, UnicodeError) as err:
            raise DeviceError(f"control.osc = {address}", str(err), "Correct the name, or the DNS") from err
        self._socket.setblocking(False)
        self._where = where

    def mood(self, name: str, amount: float = 1.0) -> None:
        """Ask for a mood."""
        self._send("mood", [("s", name), ("f", amount)])

    def look(self, yaw_deg: float | None = None, pitch_deg: float | None = None) -> None:
        """Ask for a look."""
        self._send("look", [] if yaw_deg is None or pitch_deg is None else [("f", yaw_deg), ("f", pitch_deg)])

    def gesture(self, name: str) -> None:
        """Ask for a gesture."""
        self._send("gesture", [("s", name)])

    def rest(self) -> None:
        """Ask for a rest."""
        self._send("rest", [])

    def wake(self) -> None:
        """Ask for the end of a rest."""
        self._send("wake", [])

    def _send(self, word: str, arguments: Arguments) -> None:
        with contextlib.suppress(OSError):  # nobody listens there now
            self._socket.sendto(bytes(build_message(f"{PREFIX}{word}", arguments)), self._where)

    def close(self) -> None:
        """Release the socket; may be called twice."""
        self._socket.close()
