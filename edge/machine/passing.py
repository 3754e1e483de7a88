"""Connections of a WebSocket server that are not let in yet: few, and the one that has been at it longest gives way.

A stranger can open connections faster than any time limit ends them, and each takes a descriptor that capture and
receivers need. Whoever is let in is no longer among these: a flood of silent connections takes nobody's place.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING

from edge.machine.descriptors import connection_share

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection

MOST_PASSING = 32  # a browser opens six at once
PASSING_LIMIT_S = 10.0  # from the connection to the end of the answer


class Passing:
    """The connections of a server.

    Attributes:
        most_passing: How many may pass at once.
        n_dropped: Connections that gave way.
    """

    def __init__(self) -> None:
        self.most_passing = connection_share(MOST_PASSING)
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

    def settle(self, connection: ServerConnection) -> None:
        """Let a connection stay: it no longer passes."""
        self._passing.pop(connection, None)

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

        passing = self

        class PassingConnection(ServerConnection):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                super().connection_made(transport)
                passing.enter(self)

            def connection_lost(self, exc: Exception | None) -> None:
                passing.leave(self)
                super().connection_lost(exc)

        return PassingConnection
