"""The client and the real program: what is said is reported, cleared, refused, and seen in the face."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.client import ConnectionLostError, Face, FaceSync, Played, RefusedError
from tests.ports import free_tcp_port
from tests.system.programs import stop
from tests.system.talking import flite, talking


def spoken(text: str, folder: Path) -> tuple[np.ndarray, int]:
    samples, rate_hz = soundfile.read(flite(text, folder / "x.wav"), dtype="float32")
    return samples, rate_hz


def test_a_client_talks_with_the_program_interrupts_it_and_is_told_what_was_heard(tmp_path: Path) -> None:
    samples, rate_hz = spoken("Please put the bottle back, and follow the yellow line.", tmp_path)
    seconds = len(samples) / rate_hz
    port = free_tcp_port()

    async def talk() -> list[Played]:
        async with Face(f"ws://127.0.0.1:{port}") as face:
            assert "happy" in face.moods
            await face.mood("happy", 0.5)
            await face.look(10, -5)
            await face.gesture(face.gestures[0])
            with pytest.raises(RefusedError, match="happy"):
                await face.mood("hungry")
            with pytest.raises(RefusedError, match="rate_hz"):
                await face.say(samples, 100)
            first = await face.say(samples, rate_hz)
            started = asyncio.Event()
            says = [asyncio.create_task(face.say(samples, rate_hz, started.set)) for _ in range(3)]
            await started.wait()
            await asyncio.sleep(0.5)
            await face.clear()
            cleared = await asyncio.gather(*says)
            await face.rest()
            return [first, *cleared]

    with talking("audio.source=websocket", f"audio.address=127.0.0.1:{port}") as (process, watcher):
        first, *cleared = asyncio.run(asyncio.wait_for(talk(), 60.0))
        assert watcher.wait_for("live")
        with FaceSync(f"ws://127.0.0.1:{port}") as face:
            again = face.say((samples * 32767).astype(np.int16), rate_hz)
            saying = face.start_saying(samples, rate_hz)
            time.sleep(0.5)
            stop(process)
            with pytest.raises(ConnectionLostError):
                saying.result(30.0)
    assert first.seconds == pytest.approx(seconds, abs=0.02)
    assert not first.cleared
    assert again.seconds == pytest.approx(seconds, abs=0.02)
    assert all(one.cleared for one in cleared)
    assert 0.2 < cleared[0].seconds < seconds
    assert cleared[1:] == [Played(0.0, True)] * 2
