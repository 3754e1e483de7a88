"""An address of a socket as people write it."""

from __future__ import annotations

import socket

# What binding raises; the latter two where a host can be no name: a label of it is empty, or longer than 63 bytes.
BIND_ERRORS = (OSError, UnicodeError, TypeError)
MOST_DIGITS = 5  # of a port; a longer number is none, and Python refuses to read one of 5000 digits at all


def split_address(text: str) -> tuple[str, int] | None:
    """Return host and port of "host:port" or "[::1]:port"; None where it is no such thing.

    Args:
        text: As written; of any length.
    """
    host, _, port = text.strip().rpartition(":")
    host = host.strip("[]")
    if not host or not port.isascii() or not port.isdecimal() or len(port) > MOST_DIGITS or int(port) > 65535:
        return None
    return host, int(port)


def is_unknown_host(err: Exception) -> bool:
    """Return whether binding failed over the host's name: there is none such, or it can be none.

    Args:
        err: One of `BIND_ERRORS`.
    """
    # A server that is made by the standard library gives the number of `getaddrinfo`, which is negative.
    return isinstance(err, socket.gaierror) or not isinstance(err, OSError) or (err.errno or 0) < 0


def bind_fault(err: Exception) -> str:
    """Return why binding failed.

    Args:
        err: One of `BIND_ERRORS`.
    """
    if isinstance(err, OSError) and not is_unknown_host(err):
        return err.strerror or str(err)
    return "there is no host of this name"
