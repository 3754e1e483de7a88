"""The face, for asyncio.

Laws: utterances are spoken in the order in which `say` was called. `clear` ends all of them, also those that wait, and
each `say` returns what was spoken of it. A connection that is lost raises in every call that waits, and in every later
one; nothing hangs. Every call may be made while others wait; the object belongs to one event loop.
"""

from __future__ import annotations

import asyncio
import json
import math
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import Any

from .replies import ConnectionLostError, Event, FaceError, Played, RefusedError, parse_event
from .sound_sender import SoundSender
from .utterance import Sound, Utterance

OPEN_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 2.0
PING_S = 5.0  # a peer that has died without a word is noticed after twice that


class Face:
    """One connection to a face.

    Args:
        url: "ws://host:port", or "wss://..." behind a proxy.
        token: Where the face asks for one (audio.token).
        options: Passed to `websockets.asyncio.client.connect`: `ssl`, `proxy`, ...
    """

    def __init__(self, url: str, token: str = "", **options: Any) -> None:
        self.url = url
        self._token = token
        self._options = options
        self._socket: Any = None
        self._reader: asyncio.Task[None] | None = None
        self._sending = asyncio.Lock()  # one utterance after the other
        self._utterances: dict[str, Utterance] = {}
        self._prefix = uuid.uuid4().hex[:8]
        self._n_said = 0
        self._lost: ConnectionLostError | None = ConnectionLostError(f"{url} is not open: use `async with`")
        self._late_refusal: RefusedError | None = None
        self._sender = SoundSender(self._send, self._utterances)
        self.moods: tuple[str, ...] = ()
        self.gestures: tuple[str, ...] = ()

    async def __aenter__(self) -> Face:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Connect, and learn what moods and gestures there are.

        Raises:
            ConnectionLostError: Nobody answers, the token is wrong, or who answers is not au-edge.
        """
        from websockets.asyncio.client import connect
        from websockets.exceptions import WebSocketException

        headers = {"Authorization": f"Bearer {self._token}"} if self._token else None
        # A proxy that the environment names is for the internet; a face is near.
        options = {
            "proxy": None,
            "open_timeout": OPEN_TIMEOUT_S,
            "close_timeout": CLOSE_TIMEOUT_S,
            "ping_interval": PING_S,
            "ping_timeout": PING_S,
            **self._options,
        }
        try:
            self._socket = await connect(self.url, additional_headers=headers, compression=None, **options)
            ready = parse_event(await asyncio.wait_for(self._socket.recv(), OPEN_TIMEOUT_S))
        except (OSError, asyncio.TimeoutError, TimeoutError, WebSocketException) as err:
            await self.close()
            raise ConnectionLostError(f"{self.url} does not answer as a face: {err or type(err).__name__}") from err
        except FaceError:
            await self.close()
            raise
        self.moods, self.gestures = ready.names("moods"), ready.names("gestures")
        self._lost = None
        self._reader = asyncio.create_task(self._listen())

    async def close(self) -> None:
        """Leave; may be called twice. What is not reported as played by now raises in its `say`."""
        self._lose(ConnectionLostError(f"{self.url} was closed here"))
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()
        reader, self._reader = self._reader, None
        if reader is not None:
            await asyncio.wait({reader})

    async def say(self, sound: Sound, rate_hz: int, on_started: Callable[[], None] | None = None) -> Played:
        """Speak, after what was said before, and wait until it has been spoken.

        A `say` that is cancelled sends no more, and what was sent is spoken; for silence at once, call `clear`.

        Args:
            sound: float32 in [-1, 1] or int16, [n] or [n, 2]; or an iterable or asynchronous iterable of such chunks,
                which are sent as they come.
            rate_hz: Samples a second.
            on_started: Called when the first sound leaves the loudspeaker.

        Returns:
            How much was really spoken, and whether it was cleared.

        Raises:
            RefusedError: The face does not take it: too many wait, a rate that it cannot do.
            ConnectionLostError: It went away meanwhile.
            TypeError, ValueError: These are no samples.
        """
        self._check()
        self._n_said += 1
        utterance = Utterance(f"{self._prefix}-{self._n_said}", on_started)
        self._utterances[utterance.utterance_id] = utterance
        try:
            async with self._sending:
                await self._sender.send(utterance, sound, rate_hz)
            return await utterance.finished
        finally:
            self._utterances.pop(utterance.utterance_id, None)

    async def clear(self, everybody: bool = False) -> None:
        """End what is being said and drop what waits; each `say` then returns with `cleared`.

        Args:
            everybody: What other clients say, too.
        """
        self._check()
        self._end_all()
        await self._send({"type": "clear", "all": True} if everybody else {"type": "clear"})

    async def rest(self) -> None:
        """Bring everything to neutral until the next `say`; what is said, and what waits, ends as by `clear`."""
        self._check()
        self._end_all()
        await self._send({"type": "rest"})

    async def mood(self, name: str, amount: float = 1.0) -> None:
        """Show a mood; it stays until another is asked for.

        Args:
            name: One of `moods`.
            amount: 0 to 1.

        Raises:
            RefusedError: There is no such mood, or no such amount.
        """
        self._check()
        _check_name("mood", name, self.moods)
        if not 0.0 <= amount <= 1.0:
            raise RefusedError("mood", f"an amount of {amount}: give 0 to 1")
        await self._send({"type": "mood", "mood": name, "amount": float(amount)})

    async def look(self, yaw_deg: float | None = None, pitch_deg: float | None = None) -> None:
        """Look somewhere; without angles, wherever the face likes.

        Args:
            yaw_deg: To the face's own left positive.
            pitch_deg: Up positive.

        Raises:
            RefusedError: An angle is not a number.
        """
        self._check()
        if yaw_deg is None and pitch_deg is None:
            await self._send({"type": "look"})
            return
        angles = {"yaw_deg": float(yaw_deg or 0.0), "pitch_deg": float(pitch_deg or 0.0)}
        if not all(math.isfinite(angle) for angle in angles.values()):
            raise RefusedError("look", "an angle that is not a number")
        await self._send({"type": "look", **angles})

    async def gesture(self, name: str) -> None:
        """Make a gesture, once.

        Args:
            name: One of `gestures`.

        Raises:
            RefusedError: There is no such gesture.
        """
        self._check()
        _check_name("gesture", name, self.gestures)
        await self._send({"type": "gesture", "gesture": name})

    def _end_all(self) -> None:
        """Send no more of any utterance: what still waits here must not begin behind the word that ends all."""
        for utterance in list(self._utterances.values()):
            utterance.clear()

    async def _send(self, message: dict[str, Any] | bytes) -> None:
        """Send a word or sound.

        Raises:
            ConnectionLostError: The face has gone.
        """
        from websockets.exceptions import ConnectionClosed

        try:
            await self._socket.send(message if isinstance(message, bytes) else json.dumps(message))
        except (ConnectionClosed, OSError, AttributeError) as err:
            raise self._lose(ConnectionLostError(f"{self.url} has gone: {err}")) from err

    async def _listen(self) -> None:
        """Take what the face tells, until the connection ends."""
        from websockets.exceptions import ConnectionClosed

        loop = asyncio.get_running_loop()
        try:
            while True:
                self._take(parse_event(await self._socket.recv()), loop.time())
        except ConnectionClosed as err:
            self._lose(ConnectionLostError(f"{self.url} has gone: {err}"))
        except (FaceError, AttributeError, OSError) as err:
            self._lose(ConnectionLostError(f"{self.url} has gone: {err}"))

    def _take(self, event: Event, now_s: float) -> None:
        utterance = self._utterances.get(event.utterance_id)
        if event.kind == "refused" and utterance is None and event.refusal.what in ("mood", "look", "gesture", "rest"):
            self._late_refusal = event.refusal  # no call waits for it: the next one tells
        if utterance is None:
            return
        if event.kind == "queued":
            utterance.accept()
        elif event.kind == "started":
            utterance.start(now_s)
        elif event.kind == "finished":
            utterance.finish(event.played)
        elif event.kind == "refused":
            utterance.refuse(event.refusal)

    def _check(self) -> None:
        """Raise what was not told yet."""
        if self._lost is not None:
            raise ConnectionLostError(str(self._lost))
        refusal, self._late_refusal = self._late_refusal, None
        if refusal is not None:
            raise refusal

    def _lose(self, error: ConnectionLostError) -> ConnectionLostError:
        """Let everybody know that the connection has ended; the first reason stays."""
        if self._lost is None:
            self._lost = error
        for utterance in list(self._utterances.values()):
            utterance.fail(ConnectionLostError(str(self._lost)))
        return ConnectionLostError(str(self._lost))


def _check_name(what: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        raise RefusedError(what, f"there is no {name!r}; there are {', '.join(known) or 'none'}")
