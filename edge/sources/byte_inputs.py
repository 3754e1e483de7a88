"""Where another program's bytes come from: standard input, a TCP port, a Unix socket. Nothing here blocks.

A listener serves one client at a time; another one that comes meanwhile is turned away at once, and when the client
has gone the next is welcome. Bytes are taken only when they are asked for, so that a fast writer waits in its own
`write` (back-pressure) and loses nothing.
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

RECEIVE_BUFFER_BYTES = 32 * 1024  # bounds what lies between writer and face: 0.4 s of 16-bit mono at 44.1 kHz
_KEEPALIVE = (
    (socket.TCP_KEEPIDLE, 10),
    (socket.TCP_KEEPINTVL, 5),
    (socket.TCP_KEEPCNT, 3),
)  # a dead peer: gone in 25 s


class ByteInput(Protocol):
    """A stream of bytes, perhaps one after the other."""

    has_successors: bool

    @property
    def description(self) -> str:
        """Return where the bytes come from."""
        ...

    def open(self) -> None:
        """Acquire it."""
        ...

    def receive(self, n_bytes: int, timeout_s: float) -> bytes | None:
        """Return at most so many bytes, b"" at the end of a stream, None where nothing came in time."""
        ...

    def hang_up(self) -> None:
        """End the present stream from this side."""
        ...

    def close(self) -> None:
        """Release it; may be called twice."""
        ...


class StandardInput:
    """What is piped into the program."""

    has_successors = False
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

    def receive(self, n_bytes: int, timeout_s: float) -> bytes | None:
        """Return at most so many bytes, b"" at the end, None where nothing came in time."""
        # Polled, not made non-blocking: that flag would be shared with whoever else holds the pipe.
        if not _is_readable(self._descriptor, timeout_s):
            return None
        try:
            return os.read(self._descriptor, n_bytes)
        except OSError:
            return b""

    def hang_up(self) -> None:
        """Do nothing: the writer owns the pipe."""

    def close(self) -> None:
        """Forget the descriptor, which is not ours to close."""
        self._descriptor = -1


class Listener:
    """A socket that waits for one client after the other.

    Args:
        address: "host:port" for TCP, else the path of a Unix socket.
        is_unix: Which of the two.
    """

    has_successors = True

    def __init__(self, address: str, is_unix: bool) -> None:
        self._address = address
        self._is_unix = is_unix
        self._listener: socket.socket | None = None
        self._client: socket.socket | None = None
        self.n_clients = 0
        self.n_turned_away = 0

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

    def receive(self, n_bytes: int, timeout_s: float) -> bytes | None:
        """Return at most so many bytes, b"" when the client has gone, None where nothing came in time."""
        self._welcome(0.0 if self._client else timeout_s)
        if self._client is None or not _is_readable(self._client.fileno(), timeout_s):
            return None
        try:
            data = self._client.recv(n_bytes)
        except BlockingIOError:
            return None
        except OSError:
            data = b""  # reset by the peer: its sound ends here
        if not data:
            self.hang_up()
        return data

    def hang_up(self) -> None:
        """Send the client away; the next may come."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def close(self) -> None:
        """Stop listening; may be called twice."""
        self.hang_up()
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()
            if self._is_unix:
                with contextlib.suppress(OSError):
                    os.unlink(self._address)

    def _welcome(self, timeout_s: float) -> None:
        if self._listener is None or not _is_readable(self._listener.fileno(), timeout_s):
            return
        try:
            client, _ = self._listener.accept()
        except OSError:
            return  # it left before it was let in
        if self._client is not None:
            client.close()
            self.n_turned_away += 1
            return
        client.setblocking(False)
        if not self._is_unix:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in _KEEPALIVE:
                client.setsockopt(socket.IPPROTO_TCP, option, value)
        self._client = client
        self.n_clients += 1


def _is_readable(descriptor: int, timeout_s: float) -> bool:
    if descriptor < 0:
        return False
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(max(0.0, timeout_s) * 1000.0))


def _listen_tcp(address: str) -> socket.socket:
    host, separator, port_text = address.rpartition(":")
    host = host.strip("[]")
    asked = f"to listen at tcp {address!r}"
    if not separator or not host or not port_text.isdecimal() or int(port_text) > 65535:
        raise ConfigurationError(asked, "that is not host:port", "Write 127.0.0.1:8931, or [::1]:8931")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, int(port_text)), family=family, backlog=2)
    except socket.gaierror as err:
        raise ConfigurationError(
            asked, f"the host is unknown ({err.strerror})", "Give an address of this machine"
        ) from err
    except OSError as err:
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
        listener.listen(2)
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
