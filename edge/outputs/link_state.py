"""How it stands with the way to a receiver: as it is said in the log, the view, the metrics and `au-edge check`."""

from __future__ import annotations

import errno
from enum import Enum

from edge.errors import DeviceError


class LinkState(Enum):
    """The value is what a person reads."""

    OFF = "off"
    OPENING = "opening"
    UNTRIED = "nothing sent yet"
    UP = "up"  # no error came back lately; UDP knows no more
    REFUSED = "refused"  # the receiver's machine says that nobody listens at the port
    NO_ROUTE = "no route"
    NO_NAME = "no such name yet"
    NO_INTERFACE = "no such interface yet"
    FORBIDDEN = "not permitted"  # by this machine: a firewall, or IPAddressAllow of the service
    DOWN = "down"


class LinkError(DeviceError):
    """A way to a receiver cannot be had now.

    Args:
        state: How it stands.
        asked: As of `AuEdgeError`.
        found: As of `AuEdgeError`.
        remedy: As of `AuEdgeError`.
    """

    def __init__(self, state: LinkState, asked: str, found: str, remedy: str) -> None:
        super().__init__(asked, found, remedy)
        self.state = state


# EINVAL is what Linux says of a datagram whose own address has left this machine.
_NO_ROUTE = {
    errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EADDRNOTAVAIL, errno.EINVAL,
}  # fmt: skip
_NO_INTERFACE = {errno.ENODEV, errno.ENXIO}


def state_of(failure: BaseException) -> LinkState:
    """Return how it stands with a way that failed."""
    if isinstance(failure, LinkError):
        return failure.state
    number = failure.errno if isinstance(failure, OSError) else None
    if number in _NO_ROUTE:
        return LinkState.NO_ROUTE
    if number in _NO_INTERFACE:
        return LinkState.NO_INTERFACE
    if number in (errno.EPERM, errno.EACCES):
        return LinkState.FORBIDDEN
    return LinkState.REFUSED if number == errno.ECONNREFUSED else LinkState.DOWN
