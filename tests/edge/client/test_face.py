"""The client's laws, against a server of its own: in order, cleared as a whole, refused with why, never hanging."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from typing import Any

import numpy as np
import pytest

from edge.client import ConnectionLostError, Face, Played, RefusedError, sound_sender
from edge.client import face as face_module
from tests.edge.client.talking_server import TalkingServer

RATE_HZ = 16_000
WAIT_S = 20.0  # what would hang is a failure


def sound(seconds: float, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, round(seconds * RATE_HZ)).astype(np.float32)


def run(talk: Callable[[TalkingServer, Face], Awaitable[None]], **options: Any) -> TalkingServer:
    """Let a client talk with a server; return the server."""

    async def meet() -> TalkingServer:
        async with TalkingServer(**options) as server:
            async with Face(server.url) as face:
                await asyncio.wait_for(talk(server, face), WAIT_S)
            await asyncio.sleep(0.05)
            return server

    server = asyncio.run(meet())
    assert server.faults == []
    return server


async def until(holds: Callable[[], object]) -> None:
    while not holds():
        await asyncio.sleep(0.005)


@pytest.mark.parametrize(
    ("samples", "dtype"),
    [
        (sound(1.5), "<f4"),
        (sound(1.5).astype(np.float64), "<f4"),
        ((sound(1.5) * 32767).astype(np.int16), "<i2"),
        (sound(3.0).reshape(-1, 2), "<f4"),
        (sound(1.5).reshape(-1, 1), "<f4"),
        (sound(3.0).reshape(-1, 2)[:, ::-1], "<f4"),
        (sound(3.0)[::2], "<f4"),
    ],
    ids=["float32", "float64", "int16", "stereo", "column", "strided-stereo", "strided"],
)
def test_what_is_said_arrives_sample_by_sample_and_is_reported(samples: np.ndarray, dtype: str) -> None:
    async def talk(server: TalkingServer, face: Face) -> None:
        played = await face.say(samples, RATE_HZ)
        assert played.seconds == pytest.approx(1.5)
        assert not played.cleared

    (said,) = run(talk).said
    assert said.dtype == dtype
    assert said.rate_hz == RATE_HZ
    np.testing.assert_array_equal(said.samples.reshape(-1), samples.astype(dtype).reshape(-1))


def test_several_says_are_spoken_in_the_order_of_their_calls() -> None:
    async def talk(server: TalkingServer, face: Face) -> None:
        finished: list[int] = []

        async def say(number: int) -> None:
            played = await face.say(np.full(RATE_HZ // 2, number / 100, np.float32), RATE_HZ)
            assert played == Played(0.5, False)
            finished.append(number)

        await asyncio.gather(*(say(number) for number in range(8)))
        assert finished == list(range(8))

    server = run(talk)
    assert [round(float(said.samples[0]) * 100) for said in server.said] == list(range(8))


async def in_chunks(samples: np.ndarray, n_chunks: int) -> AsyncIterator[np.ndarray]:
    for chunk in np.array_split(samples, n_chunks):
        await asyncio.sleep(0.002)
        yield chunk


def test_a_stream_of_chunks_is_one_utterance_heard_while_it_comes() -> None:
    async def talk(server: TalkingServer, face: Face) -> None:
        is_more_coming, started = True, asyncio.Event()

        async def chunks() -> AsyncIterator[np.ndarray]:
            nonlocal is_more_coming
            yield sound(0.2)
            await started.wait()  # it is spoken before it is complete
            yield np.zeros(0, np.float32)
            yield sound(0.3)
            is_more_coming = False

        played = await face.say(chunks(), RATE_HZ, started.set)
        assert not is_more_coming
        assert played.seconds == pytest.approx(0.5)
        assert await face.say(in_chunks(sound(1.0), 7), RATE_HZ) == Played(1.0, False)

    assert len(run(talk).said) == 2


def test_a_generator_that_blocks_blocks_nobody_else() -> None:
    async def talk(server: TalkingServer, face: Face) -> None:
        def slow() -> Iterator[np.ndarray]:
            for _ in range(3):
                time.sleep(0.1)
                yield sound(0.1)

        n_turns = 0

        async def count() -> None:
            nonlocal n_turns
            while True:
                await asyncio.sleep(0.01)
                n_turns += 1

        counting = asyncio.create_task(count())
        assert (await face.say(slow(), RATE_HZ)).seconds == pytest.approx(0.3)
        counting.cancel()
        assert n_turns > 8

    run(talk)


@pytest.mark.parametrize(
    "nothing", [np.zeros(0, np.float32), [], [np.zeros(0, np.int16)]], ids=["array", "list", "chunk"]
)
def test_saying_nothing_is_said_at_once_and_not_sent(nothing: Any) -> None:
    async def talk(server: TalkingServer, face: Face) -> None:
        assert await face.say(nothing, RATE_HZ) == Played(0.0, False)

    assert run(talk).said == []


def test_clear_ends_what_is_spoken_what_waits_there_and_what_waits_here() -> None:
    async def talk(server: TalkingServer, face: Face) -> None:
        async def never_ending() -> AsyncIterator[np.ndarray]:
            while True:
                yield sound(0.1)
                await asyncio.sleep(0.01)

        spoken = asyncio.create_task(face.say(sound(5.0), RATE_HZ))
        growing = asyncio.create_task(face.say(never_ending(), RATE_HZ))
        waiting = asyncio.create_task(face.say(sound(1.0), RATE_HZ))
        await until(lambda: len(server.said) == 2 and server.said[1].data)
        await asyncio.sleep(0.1)
        await face.clear()
        first, second, third = await asyncio.gather(spoken, growing, waiting)
        assert first.cleared
        assert 0.0 < first.seconds < 5.0
        assert second == Played(0.0, True)
        assert third == Played(0.0, True)
        assert await face.say(sound(0.5), RATE_HZ) == Played(0.5, False)  # nothing of it sticks to the next

    server = run(talk, speed=1.0)
    assert len(server.said) == 3  # the one that waited here was never sent


def test_a_rest_stays_what_waits_here_does_not_begin_behind_it() -> None:
    """A start wakes the face: people may be near the mechanics by then."""

    async def talk(server: TalkingServer, face: Face) -> None:
        spoken = asyncio.create_task(face.say(sound(5.0), RATE_HZ))
        waiting = [asyncio.create_task(face.say(sound(1.0), RATE_HZ)) for _ in range(2)]
        await until(lambda: len(server.said) == 1 and server.said[0].data)
        await face.rest()
        played = await asyncio.gather(spoken, *waiting)
        assert all(one.cleared for one in played)
        await asyncio.sleep(0.1)
        assert [word["type"] for word in server.words if word["type"] in ("start", "rest")][-1] == "rest"
        assert await face.say(sound(0.5), RATE_HZ) == Played(0.5, False)

    run(talk, speed=1.0)


@pytest.mark.parametrize("n_round", range(20))
def test_a_clear_at_any_time_leaves_no_say_waiting_and_the_wire_in_order(n_round: int) -> None:
    random = np.random.default_rng(n_round)

    async def talk(server: TalkingServer, face: Face) -> None:
        says = [asyncio.create_task(face.say(in_chunks(sound(1.0), 20), RATE_HZ)) for _ in range(4)]
        await asyncio.sleep(random.uniform(0.0, 0.15))
        await face.clear()
        played = await asyncio.gather(*says)
        assert played[-1].cleared
        assert [one.cleared for one in played] == sorted(one.cleared for one in played)
        assert await face.say(sound(0.3), RATE_HZ) == Played(0.3, False)

    run(talk)


def test_others_are_cleared_only_where_everybody_is_meant() -> None:
    async def talk(server: TalkingServer, face: Face) -> None:
        async with Face(server.url) as other:
            says = asyncio.create_task(other.say(sound(1.0), RATE_HZ))
            await until(lambda: server.said)
            await face.clear()
            assert await says == Played(1.0, False)
            says = asyncio.create_task(other.say(sound(20.0), RATE_HZ))
            await until(lambda: len(server.said) == 2)
            await face.clear(everybody=True)
            assert (await says).cleared

    run(talk, speed=10.0)


def test_a_say_that_is_cancelled_ends_its_utterance_and_the_next_is_spoken() -> None:
    async def talk(server: TalkingServer, face: Face) -> None:
        async def never_ending() -> AsyncIterator[np.ndarray]:
            while True:
                yield sound(0.1)
                await asyncio.sleep(0.01)

        saying = asyncio.create_task(face.say(never_ending(), RATE_HZ))
        await until(lambda: server.said and server.said[0].data)
        saying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await saying
        assert await face.say(sound(0.3), RATE_HZ) == Played(0.3, False)
        assert server.said[0].is_ended

    run(talk)


def test_an_error_of_the_chunks_is_the_callers_and_ends_the_utterance() -> None:
    async def talk(server: TalkingServer, face: Face) -> None:
        async def failing() -> AsyncIterator[np.ndarray]:
            yield sound(0.1)
            raise RuntimeError("the synthesiser has gone")

        with pytest.raises(RuntimeError, match="synthesiser"):
            await face.say(failing(), RATE_HZ)
        assert await face.say(sound(0.3), RATE_HZ) == Played(0.3, False)
        assert server.said[0].is_ended

    run(talk)


def test_a_refused_start_raises_with_its_reason_and_nothing_else_is_lost() -> None:
    async def talk(server: TalkingServer, face: Face) -> None:
        with pytest.raises(RefusedError, match="8000 to 192000") as caught:
            await face.say(sound(1.0), 7)
        assert caught.value.what == "start"
        says = [asyncio.create_task(face.say(sound(0.5), RATE_HZ)) for _ in range(6)]
        outcomes = await asyncio.gather(*says, return_exceptions=True)
        assert outcomes[:3] == [Played(0.5, False)] * 3
        refused = [outcome for outcome in outcomes if isinstance(outcome, RefusedError)]
        assert refused
        assert "full" in refused[0].why

    run(talk, most_waiting=2, speed=1.0)


def test_moods_looks_gestures_and_rest_are_words_and_what_there_is_not_is_refused_at_once() -> None:
    async def talk(server: TalkingServer, face: Face) -> None:
        assert face.moods == ("neutral", "happy", "sad")
        await face.mood("happy", 0.5)
        await face.look(10, -5)
        await face.look(yaw_deg=3)
        await face.look()
        await face.gesture("nod")
        await face.rest()
        for refused, found in [
            (face.mood("hungry"), "neutral, happy, sad"),
            (face.mood("happy", 1.5), "0 to 1"),
            (face.mood("happy", float("nan")), "0 to 1"),
            (face.gesture("jump"), "nod, shake"),
            (face.look(float("inf"), 0), "not a number"),
        ]:
            with pytest.raises(RefusedError, match=found):
                await refused
        await until(lambda: len(server.words) == 6)

    assert run(talk).words == [
        {"type": "mood", "mood": "happy", "amount": 0.5},
        {"type": "look", "yaw_deg": 10.0, "pitch_deg": -5.0},
        {"type": "look", "yaw_deg": 3.0, "pitch_deg": 0.0},
        {"type": "look"},
        {"type": "gesture", "gesture": "nod"},
        {"type": "rest"},
    ]


def test_a_refusal_that_comes_when_no_call_waits_is_raised_by_the_next_call_once() -> None:
    async def talk(server: TalkingServer, face: Face) -> None:
        await face.mood("happy", 1.0)
        await asyncio.sleep(0.2)
        with pytest.raises(RefusedError, match="too much"):
            await face.rest()
        await face.rest()

    run(talk)


@pytest.mark.parametrize(
    ("samples", "rate_hz", "error"),
    [
        (np.full(100, np.nan, np.float32), RATE_HZ, ValueError),
        (np.full(100, 12_000.0, np.float32), RATE_HZ, ValueError),
        (np.zeros(100, np.int32), RATE_HZ, TypeError),
        (np.zeros((100, 3), np.float32), RATE_HZ, ValueError),
        (np.zeros((2, 2, 2), np.float32), RATE_HZ, ValueError),
        (np.zeros(100, np.float32), 0, ValueError),
        (np.zeros(100, np.float32), 16_000.5, ValueError),
        ("hello", RATE_HZ, TypeError),
        (b"\x00\x00", RATE_HZ, TypeError),
        ([np.zeros(100, np.float32), np.zeros(100, np.int16)], RATE_HZ, TypeError),
    ],
    ids=["nan", "loud", "int32", "3-channels", "3-axes", "rate-0", "rate-half", "text", "bytes", "mixed"],
)
def test_what_is_no_sound_is_the_callers_error_and_the_next_say_works(
    samples: Any, rate_hz: Any, error: type[Exception]
) -> None:
    async def talk(server: TalkingServer, face: Face) -> None:
        with pytest.raises(error):
            await face.say(samples, rate_hz)
        assert await face.say(sound(0.2), RATE_HZ) == Played(0.2, False)

    run(talk)


def test_a_long_sound_is_sent_no_further_ahead_than_a_word_can_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sound_sender, "AHEAD_S", 2.0)

    async def talk(server: TalkingServer, face: Face) -> None:
        saying = asyncio.create_task(face.say(sound(60.0), RATE_HZ))
        queued = asyncio.create_task(face.say(sound(60.0), RATE_HZ))
        await asyncio.sleep(0.6)
        sent_s = server.said[0].seconds
        assert 1.9 < sent_s < 3.5
        await face.clear()
        assert (await saying).cleared
        assert (await queued).cleared

    run(talk, speed=1.0)


def end_server(server: TalkingServer) -> Coroutine[Any, Any, None]:
    async def end() -> None:
        for connection in list(server.connections):
            await connection.close(1011, "the sound card died")

    return end()


def abort_server(server: TalkingServer) -> Coroutine[Any, Any, None]:
    async def abort() -> None:
        for connection in list(server.connections):
            connection.transport.abort()

    return abort()


@pytest.mark.parametrize("end", [end_server, abort_server], ids=["closed", "reset"])
def test_a_lost_connection_raises_in_every_call_that_waits_and_in_every_later_one(
    end: Callable[[TalkingServer], Coroutine[Any, Any, None]],
) -> None:
    async def talk(server: TalkingServer, face: Face) -> None:
        async def waits_for_ever() -> AsyncIterator[np.ndarray]:
            yield sound(0.1)
            await asyncio.Event().wait()

        says = [asyncio.create_task(face.say(waits_for_ever(), RATE_HZ)) for _ in range(2)]
        await until(lambda: server.said and server.said[0].data)
        await end(server)
        for outcome in await asyncio.gather(*says, return_exceptions=True):
            assert isinstance(outcome, ConnectionLostError)
        for call in (face.say(sound(0.1), RATE_HZ), face.clear(), face.rest(), face.mood("happy"), face.look()):
            with pytest.raises(ConnectionLostError):
                await call

    run(talk)


def test_a_peer_that_died_without_a_word_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face_module, "PING_S", 0.2)

    async def talk() -> None:
        async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            """Pass the handshake on, and then nothing more: a cable that was pulled."""
            there, back = await asyncio.open_connection("127.0.0.1", server.port)
            n_answers = 0

            async def answers() -> None:
                nonlocal n_answers
                while n_answers < 2 and (data := await there.read(65536)):
                    writer.write(data)
                    n_answers += 1

            passing = asyncio.create_task(answers())
            back.write(await reader.readuntil(b"\r\n\r\n"))
            await passing
            await asyncio.sleep(WAIT_S)

        async with TalkingServer() as server:
            cable = await asyncio.start_server(swallow, "127.0.0.1", 0)
            face = Face(f"ws://127.0.0.1:{cable.sockets[0].getsockname()[1]}/")
            await face.open()
            with pytest.raises(ConnectionLostError):
                await face.say(sound(1.0), RATE_HZ)
            await face.close()
            cable.close()

    asyncio.run(asyncio.wait_for(talk(), WAIT_S))


def test_a_face_that_is_not_there_not_a_face_or_not_for_us_is_said_so(unused_port: int) -> None:
    async def talk() -> None:
        with pytest.raises(ConnectionLostError, match="does not answer"):
            await Face(f"ws://127.0.0.1:{unused_port}/").open()
        async with TalkingServer(token="secret") as server:
            for token in ("", "wrong"):
                with pytest.raises(ConnectionLostError, match="401"):
                    await Face(server.url, token).open()
            async with Face(server.url, "secret") as face:
                assert await face.say(sound(0.1), RATE_HZ) == Played(0.1, False)
        for call in (face.rest(), Face("ws://127.0.0.1:1/").rest()):
            with pytest.raises(ConnectionLostError):
                await call

        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            writer.close()

        web = await asyncio.start_server(answer, "127.0.0.1", 0)
        with pytest.raises(ConnectionLostError, match="does not answer"):
            await Face(f"ws://127.0.0.1:{web.sockets[0].getsockname()[1]}/").open()
        web.close()

    asyncio.run(asyncio.wait_for(talk(), WAIT_S))


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
