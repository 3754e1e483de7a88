"""The WebSocket at which agents speak; an asyncio loop on a thread of its own. Source: RFC 6455, package websockets."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

from edge.errors import MOST_ASKED, AuEdgeError, ConfigurationError, DeviceError, shortened
from edge.machine.address import BIND_ERRORS, bind_fault, is_unknown_host, split_address
from edge.machine.descriptors import connection_share
from edge.machine.passing import PASSING_LIMIT_S, Passing
from edge.sources.agents.admission import Admission
from edge.sources.agents.agent import LOOK_AGAIN_S, Agent, Desk, SilentAgentError
from edge.sources.agents.utterance import AgentUtterance
from edge.sources.agents.words import NoWordError
from edge.sources.byte_inputs import end_with_peer

if TYPE_CHECKING:
    from websockets.asyncio.server import Server, ServerConnection
    from websockets.http11 import Request, Response

MOST_AGENTS = 32
LARGEST_MESSAGE_BYTES = 1024 * 1024  # ten seconds and more of any usual sound
LONGEST_TEXT = 16_384
FRAMES_PER_S, FRAMES_AT_ONCE = 1000.0, 4000  # sound in pieces of 20 ms comes fifty times faster than it is spoken
START_LIMIT_S, STOP_LIMIT_S = 10.0, 2.0
_log = logging.getLogger("au-edge.talk")


class TalkServer:
    """Serves agents.

    Args:
        address: "host:port".
        admission: Who may speak.
        desk: What agents share.
    """

    def __init__(self, address: str, admission: Admission, desk: Desk) -> None:
        self._address = address
        self._admission = admission
        self._desk = desk
        self._agents = desk.agents
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._started = threading.Event()
        self._error: Exception | None = None
        self._passing = Passing()
        self._most_agents = connection_share(MOST_AGENTS)
        self._n_refused = 0
        self.port = 0

    @property
    def description(self) -> str:
        """Return the address."""
        return f"ws://{self._address}"

    def counters(self) -> dict[str, int]:
        """Return how many connections were refused, and how many gave way before they said who they are."""
        return {"agents_refused": self._n_refused, "connections_dropped": self._passing.n_dropped}

    def open(self) -> None:
        """Serve on a thread.

        Raises:
            ConfigurationError: The address is not one, or the package websockets is not installed.
            DeviceError: The address is in use.
        """
        self.close()
        self._started.clear()
        self._error = None
        self._thread = threading.Thread(target=self._run, name="au-edge-talk", daemon=True)
        self._thread.start()
        self._started.wait(START_LIMIT_S)
        if self._error is not None:
            error, self._error = self._error, None
            self.close()
            raise error

    def close(self) -> None:
        """Stop serving; may be called twice."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        with contextlib.suppress(RuntimeError):  # the loop has just ended by itself
            if self._loop is not None and self._stop is not None:
                self._loop.call_soon_threadsafe(self._stop.set)
        thread.join(STOP_LIMIT_S)
        self._desk.live.clear()

    # --- on the engine's thread -------------------------------------------------------------------------------------

    def started(self, utterance: AgentUtterance) -> None:
        """Have an agent told that its utterance is heard from now on."""
        self._later(utterance, {"type": "started", "id": utterance.utterance_id})

    def finished(self, utterance: AgentUtterance, seconds: float, is_cleared: bool) -> None:
        """Have an agent told that its utterance has ended, and forget it."""
        event = {"type": "finished", "id": utterance.utterance_id, "seconds": round(seconds, 3), "cleared": is_cleared}
        self._later(utterance, event)

    def _later(self, utterance: AgentUtterance, event: dict[str, object]) -> None:
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has just been closed
                loop.call_soon_threadsafe(self._tell, utterance, event)

    # --- on the server's thread -------------------------------------------------------------------------------------

    def _tell(self, utterance: AgentUtterance, event: dict[str, object]) -> None:
        if event["type"] == "finished" and utterance in self._desk.live:
            self._desk.live.remove(utterance)
        if utterance.owner in self._agents:
            with contextlib.suppress(SilentAgentError):  # its connection is closed at its next word
                utterance.owner.tell(**event)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as err:  # `open` raises it; later there is nobody but the log
            self._error = err
            if self._started.is_set():
                _log.error("agents are not served any more: %s", err)
        finally:
            self._started.set()

    async def _serve(self) -> None:
        try:
            from websockets.asyncio.server import serve
        except ImportError as err:
            raise ConfigurationError(
                "audio.source = websocket",
                "the package websockets is missing",
                'Run `pip install "au-edge[head]"`',
            ) from err
        logging.getLogger("websockets").setLevel(logging.CRITICAL)  # what strangers send is not our error
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._loop.set_exception_handler(self._note_fault)
        host, port = _host_and_port(self._address)
        try:
            server = await serve(
                self._serve_agent,
                host,
                port,
                process_request=self._admit,
                create_connection=self._passing.connection_type(),
                open_timeout=PASSING_LIMIT_S,
                backlog=max(16, self._passing.most_passing),  # asyncio accepts as many at once
                max_size=LARGEST_MESSAGE_BYTES,
                max_queue=4,
                compression=None,
                ping_interval=20,
                ping_timeout=None,  # an agent whose sound has to wait cannot answer
                close_timeout=1,
                server_header=None,
            )
        except BIND_ERRORS as err:
            raise _unavailable(self._address, err) from err
        self.port = next(iter(server.sockets)).getsockname()[1]
        self._started.set()
        await self._stop.wait()
        self._passing.end(is_at_once=False)
        await _end(server)

    def _note_fault(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Say a fault without a traceback: a stranger must not be able to fill the log."""
        fault = f"{context.get('message', '')}: {context.get('exception') or ''}"
        self._desk.warn(f"the agents' server: {shortened(fault, MOST_ASKED)}")

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse who may not speak."""
        status, why = self._admission.fault(
            request.path, _header(request, "Host"), _header(request, "Origin"), _header(request, "Authorization")
        )
        if not status and len(self._agents) >= self._most_agents:
            status, why = 503, f"{self._most_agents} agents are connected already"
        if status:
            self._n_refused += 1
            self._desk.warn(f"an agent is not let in: {why}")
            return connection.respond(status, f"{why}\n")
        self._passing.settle(connection)
        return None

    async def _serve_agent(self, connection: ServerConnection) -> None:
        """Serve one agent until it goes."""
        from websockets.exceptions import ConnectionClosed

        _notice_death(connection)
        agent = Agent(self._desk)
        self._agents.add(agent)
        agent.greet()
        sender = asyncio.create_task(agent.send_all(connection.send))
        releaser = asyncio.create_task(self._release_all(agent))
        try:
            await self._hear_all(agent, connection)
        except ConnectionClosed:
            pass
        except (NoWordError, SilentAgentError) as err:
            self._desk.warn(f"an agent is sent away: {err}")
            with contextlib.suppress(ConnectionClosed):
                await connection.close(1008, str(err)[:100])
        finally:
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionClosed):
                await sender
            while agent.n_held_bytes and not self._desk.clears and not releaser.done():  # what it said is heard
                await asyncio.sleep(LOOK_AGAIN_S)
            releaser.cancel()
            agent.leave()

    async def _hear_all(self, agent: Agent, connection: ServerConnection) -> None:
        """Hear frames, no faster than one can live with; where too much is held of the agent they wait on the wire."""
        allowance, looked_s = float(FRAMES_AT_ONCE), time.monotonic()
        async for message in connection:
            now_s = time.monotonic()
            allowance = min(FRAMES_AT_ONCE, allowance + FRAMES_PER_S * (now_s - looked_s)) - 1.0
            looked_s = now_s
            if allowance < 0.0:
                await asyncio.sleep(-allowance / FRAMES_PER_S)
            if isinstance(message, str) and len(message) > LONGEST_TEXT:
                raise NoWordError(f"a text of more than {LONGEST_TEXT} characters is no word")
            agent.hear(message if isinstance(message, str) else bytes(message))
            while agent.is_stuffed:
                await asyncio.sleep(LOOK_AGAIN_S)

    @staticmethod
    async def _release_all(agent: Agent) -> None:
        """Take what is held back of an agent as there is room for it, until cancelled."""
        with contextlib.suppress(SilentAgentError):  # its connection is closed at its next word
            while True:
                await asyncio.sleep(LOOK_AGAIN_S)
                agent.release()


def _notice_death(connection: ServerConnection) -> None:
    """Let the kernel end the connection of a peer that has died without a word, as soon as a client's of TCP."""
    link = connection.transport.get_extra_info("socket")
    if link is not None and link.family != socket.AF_UNIX:
        end_with_peer(link)


async def _end(server: Server) -> None:
    server.close(code=1001, reason="the program ends")
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(server.wait_closed(), STOP_LIMIT_S / 2)


def _header(request: Request, name: str) -> str | None:
    values = request.headers.get_all(name)
    return str(values[0]) if len(values) == 1 else None


def _host_and_port(address: str) -> tuple[str, int]:
    found = split_address(address)
    if found is None:
        raise ConfigurationError(f"audio.address = {address}", "that is not host:port", "Write 127.0.0.1:8931")
    return found


def _unavailable(address: str, err: Exception) -> AuEdgeError:
    asked, found = f"agents at {address}", bind_fault(err)
    number = err.errno if isinstance(err, OSError) else 0
    if is_unknown_host(err) or number in (errno.EADDRNOTAVAIL, errno.EACCES, errno.EAFNOSUPPORT):
        return ConfigurationError(asked, found, "Give an address of this machine, port 1024 or up")
    return DeviceError(asked, os.strerror(number or 0), "Stop the other program, or give another audio.address")
