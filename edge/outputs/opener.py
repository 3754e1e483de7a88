"""Open a way to a receiver beside the frame loop: a name server that does not answer takes seconds."""

from __future__ import annotations

import threading

from edge.contracts import Transport
from edge.errors import AuEdgeError


class Opener:
    """A thread that opens a transport and is done.

    Args:
        transport: Opened at once; closed again where nobody wants it any more.

    Attributes:
        failure: Why it could not be opened; None before the end and where it was.
        done: Set at the end.
    """

    def __init__(self, transport: Transport) -> None:
        self.failure: AuEdgeError | OSError | None = None
        self.done = threading.Event()
        self._transport = transport
        self._lock = threading.Lock()
        self._is_abandoned = False
        threading.Thread(target=self._run, name="au-edge-open", daemon=True).start()

    def _run(self) -> None:
        try:
            self._transport.open()
        except (AuEdgeError, OSError) as err:
            self.failure = err
        with self._lock:
            self.done.set()
            if self._is_abandoned:
                self._transport.close()

    def abandon(self) -> None:
        """Close the transport, now or as soon as it is open."""
        with self._lock:
            self._is_abandoned = True
            if self.done.is_set():
                self._transport.close()
