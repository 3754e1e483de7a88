"""An address of a datagram socket as people write it."""

from __future__ import annotations

from edge.errors import ConfigurationError
from edge.machine.address import split_address

LOOPBACK = "127.0.0.1"


def parse_address(key: str, text: str) -> tuple[str, int]:
    """Return host and port of "host:port", "[::1]:port" or "port", which is of this machine alone.

    Args:
        key: Of the configuration, for the message.
        text: As written.

    Raises:
        ConfigurationError: It is no address.
    """
    plain = text.strip()
    address = split_address(plain if ":" in plain else f"{LOOPBACK}:{plain}")
    if address is None:
        raise ConfigurationError(f"{key} = {text[:80]}", "that is not host:port", "Write 127.0.0.1:9010, or 9010")
    return address
