"""One page on its WebSocket: a short queue of what is yet to be sent, from which the oldest falls out."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from edge.head.wire import FRAME_KIND, names_message

QUEUE_MESSAGES = 16  # half a second of frames


class PageLink:
    """What is yet to be sent to one page.

    Attributes:
        wants_sound: Whether the page asked for sound.
        queue: Messages that wait.
    """

    def __init__(self) -> None:
        self.queue: deque[bytes | str] = deque(maxlen=QUEUE_MESSAGES)
        self.wants_sound = False
        self._wake = asyncio.Event()

    def offer(self, message: bytes | str) -> None:
        """Queue a message; a page that does not keep up loses the oldest."""
        self.queue.append(message)
        self._wake.set()

    async def send_all(
        self, send: Callable[[bytes | str], Awaitable[None]], names: Callable[[], tuple[str, ...]]
    ) -> None:
        """Send what is offered, until cancelled.

        Args:
            send: Sends one message, and waits while the page is slow.
            names: Returns the channels of the frames that are queued now.
        """
        names_sent: tuple[str, ...] = ()
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self.queue:
                message = self.queue.popleft()
                if isinstance(message, bytes) and message[0] == FRAME_KIND and names() != names_sent:
                    names_sent = names()  # sent here, not queued: it must not fall out
                    await send(names_message(names_sent))
                await send(message)
