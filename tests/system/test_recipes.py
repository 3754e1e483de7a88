"""The recipes of docs/recipes.md as they stand there, each with its package, against a face of the same wire."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np

from edge.client import Face
from tests.edge.client.talking_server import TalkingServer
from tests.requirements import need_module

PAGE = (Path(__file__).parent.parent.parent / "docs" / "recipes.md").read_text(encoding="utf-8")
RATE_HZ = 24_000
SAMPLES = (20_000 * np.sin(np.arange(RATE_HZ) / 9.0)).astype(np.int16)  # one second


def recipe(title: str) -> dict[str, Any]:
    """Return the names that the first Python block under a heading defines."""
    chapter = PAGE[PAGE.index(f"\n## {title}\n") :]
    found = re.search(r"```python\n(.*?)```", chapter, re.DOTALL)
    assert found is not None
    names: dict[str, Any] = {"__name__": "recipe"}
    exec(compile(found.group(1), f"docs/recipes.md, {title}", "exec"), names)
    return names


def meet(talk: Callable[[TalkingServer, Face], Any], speed: float = 4.0) -> TalkingServer:
    async def all_of_it() -> TalkingServer:
        async with TalkingServer(speed=speed) as server, Face(server.url) as face:
            await asyncio.wait_for(talk(server, face), 60.0)
            return server

    server = asyncio.run(all_of_it())
    assert server.faults == []
    return server


def assert_said(server: TalkingServer, n_utterances: int = 1) -> None:
    assert len(server.said) == n_utterances
    np.testing.assert_array_equal(server.said[0].samples.reshape(-1), SAMPLES)
    assert server.said[0].rate_hz == RATE_HZ


def test_the_client_recipe_greets_and_is_interrupted(capsys: Any) -> None:
    async def talk(server: TalkingServer, face: Face) -> None:
        await recipe("The client")["greet"](server.url)

    meet(talk, speed=1.0)
    printed = capsys.readouterr().out
    assert "cleared: True" in printed
    assert "nod, shake" in printed


def test_livekit_hears_what_was_played_and_clears_its_buffer() -> None:
    need_module("livekit.agents", "livekit-agents")
    from livekit import rtc

    async def talk(server: TalkingServer, face: Face) -> None:
        output = recipe("LiveKit Agents")["FaceOutput"](face)
        started: list[Any] = []
        output.on("playback_started", started.append)
        for piece in SAMPLES.reshape(-1, 480):
            await output.capture_frame(rtc.AudioFrame(piece.tobytes(), RATE_HZ, 1, len(piece)))
        output.flush()
        ended = await output.wait_for_playout()
        assert (ended.playback_position, ended.interrupted) == (1.0, False)
        assert len(started) == 1
        for piece in np.tile(SAMPLES, 10).reshape(-1, 480):
            await output.capture_frame(rtc.AudioFrame(piece.tobytes(), RATE_HZ, 1, len(piece)))
        while len(started) < 2:
            await asyncio.sleep(0.01)
        output.clear_buffer()
        ended = await output.wait_for_playout()
        assert ended.interrupted
        assert 0.0 < ended.playback_position < 10.0

    assert_said(meet(talk), 2)


def test_pipecat_speaks_through_the_face_and_interrupts_it() -> None:
    need_module("pipecat", "pipecat-ai")
    from pipecat.frames.frames import (
        BotStartedSpeakingFrame,
        BotStoppedSpeakingFrame,
        EndFrame,
        InterruptionFrame,
        TTSAudioRawFrame,
        TTSStartedFrame,
        TTSStoppedFrame,
    )
    from pipecat.pipeline.pipeline import Pipeline
    from pipecat.pipeline.runner import PipelineRunner
    from pipecat.pipeline.task import PipelineTask
    from pipecat.processors.frame_processor import FrameProcessor

    seen: list[type] = []

    class Witness(FrameProcessor):
        async def process_frame(self, frame: Any, direction: Any) -> None:
            await super().process_frame(frame, direction)
            seen.append(type(frame))
            await self.push_frame(frame, direction)

    def sound(n_seconds: int) -> list[Any]:
        pieces = np.tile(SAMPLES, n_seconds).reshape(-1, 480)
        frames = [TTSAudioRawFrame(piece.tobytes(), RATE_HZ, 1) for piece in pieces]
        return [TTSStartedFrame(), *frames, TTSStoppedFrame()]

    async def until(holds: Callable[[], object]) -> None:
        while not holds():
            await asyncio.sleep(0.01)

    async def talk(server: TalkingServer, face: Face) -> None:
        task = PipelineTask(Pipeline([recipe("Pipecat")["FaceSpeaker"](face), Witness()]))
        running = asyncio.create_task(PipelineRunner(handle_sigint=False).run(task))
        await task.queue_frames(sound(1))
        await until(lambda: BotStoppedSpeakingFrame in seen)
        assert seen.index(BotStartedSpeakingFrame) < seen.index(BotStoppedSpeakingFrame)
        await task.queue_frames(sound(10))
        await until(lambda: seen.count(BotStartedSpeakingFrame) == 2)
        await task.queue_frames([InterruptionFrame()])
        await until(lambda: seen.count(BotStoppedSpeakingFrame) == 2)
        assert server.said[1].is_cleared
        await task.queue_frames([EndFrame()])
        await running

    assert_said(meet(talk), 2)


def test_a_wyoming_synthesiser_is_heard() -> None:
    need_module("wyoming")
    from wyoming.audio import AudioChunk, AudioStart, AudioStop
    from wyoming.event import Event
    from wyoming.server import AsyncEventHandler, AsyncServer
    from wyoming.tts import Synthesize

    texts: list[str] = []

    class Synthesiser(AsyncEventHandler):
        async def handle_event(self, event: Event) -> bool:
            texts.append(Synthesize.from_event(event).text)
            await self.write_event(AudioStart(rate=RATE_HZ, width=2, channels=1).event())
            for piece in SAMPLES.reshape(-1, 1000):
                await self.write_event(AudioChunk(RATE_HZ, 2, 1, piece.tobytes()).event())
            await self.write_event(AudioStop().event())
            return False

    async def talk(server: TalkingServer, face: Face) -> None:
        import socket

        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        synthesiser = AsyncServer.from_uri(f"tcp://127.0.0.1:{port}")
        await synthesiser.start(Synthesiser)
        played = await recipe("A Wyoming synthesiser")["speak"](face, "Hello.", port=port)
        assert (played.seconds, played.cleared) == (1.0, False)
        await synthesiser.stop()

    assert_said(meet(talk))
    assert texts == ["Hello."]


def test_an_openai_style_synthesiser_is_heard_though_its_pieces_end_within_samples() -> None:
    need_module("openai")
    from openai import AsyncOpenAI

    class Speech(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            data = SAMPLES.tobytes()
            self.send_response(200)
            self.send_header("Content-Type", "audio/pcm")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for i in range(0, len(data), 777):
                piece = data[i : i + 777]
                self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *_: object) -> None:
            pass

    web = ThreadingHTTPServer(("127.0.0.1", 0), Speech)
    Thread(target=web.serve_forever, daemon=True).start()

    async def talk(server: TalkingServer, face: Face) -> None:
        client = AsyncOpenAI(api_key="none", base_url=f"http://127.0.0.1:{web.server_port}/v1")
        played = await recipe("An OpenAI-style synthesiser")["speak"](face, client, "Hello.")
        assert (played.seconds, played.cleared) == (1.0, False)
        await client.close()

    assert_said(meet(talk))
    web.shutdown()
