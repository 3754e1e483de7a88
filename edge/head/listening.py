"""Where the display head listens: its UDP port, and one error for an address that cannot be had."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from typing import Any

from edge.errors import DeviceError
from edge.machine.address import BIND_ERRORS, bind_fault, is_unknown_host

Take = Callable[[bytes, tuple[str, int]], None]


async def listen_for_frames(take: Take, host: str, port: int) -> asyncio.DatagramTransport:
    """Bind the UDP port that frames come in by.

    Args:
        take: Called on the loop with every datagram and its sender.
        host: An address of this machine.
        port: 0 picks a free one.

    Raises:
        DeviceError: The address cannot be had.
    """
    try:
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Datagrams(take), local_addr=(host, port)
        )
    except BIND_ERRORS as err:
        raise unavailable("frames over UDP", host, port, err, "frames_port") from err
    return transport


def unavailable(what: str, host: str, port: int, err: Exception, key: str) -> DeviceError:
    """Return the error for an address that cannot be had.

    Args:
        what: That was to be served there.
        host: Of the address.
        port: Of the address.
        err: Why not.
        key: Of the port in section [head].
    """
    found, number = bind_fault(err), err.errno if isinstance(err, OSError) else 0
    remedy = f"Set another `{key}` in [head], or stop what uses it"
    if is_unknown_host(err) or number == errno.EADDRNOTAVAIL:
        host_key = "frames_host" if key == "frames_port" else "host"
        remedy = f"Set `{host_key}` in [head] to an address of this machine, or 0.0.0.0 for all"
    elif number in (errno.EACCES, errno.EPERM):
        remedy = f"Set `{key}` in [head] to 1024 or more, which needs no root"
    return DeviceError(f"{what} at {host}:{port}", found, remedy)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, take: Take) -> None:
        self._take = take

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self._take(data, (str(addr[0]), int(addr[1])))

    def error_received(self, exc: Exception) -> None:
        """Ignore ICMP errors: we only receive."""
