"""Ways to run the display head's server: as a program of its own, or on a thread beside a running one."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping

from edge.config.settings import HeadSettings
from edge.contracts import Expressive
from edge.errors import DeviceError
from edge.head.arrivals import Decode
from edge.head.server import HeadServer
from edge.head.wire import Drive

START_TIMEOUT_S = 10.0


def run_head(
    settings: HeadSettings,
    make_decoder: Callable[[], Decode],
    drive: Callable[[Drive], None] | None = None,
    on_ready: Callable[[HeadServer], None] | None = None,
    face: Expressive | None = None,
) -> int:
    """Serve until interrupted.

    Args:
        settings: See `HeadServer`.
        make_decoder: See `HeadServer`.
        drive: See `HeadServer`.
        on_ready: Called once the page can be opened.
        face: See `HeadServer`.

    Returns:
        0.

    Raises:
        AuEdgeError: It cannot start; see `HeadServer.start`.
    """
    server = HeadServer(settings, make_decoder, drive, face)

    async def serve_until_stopped() -> None:
        import signal

        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopped.set)
        await server.start()
        if on_ready is not None:
            on_ready(server)
        try:
            await stopped.wait()
        finally:
            await server.stop()

    asyncio.run(serve_until_stopped())
    return 0


class HeadThread:
    """The server on a thread of its own, beside a running program.

    Args:
        server: Not yet started.
    """

    def __init__(self, server: HeadServer) -> None:
        self.server = server
        self._ready = threading.Event()
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="head", daemon=True)

    @property
    def address(self) -> str:
        """Return the page's address."""
        return self.server.address

    def open(self) -> None:
        """Start the thread and return once the page can be opened.

        Raises:
            AuEdgeError: It cannot start; see `HeadServer.start`.
        """
        self._thread.start()
        if not self._ready.wait(START_TIMEOUT_S):
            raise DeviceError("the display head", "it did not start in time", "Try again, or set `head.enabled = no`")
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Stop the thread; may be called twice."""
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(START_TIMEOUT_S)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            await self.server.start()
        except Exception as err:  # `open` raises it
            self._error = err
            return
        finally:
            self._ready.set()
        await self._stop.wait()
        await self.server.stop()


def start_head_thread(
    settings: HeadSettings,
    make_decoder: Callable[[], Decode],
    drive: Callable[[Drive], None] | None = None,
    face: Expressive | None = None,
) -> HeadThread:
    """Start the server beside a running program and return its handle.

    Raises:
        AuEdgeError: It cannot start; see `HeadServer.start`.
    """
    thread = HeadThread(HeadServer(settings, make_decoder, drive, face))
    thread.open()
    return thread


def open_in_browser(address: str, environment: Mapping[str, str]) -> bool:
    """Open the page where there is a display, and return whether there is one.

    Args:
        address: Of the page.
        environment: Of the process; DISPLAY or WAYLAND_DISPLAY tells that there is a screen.
    """
    if not (environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")):
        return False
    import webbrowser

    return webbrowser.open(address)
