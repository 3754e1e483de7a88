"""One utterance on its way: what was sent of it, and what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .replies import FaceError, Played, RefusedError

Sound = NDArray[Any] | AsyncIterable[NDArray[Any]] | Iterable[NDArray[Any]]


class Utterance:
    """One `say`, from its call to its report.

    Args:
        utterance_id: Its name on the wire.
        on_started: Called when its first sound leaves the loudspeaker.
    """

    def __init__(self, utterance_id: str, on_started: Callable[[], None] | None) -> None:
        loop = asyncio.get_running_loop()
        self.utterance_id = utterance_id
        self.accepted: asyncio.Future[None] = loop.create_future()
        self.finished: asyncio.Future[Played] = loop.create_future()
        self.over: asyncio.Future[None] = loop.create_future()  # nothing more is to be sent
        self.is_begun = False  # its start was sent
        self.sent_s = 0.0
        self.started_s = -1.0  # by the loop's clock
        self.refusal: RefusedError | None = None
        self._on_started = on_started
        for future in (self.accepted, self.finished):
            future.add_done_callback(_look_at)

    @property
    def is_over(self) -> bool:
        """Return whether nothing more is to be sent."""
        return self.over.done()

    def unspoken_s(self, now_s: float) -> float:
        """Return how much of what was sent is still to be spoken, as far as one can know here."""
        spoken_s = now_s - self.started_s if self.started_s >= 0 else 0.0
        return 0.0 if self.finished.done() else max(0.0, self.sent_s - spoken_s)

    def accept(self) -> None:
        """Take the word that it will be spoken."""
        if not self.accepted.done():
            self.accepted.set_result(None)

    def start(self, now_s: float) -> None:
        """Take the word that its first sound leaves now."""
        self.accept()
        self.started_s = now_s
        if self._on_started is not None:
            self._on_started()

    def finish(self, played: Played) -> None:
        """Take what became of it."""
        self.accept()
        self._send_no_more()
        if not self.finished.done():
            if self.refusal is None:
                self.finished.set_result(played)
            else:
                self.finished.set_exception(self.refusal)

    def refuse(self, refusal: RefusedError) -> None:
        """Take a refusal: of the start, which ends it, or of some of its sound, which its report will tell."""
        if self.accepted.done():
            self.refusal = refusal
        else:
            self.fail(refusal)

    def clear(self) -> None:
        """Send no more of it; where nothing was sent, that is its end."""
        self._send_no_more()
        if not self.is_begun:
            self.finish(Played(0.0, True))

    def fail(self, error: FaceError) -> None:
        """End it by an error."""
        self._send_no_more()
        for future in (self.accepted, self.finished):
            if not future.done():
                future.set_exception(error)

    def _send_no_more(self) -> None:
        if not self.over.done():
            self.over.set_result(None)


async def chunks_of(sound: Sound) -> AsyncGenerator[NDArray[Any], None]:
    """Yield samples as arrays: one array, or the arrays of an iterable; one that blocks blocks nobody else."""
    if isinstance(sound, np.ndarray):
        yield sound
    elif isinstance(sound, AsyncIterable):
        async for chunk in sound:
            yield np.asarray(chunk)
    elif isinstance(sound, (str, bytes)) or not isinstance(sound, Iterable):
        raise TypeError(f"{type(sound).__name__} is no sound: give a numpy array, or an iterable of them")
    else:
        iterator, end = iter(sound), object()
        while (piece := await asyncio.to_thread(next, iterator, end)) is not end:
            yield np.asarray(piece)


def _look_at(future: asyncio.Future[Any]) -> None:
    """Let an error that nobody waits for be no noise: whoever waits gets it."""
    if not future.cancelled():
        future.exception()
