"""Serve the display head: frames in over UDP, one page with a WebSocket out.

One asyncio loop on one thread. Every page has its own short queue from which the oldest falls out, so that a slow page
delays nobody and never shows stale faces. Source: RFC 6455 (WebSocket), through the package websockets.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from edge.config.settings import HeadSettings
from edge.contracts import GESTURES, MOODS, WISHES, Expressive, take_wish
from edge.errors import MOST_ASKED, ConfigurationError, shortened
from edge.frames import Float32Array
from edge.head.admission import Admission
from edge.head.arrivals import Arrivals, Decode
from edge.head.listening import listen_for_frames, unavailable
from edge.head.page_link import PageLink
from edge.head.pages import Pages
from edge.head.sound_arrivals import SoundArrivals
from edge.head.wire import Drive, pack_frame, pack_pcm, pack_sound, read_drive, read_message
from edge.machine.address import BIND_ERRORS
from edge.machine.passing import PASSING_LIMIT_S

if TYPE_CHECKING:
    from websockets.asyncio.server import Server, ServerConnection
    from websockets.http11 import Request, Response

_log = logging.getLogger("au-edge")
LARGEST_MESSAGE_BYTES = 65_536
STATUS_PERIOD_S = 1.0
MOST_FAULTS_SAID = 10
GOODBYE_LIMIT_S = 1.0  # for pages to answer that they have heard of the end
WRITE_LIMIT_BYTES = 65_536  # beyond this a page is slow and its queue begins to drop


class HeadServer:
    """The display head's server.

    Args:
        settings: Addresses, allowed hosts, face. Port 0 picks a free one.
        make_decoder: Returns a decoder of one sender's datagrams (edge.outputs.receiving.StreamDecoder().read).
        drive: Takes faces set by hand on the page; None leaves that switched off. Must not block.
        face: Takes the moods, looks and gestures that pages ask for; None where nothing does.
    """

    def __init__(
        self,
        settings: HeadSettings,
        make_decoder: Callable[[], Decode],
        drive: Callable[[Drive], None] | None = None,
        face: Expressive | None = None,
    ) -> None:
        self._settings = settings
        hosts = settings.allowed_hosts.split(",")
        if settings.host not in ("0.0.0.0", "::", ""):
            hosts.append(settings.host)
        self._pages = Pages(hosts, settings.face)
        self._admission = Admission()
        self._faults: set[str] = set()
        self._arrivals = Arrivals(make_decoder)
        self._sounds = SoundArrivals()
        self._drive = drive
        self._face = face
        self._clients: set[PageLink] = set()
        self._names: tuple[str, ...] = ()
        self._is_sound_wanted = False
        self._server: Server | None = None
        self._transport: asyncio.DatagramTransport | None = None
        self._status: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.frames_port = settings.frames_port
        self.http_port = settings.port

    @property
    def address(self) -> str:
        """Return the page's address; valid after `start`."""
        host = self._settings.host
        if host in ("0.0.0.0", "::", ""):
            host = next((name.strip() for name in self._settings.allowed_hosts.split(",") if name.strip()), "localhost")
        return f"http://{f'[{host}]' if ':' in host else host}:{self.http_port}/"

    async def start(self) -> None:
        """Bind both sockets and serve.

        Raises:
            DeviceError: An address cannot be had.
            ConfigurationError: The package websockets, the page or the face is missing.
            InputError: The face is no glTF binary.
        """
        try:
            from websockets.asyncio.server import serve
        except ImportError as err:
            raise ConfigurationError(
                "the display head", "the package websockets is not installed", 'Run `pip install "au-edge[head]"`'
            ) from err
        logging.getLogger("websockets").setLevel(logging.CRITICAL)  # what strangers send is not our error
        self._pages.open()
        self._loop = loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._note_fault)
        settings = self._settings
        self._transport = await listen_for_frames(self._take, settings.frames_host, settings.frames_port)
        self.frames_port = self._transport.get_extra_info("sockname")[1]
        try:
            self._server = await serve(
                self._serve_page,
                settings.host,
                settings.port,
                process_request=self._process_request,
                create_connection=self._admission.connection_type(),
                open_timeout=PASSING_LIMIT_S,
                close_timeout=PASSING_LIMIT_S,
                backlog=max(16, self._admission.most_passing),  # asyncio accepts as many at once
                max_size=LARGEST_MESSAGE_BYTES,
                max_queue=4,
                write_limit=WRITE_LIMIT_BYTES,
                compression=None,
                ping_interval=20,
                ping_timeout=20,
                server_header=None,
            )
        except BIND_ERRORS as err:
            self._transport.close()
            raise unavailable("the page over HTTP", settings.host, settings.port, err, "port") from err
        self.http_port = next(iter(self._server.sockets)).getsockname()[1]
        self._status = asyncio.create_task(self._report())

    async def stop(self) -> None:
        """Close both sockets and every page; may be called twice."""
        status, self._status = self._status, None
        if status is not None:
            status.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await status
        if self._transport is not None:
            self._transport.close()
            self._transport = None
        server, self._server = self._server, None
        if server is not None:
            server.close()
            self._admission.end(is_at_once=False)
            with contextlib.suppress(TimeoutError, asyncio.TimeoutError):
                await asyncio.wait_for(server.wait_closed(), GOODBYE_LIMIT_S)
            self._admission.end(is_at_once=True)
            await server.wait_closed()

    def push_sound(self, samples: Float32Array, rate_hz: int, end_unix_s: float) -> None:
        """Offer sound to the pages that show or record it; for other threads, never blocks.

        Args:
            samples: float32 [n]; copied.
            rate_hz: Of the samples.
            end_unix_s: When the last sample was at the microphone.
        """
        loop = self._loop
        if loop is None or not self._is_sound_wanted:
            return
        message = pack_sound(samples, rate_hz, end_unix_s - len(samples) / rate_hz)
        with contextlib.suppress(RuntimeError):  # the loop has just been closed
            loop.call_soon_threadsafe(self._offer_sound, message)

    def _offer_sound(self, message: bytes) -> None:
        for client in self._clients:
            if client.wants_sound:
                client.offer(message)

    def _note_fault(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Say each kind of fault once, without a traceback: a stranger must not be able to fill the log."""
        fault = f"{context.get('message', '')}: {context.get('exception') or ''}"
        kind = f"{context.get('message', '')[:40]}{type(context.get('exception')).__name__}"
        if kind not in self._faults and len(self._faults) < MOST_FAULTS_SAID:
            self._faults.add(kind)
            _log.warning("the page's server: %s", shortened(fault, MOST_ASKED))

    def _take(self, datagram: bytes, sender: tuple[str, int]) -> None:
        if self._sounds.is_sound(datagram):
            sound = self._sounds.take(datagram, sender, self._arrivals.source, time.monotonic())
            if sound is not None and self._is_sound_wanted:
                self._offer_sound(pack_pcm(sound.pcm, sound.rate_hz, sound.start_unix_s))
            return
        frame = self._arrivals.take(datagram, sender, time.monotonic())
        if frame is None or frame.names is None:
            return
        self._names = tuple(frame.names)
        self._broadcast(pack_frame(frame, time.time()))

    def _broadcast(self, message: bytes | str) -> None:
        for client in self._clients:
            client.offer(message)

    async def _report(self) -> None:
        """Tell every page once a second what has arrived."""
        while True:
            await asyncio.sleep(STATUS_PERIOD_S)
            if self._clients:
                counts = asdict(self._arrivals.counts(time.monotonic()))
                counts["refused"] += self._sounds.n_refused
                counts["dropped"] = self._admission.n_dropped
                self._broadcast(json.dumps({"type": "status", "pages": len(self._clients), **counts}))

    def _process_request(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer plain GETs from the table of files; let WebSockets of admitted pages through."""
        host, origin = _header(request, "Host"), _header(request, "Origin")
        if request.path.partition("?")[0] == "/ws" and _header(request, "Upgrade"):
            if not self._pages.admits(host, origin, needs_origin=True):
                return connection.respond(403, "This host name or origin is not in head.allowed_hosts.\n")
            if not self._admission.becomes_page(connection, len(self._clients)):
                return connection.respond(503, "Too many pages are open.\n")
            return None
        from websockets.datastructures import Headers
        from websockets.http11 import Response

        answer = self._pages.answer(request.path, host, origin, _header(request, "If-None-Match"))
        if not self._admission.answers(connection, len(answer.body)):
            return connection.respond(503, "Too many downloads at once; try again.\n")
        headers = Headers({**answer.headers, "Content-Length": str(len(answer.body)), "Connection": "close"})
        return Response(answer.status, answer.phrase, headers, answer.body)

    async def _serve_page(self, connection: ServerConnection) -> None:
        """Serve one page until it goes."""
        from websockets.exceptions import ConnectionClosed

        client = PageLink()
        client.offer(json.dumps(self._hello()))
        self._clients.add(client)
        sender = asyncio.create_task(client.send_all(connection.send, lambda: self._names))
        try:
            async for message in connection:
                if isinstance(message, str):
                    self._hear(message, client)
        except ConnectionClosed:
            pass
        finally:
            self._clients.discard(client)
            self._is_sound_wanted = any(other.wants_sound for other in self._clients)
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionClosed):
                await sender

    def _hello(self) -> dict[str, object]:
        """Return what a page is told first: what it may ask for."""
        takes_wishes = self._face is not None
        return {
            "type": "hello",
            "drive": self._drive is not None,
            "moods": MOODS if takes_wishes else (),
            "gestures": GESTURES if takes_wishes else (),
            "unix_s": time.time(),
        }

    def _hear(self, text: str, client: PageLink) -> None:
        """Act on what a page sends; what is not understood is ignored."""
        try:
            message = read_message(text)
            if message["type"] == "ping":
                client.offer(json.dumps({"type": "pong", "sent": message.get("sent"), "unix_s": time.time()}))
            elif message["type"] == "sound":
                client.wants_sound = message.get("on") is True
                self._is_sound_wanted = any(other.wants_sound for other in self._clients)
            elif message["type"] == "drive" and self._drive is not None:
                self._drive(read_drive(message))
            elif message["type"] in WISHES and self._face is not None:
                take_wish(self._face, message)
        except ConfigurationError as err:
            client.offer(json.dumps({"type": "refused", "why": str(err)}))
        except ValueError as err:
            _log.debug("a page sent something that is ignored: %s", err)


def _header(request: Request, name: str) -> str | None:
    values = request.headers.get_all(name)
    return str(values[0]) if len(values) == 1 else None
