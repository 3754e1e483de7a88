"""Where another program's bytes come from: standard input, a TCP port, a Unix socket. Nothing here blocks.

Bytes are taken only when they are asked for, so that a fast writer waits in its own `write` (back-pressure) and loses
nothing.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import stat
import sys
from typing import Protocol

from edge.errors import ConfigurationError, DeviceError, InputError
from edge.machine.address import BIND_ERRORS, bind_fault, is_unknown_host, split_address

RECEIVE_BUFFER_BYTES = 32 * 1024  # bounds what lies between writer and face: 0.4 s of 16-bit mono at 44.1 kHz
MOST_ACCEPTED_AT_ONCE = 16
_KEEPALIVE = (
    (socket.TCP_KEEPIDLE, 10),
    (socket.TCP_KEEPINTVL, 5),
    (socket.TCP_KEEPCNT, 3),
    (socket.TCP_USER_TIMEOUT, 25_000),  # ms; also while something that was sent to it is not acknowledged
)  # a dead peer: gone in 25 s


class Bytes(Protocol):
    """One writer's bytes."""

    @property
    def descriptor(self) -> int:
        """Return what can be polled; -1 once it is closed."""
        ...

    def receive(self, n_bytes: int) -> bytes | None:
        """Return at most so many bytes, b"" at their end, None where there are none now."""
        ...

    def close(self) -> None:
        """Release it; may be called twice."""
        ...


class StandardInput:
    """What is piped into the program."""

    description = "stdin"

    def __init__(self) -> None:
        self._descriptor = -1

    def open(self) -> None:
        """Take standard input.

        Raises:
            InputError: It is a terminal or closed.
        """
        try:
            self._descriptor = sys.stdin.fileno()
        except (AttributeError, OSError, ValueError) as err:
            raise InputError("sound from stdin", "standard input is closed", "Pipe sound into the program") from err
        if os.isatty(self._descriptor):
            raise InputError(
                "sound from stdin",
                "standard input is a terminal",
                "Pipe sound into it: `synthesiser | au-edge run ...`",
            )

    @property
    def descriptor(self) -> int:
        """Return what can be polled; -1 while it is closed."""
        return self._descriptor

    def receive(self, n_bytes: int) -> bytes | None:
        """Return at most so many bytes, b"" at the end, None where there are none now."""
        # Polled, not made non-blocking: that flag would be shared with whoever else holds the pipe.
        if self._descriptor < 0 or not is_readable(self._descriptor, 0.0):
            return None
        try:
            return os.read(self._descriptor, n_bytes)
        except OSError:
            return b""

    def close(self) -> None:
        """Forget the descriptor, which is not ours to close."""
        self._descriptor = -1


class Connection:
    """A client that writes.

    Args:
        client: Its socket, which belongs to this from now on.
    """

    def __init__(self, client: socket.socket) -> None:
        client.setblocking(False)
        if client.family != socket.AF_UNIX:
            end_with_peer(client)
        self._client = client

    @property
    def descriptor(self) -> int:
        """Return what can be polled; -1 once it is closed."""
        return self._client.fileno()

    def receive(self, n_bytes: int) -> bytes | None:
        """Return at most so many bytes, b"" when the client has gone, None where there are none now."""
        try:
            return self._client.recv(n_bytes)
        except BlockingIOError:
            return None
        except OSError:
            return b""  # reset by the peer, or closed here: its sound ends

    def refuse(self, why: str) -> None:
        """Tell the client, as far as it listens, and send it away."""
        with contextlib.suppress(OSError):
            self._client.send(f"refused: {why}\n".encode())
            self._client.shutdown(socket.SHUT_WR)
        self.close()

    def close(self) -> None:
        """Send the client away; may be called twice."""
        self._client.close()


class Listener:
    """A socket at which clients come.

    Args:
        address: "host:port" for TCP, else the path of a Unix socket.
        is_unix: Which of the two.
    """

    def __init__(self, address: str, is_unix: bool) -> None:
        self._address = address
        self._is_unix = is_unix
        self._listener: socket.socket | None = None

    @property
    def description(self) -> str:
        """Return the address, as a person writes it."""
        return f"{'unix' if self._is_unix else 'tcp'}://{self._address}"

    @property
    def port(self) -> int:
        """Return the port that is listened at (for an address that ends with ":0"); 0 where there is none."""
        if self._listener is None or self._is_unix:
            return 0
        return int(self._listener.getsockname()[1])

    @property
    def descriptor(self) -> int:
        """Return what can be polled; -1 while it is closed."""
        return -1 if self._listener is None else self._listener.fileno()

    def open(self) -> None:
        """Listen.

        Raises:
            ConfigurationError: The address is not one.
            DeviceError: It is in use.
        """
        self.close()
        self._listener = _listen_unix(self._address) if self._is_unix else _listen_tcp(self._address)
        self._listener.setblocking(False)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)  # clients inherit it

    def accept(self) -> list[Connection]:
        """Return the clients that have come, a few at most."""
        came: list[Connection] = []
        while self._listener is not None and len(came) < MOST_ACCEPTED_AT_ONCE:
            try:
                came.append(Connection(self._listener.accept()[0]))
            except OSError:
                break  # nobody, or it left before it was let in
        return came

    def close(self) -> None:
        """Stop listening; may be called twice."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()
            if self._is_unix:
                with contextlib.suppress(OSError):
                    os.unlink(self._address)


def end_with_peer(link: socket.socket) -> None:
    """Let a TCP connection end within half a minute of its peer's death, whoever waits for whom."""
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE:
        link.setsockopt(socket.IPPROTO_TCP, option, value)


def is_readable(descriptor: int, timeout_s: float) -> bool:
    """Return whether bytes, or an end, can be read within the time."""
    if descriptor < 0:
        return False
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(max(0.0, timeout_s) * 1000.0))


def _listen_tcp(address: str) -> socket.socket:
    asked = f"to listen at tcp {address!r}"
    found = split_address(address)
    if found is None:
        raise ConfigurationError(asked, "that is not host:port", "Write 127.0.0.1:8931, or [::1]:8931")
    host, port = found
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=16)
    except BIND_ERRORS as err:
        if is_unknown_host(err) or not isinstance(err, OSError):
            raise ConfigurationError(asked, bind_fault(err), "Give an address of this machine") from err
        if err.errno in (errno.EADDRNOTAVAIL, errno.EACCES, errno.EAFNOSUPPORT):
            raise ConfigurationError(
                asked, os.strerror(err.errno), "Give an address of this machine, port 1024 or up"
            ) from err
        raise DeviceError(asked, os.strerror(err.errno or 0), "Stop the other program, or give another port") from err


def _listen_unix(path: str) -> socket.socket:
    asked = f"to listen at the Unix socket {path!r}"
    if not path or len(os.fsencode(path)) > 107 or "\0" in path:
        raise ConfigurationError(asked, "no such path is possible", "Give a path of 1 to 107 bytes")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale_socket(path, asked)
        listener.bind(path)
        os.chmod(path, 0o660)  # whoever may connect, may make the face speak
        listener.listen(16)
    except OSError as err:
        listener.close()
        raise ConfigurationError(
            asked, os.strerror(err.errno or 0), "Give a path in a folder that can be written"
        ) from err
    except BaseException:
        listener.close()
        raise
    return listener


def _remove_stale_socket(path: str, asked: str) -> None:
    """Remove what a killed program left behind, and nothing else."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ConfigurationError(asked, "something else is there that is not a socket", "Give another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except BlockingIOError:
            pass
    raise DeviceError(asked, "another program listens there", "Stop it, or give another path")
