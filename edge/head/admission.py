"""How many connections the page's server has open at once, and who gives way: never a page that is shown.

A connection passes through (it asks for a file, or for the page's WebSocket) or is a page. Too many that pass: the one
that has been at it longest is dropped, since a browser asks at once and a flood of silent connections does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.machine.descriptors import connection_share
from edge.machine.passing import Passing

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection

MOST_PAGES = 32
MOST_ANSWERED_BYTES = 64 << 20  # of answers that wait for slow readers; each holds its own copy


class Admission(Passing):
    """The connections of the page's server; see `Passing`."""

    def __init__(self) -> None:
        super().__init__()
        self._most_pages = connection_share(MOST_PAGES)

    def becomes_page(self, connection: ServerConnection, n_pages: int) -> bool:
        """Return whether there is room for one more page; it no longer passes then."""
        if n_pages >= self._most_pages:
            return False
        self.settle(connection)
        return True

    def answers(self, connection: ServerConnection, n_bytes: int) -> bool:
        """Return whether there is memory for an answer of this size."""
        n_waiting = sum(self._passing.values())
        if n_waiting > 0 and n_waiting + n_bytes > MOST_ANSWERED_BYTES:
            return False
        if connection in self._passing:
            self._passing[connection] = n_bytes
        return True
