"""The face, for programs without asyncio: the same calls, which wait. Any thread may call."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, TypeVar

from .face import Face
from .replies import ConnectionLostError, Played
from .utterance import Sound

_T = TypeVar("_T")


class FaceSync:
    """One connection to a face, kept by a thread of its own.

    Args:
        url: "ws://host:port", or "wss://..." behind a proxy.
        token: Where the face asks for one (audio.token).
        options: As for `Face`.
    """

    def __init__(self, url: str, token: str = "", **options: Any) -> None:
        self._url = url
        self._token = token
        self._options = options
        self._face: Face | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> FaceSync:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def moods(self) -> tuple[str, ...]:
        """Return the moods that there are."""
        return self._face.moods if self._face else ()

    @property
    def gestures(self) -> tuple[str, ...]:
        """Return the gestures that there are."""
        return self._face.gestures if self._face else ()

    def open(self) -> None:
        """Connect.

        Raises:
            ConnectionLostError: Nobody answers, the token is wrong, or who answers is not au-edge.
        """
        self.close()
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="face", daemon=True)
        thread.start()
        self._loop, self._thread = loop, thread
        try:
            self._face = self._run(self._connected())
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Leave; may be called twice. A `say` of another thread raises."""
        face, self._face = self._face, None
        loop, self._loop = self._loop, None
        thread, self._thread = self._thread, None
        if loop is None or thread is None:
            return
        if face is not None:
            asyncio.run_coroutine_threadsafe(face.close(), loop).result()
        asyncio.run_coroutine_threadsafe(_let_end(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    def say(self, sound: Sound, rate_hz: int, on_started: Callable[[], None] | None = None) -> Played:
        """Speak and wait until it has been spoken; as `Face.say`."""
        return self.start_saying(sound, rate_hz, on_started).result()

    def start_saying(
        self, sound: Sound, rate_hz: int, on_started: Callable[[], None] | None = None
    ) -> concurrent.futures.Future[Played]:
        """Speak and go on: the result tells what became of it, when it is asked for.

        Args:
            sound: As for `say`.
            rate_hz: Samples a second.
            on_started: Called by the face's thread when the first sound leaves the loudspeaker.
        """
        return self._begin(lambda face: face.say(sound, rate_hz, on_started))

    def clear(self, everybody: bool = False) -> None:
        """End what is being said and drop what waits; as `Face.clear`."""
        self._begin(lambda face: face.clear(everybody)).result()

    def rest(self) -> None:
        """Bring everything to neutral until the next `say`."""
        self._begin(lambda face: face.rest()).result()

    def mood(self, name: str, amount: float = 1.0) -> None:
        """Show a mood; as `Face.mood`."""
        self._begin(lambda face: face.mood(name, amount)).result()

    def look(self, yaw_deg: float | None = None, pitch_deg: float | None = None) -> None:
        """Look somewhere; as `Face.look`."""
        self._begin(lambda face: face.look(yaw_deg, pitch_deg)).result()

    def gesture(self, name: str) -> None:
        """Make a gesture; as `Face.gesture`."""
        self._begin(lambda face: face.gesture(name)).result()

    async def _connected(self) -> Face:
        face = Face(self._url, self._token, **self._options)
        await face.open()
        return face

    def _begin(self, ask: Callable[[Face], Coroutine[Any, Any, _T]]) -> concurrent.futures.Future[_T]:
        """Let the thread ask the face.

        Raises:
            ConnectionLostError: It is not open.
        """
        face, loop = self._face, self._loop
        if face is None or loop is None:
            raise ConnectionLostError(f"{self._url} is not open: use `with`")
        return asyncio.run_coroutine_threadsafe(ask(face), loop)

    def _run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        if self._loop is None:
            raise ConnectionLostError(f"{self._url} is not open: use `with`")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()


async def _let_end() -> None:
    """Wait for what the face's end has set free, so that every `say` has its answer before the loop stops."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others, timeout=2.0)
