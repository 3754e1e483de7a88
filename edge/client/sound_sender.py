"""The way of an utterance's sound to the face: asked for, sent as it comes, no further ahead than a word can wait."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from .pcm import SoundFormat
from .replies import Played
from .utterance import Sound, Utterance, chunks_of

AHEAD_S = 20.0  # of sound that is sent before it is spoken: words overtake no sound, so it must not fill the network
_LOOK_S = 0.1

Send = Callable[[dict[str, Any] | bytes], Awaitable[None]]


class SoundSender:
    """Sends utterances, one at a time.

    Args:
        send: Sends a word or sound.
        utterances: All that are not reported yet.
    """

    def __init__(self, send: Send, utterances: Mapping[str, Utterance]) -> None:
        self._send = send
        self._utterances = utterances
        self._ends: set[asyncio.Task[None]] = set()

    async def send(self, utterance: Utterance, sound: Sound, rate_hz: int) -> None:
        """Send an utterance until its end, or until it is over before."""
        chunks = chunks_of(sound)
        is_whole = False
        try:
            sound_format: SoundFormat | None = None
            while (chunk := await self._unless_over(utterance, anext(chunks, None))) is not None:
                if not len(chunk):
                    continue
                if sound_format is None:
                    sound_format = SoundFormat(chunk, rate_hz)
                messages = sound_format.messages(chunk)
                if not utterance.is_begun:
                    await self._begin(utterance, sound_format)
                await self._send_messages(utterance, messages, sound_format)
            is_whole = True
            if sound_format is None and not utterance.is_over:
                utterance.finish(Played(0.0, False))  # nothing was said
        finally:
            if utterance.is_begun and not utterance.is_over:
                end = asyncio.create_task(self._end(utterance))
                if is_whole:
                    await end
                else:  # by an error of the iterable, or cancelled: say what came, and let the error go its way
                    self._ends.add(end)
                    end.add_done_callback(self._forget)
            with contextlib.suppress(Exception):
                await chunks.aclose()

    async def _begin(self, utterance: Utterance, sound_format: SoundFormat) -> None:
        """Ask for a turn, and wait until it is granted."""
        utterance.is_begun = True
        await self._send(
            {
                "type": "start",
                "id": utterance.utterance_id,
                "rate_hz": sound_format.rate_hz,
                "format": sound_format.name,
                "channels": sound_format.n_channels,
            }
        )
        await utterance.accepted

    async def _send_messages(self, utterance: Utterance, messages: list[bytes], sound_format: SoundFormat) -> None:
        loop = asyncio.get_running_loop()
        for message in messages:
            while not utterance.is_over and self._unspoken_s(loop.time()) > AHEAD_S:
                await asyncio.wait({utterance.over}, timeout=_LOOK_S)
            if utterance.is_over:
                return
            utterance.sent_s += sound_format.seconds(message)
            await self._send(message)

    def _unspoken_s(self, now_s: float) -> float:
        return sum(utterance.unspoken_s(now_s) for utterance in self._utterances.values())

    async def _unless_over(self, utterance: Utterance, coming: Any) -> Any:
        """Return the next chunk, or None where the utterance is over before it comes."""
        task = asyncio.ensure_future(coming)
        try:
            await asyncio.wait({task, utterance.over}, return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() and not utterance.is_over else None
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})

    async def _end(self, utterance: Utterance) -> None:
        if not utterance.is_over:  # a clear may have come between
            await self._send({"type": "end", "id": utterance.utterance_id})

    def _forget(self, end: asyncio.Task[None]) -> None:
        self._ends.discard(end)
        if not end.cancelled():
            end.exception()  # a lost connection; whoever waits has been told
