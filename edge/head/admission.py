"""How many connections the page's server has open at once, and who gives way: never a page that is shown.

A connection passes through (it asks for a file, or for the page's WebSocket) or is a page. Too many that pass: the one
that has been at it longest is dropped, since a browser asks at once and a flood of silent connections does not.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING

from edge.machine.descriptors import connection_share

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection

MOST_PASSING = 32  # a browser opens six at once
MOST_PAGES = 32
MOST_ANSWERED_BYTES = 64 << 20  # of answers that wait for slow readers; each holds its own copy
PASSING_LIMIT_S = 10.0  # from the connection to the end of the answer


class Admission:
    """The connections of a server.

    Attributes:
        most_passing: How many may pass at once.
        n_dropped: Connections that gave way.
    """

    def __init__(self) -> None:
        self.most_passing = connection_share(MOST_PASSING)
        self._most_pages = connection_share(MOST_PAGES)
        self._all: set[ServerConnection] = set()
        self._passing: OrderedDict[ServerConnection, int] = OrderedDict()  # with the bytes of its answer
        self.n_dropped = 0

    def enter(self, connection: ServerConnection) -> None:
        """Take a new connection, in the place of the oldest that passes where there are too many."""
        while len(self._passing) >= self.most_passing:
            oldest, _ = self._passing.popitem(last=False)
            self.n_dropped += 1
            oldest.transport.abort()
        self._passing[connection] = 0
        self._all.add(connection)

    def becomes_page(self, connection: ServerConnection, n_pages: int) -> bool:
        """Return whether there is room for one more page; it no longer passes then."""
        if n_pages >= self._most_pages:
            return False
        self._passing.pop(connection, None)
        return True

    def answers(self, connection: ServerConnection, n_bytes: int) -> bool:
        """Return whether there is memory for an answer of this size."""
        n_waiting = sum(self._passing.values())
        if n_waiting > 0 and n_waiting + n_bytes > MOST_ANSWERED_BYTES:
            return False
        if connection in self._passing:
            self._passing[connection] = n_bytes
        return True

    def leave(self, connection: ServerConnection) -> None:
        """Forget a connection that has ended."""
        self._passing.pop(connection, None)
        self._all.discard(connection)

    def end(self, is_at_once: bool) -> None:
        """Drop what passes, or everything: an end waits for nobody who is silent."""
        for connection in [*self._all] if is_at_once else [*self._passing]:
            connection.transport.abort()

    def connection_type(self) -> type[ServerConnection]:
        """Return the type of connection that reports to this."""
        from websockets.asyncio.server import ServerConnection

        admission = self

        class AdmittedConnection(ServerConnection):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                super().connection_made(transport)
                admission.enter(self)

            def connection_lost(self, exc: Exception | None) -> None:
                admission.leave(self)
                super().connection_lost(exc)

        return AdmittedConnection
