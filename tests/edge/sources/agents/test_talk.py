"""Agents over a real WebSocket: whole utterances in order, what they are told, clear, who is let in, bad input."""

from __future__ import annotations

import json
import socket
import struct
import time

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from edge.frames import Speech
from tests.edge.sources.agents.rig import RATE_HZ, Agent, Face, balance, serving, tone
from tests.pace import Pace


def test_utterances_are_heard_whole_in_the_order_of_their_starts_and_both_agents_are_told() -> None:
    with serving() as (source, ear):
        one, other = Agent(source.port), Agent(source.port)
        assert one.wait("ready")["protocol"] == 1
        one.utter(tone(5000), "first")
        one.wait("finished", id="first")
        one.utter(tone(3000, 3), "second")
        one.wait("queued", id="second")
        other.utter(tone(4000, 5), "third")
        assert other.wait("finished", id="third")["seconds"] == pytest.approx(4000 / RATE_HZ, abs=1e-3)
        finished = one.wait("finished", id="second")
        np.testing.assert_array_equal(ear.speech(), np.concatenate([tone(5000), tone(3000, 3), tone(4000, 5)]))
        counters = source.counters()
    assert finished == {"type": "finished", "id": "second", "seconds": round(3000 / RATE_HZ, 3), "cleared": False}
    assert [e["type"] for e in one.told[1:4]] == ["queued", "started", "finished"]
    assert counters["utterances_spoken"] == 3
    assert balance(counters) == 0


def test_sound_of_any_rate_and_form_is_converted() -> None:
    with serving() as (source, ear):
        agent = Agent(source.port)
        sound = np.sin(2 * np.pi * 300 * np.arange(24_000) / 24_000).astype("<f4") / 2
        agent.say(type="start", id="x", rate_hz=24_000, format="f32le", channels=2)
        agent.link.send(np.repeat(sound, 2).tobytes())
        agent.say(type="end", id="x")
        assert agent.wait("finished")["seconds"] == pytest.approx(1.0, abs=0.002)
        heard = ear.speech() / 32768
    expected = np.sin(2 * np.pi * 300 * np.arange(len(heard)) / RATE_HZ) / 2
    np.testing.assert_allclose(heard[50:-50], expected[50:-50], atol=0.01)


def test_the_next_utterance_goes_on_without_a_gap_and_the_last_ends_in_silence() -> None:
    with serving("realtime") as (source, ear):
        agent = Agent(source.port)
        agent.utter(tone(4000), "a")
        agent.utter(tone(4000, 3), "b")
        agent.wait("finished", id="b")
        time.sleep(0.4)
    chunks = [chunk for _, chunk in ear.chunks]
    begins = [i for i, chunk in enumerate(chunks) if chunk.speech is Speech.BEGUN]
    assert len(begins) == 2
    before, after = chunks[begins[1] - 1], chunks[begins[1]]
    gap_s = after.end_time_s - len(after.samples) / RATE_HZ - before.end_time_s
    assert gap_s == pytest.approx(0.0, abs=0.02)  # of time; on the axis an utterance begins at a tenth of a second
    assert 0 <= after.start_index - before.end_index < RATE_HZ / 10
    assert after.start_index % (RATE_HZ // 10) == 0
    assert chunks[-1].speech is Speech.ENDED


def test_a_word_clears_what_is_said_and_what_waits_of_this_agent_alone() -> None:
    with serving("realtime") as (source, ear):
        one, other = Agent(source.port), Agent(source.port)
        one.utter(tone(5 * RATE_HZ), "long")
        one.utter(tone(RATE_HZ), "never heard")
        other.utter(tone(800, 7), "another's")
        one.wait("started", id="long")
        time.sleep(0.3)
        with Pace() as pace:
            asked_s = time.monotonic()
            one.say(type="clear")
            finished = one.wait("finished", id="long")
        assert other.wait("finished")["cleared"] is False
        one.utter(tone(800, 9), "next")  # the next utterance is never lost after an interruption
        assert one.wait("finished", id="next")["seconds"] == pytest.approx(0.05, abs=1e-3)
        counters = source.counters()
    unheard = {"type": "finished", "id": "never heard", "seconds": 0.0, "cleared": True}
    assert unheard in one.told
    assert finished["cleared"] is True
    assert 0.2 < finished["seconds"] < 2.0
    cleared_s = next(at_s for at_s, chunk in ear.chunks if chunk.speech is Speech.CLEARED)
    assert cleared_s - asked_s < pace.allowed(0.5)  # told exactly, against other load, in tests/system
    np.testing.assert_array_equal(ear.speech()[-1600:], np.concatenate([tone(800, 7), tone(800, 9)]))
    assert counters["utterances_cleared"] == 2
    assert balance(counters) == 0


@pytest.mark.parametrize("clears", [True, False])
def test_an_agent_that_dies_in_the_middle_is_heard_to_where_it_came_or_cleared(clears: bool) -> None:
    with serving("realtime", clears=clears) as (source, ear):
        agent, witness = Agent(source.port), Agent(source.port)
        agent.say(type="start", rate_hz=RATE_HZ)
        agent.link.send(tone(RATE_HZ // 2).astype("<i2").tobytes())
        agent.wait("started")
        agent.link.socket.close()
        witness.utter(tone(800, 3), "w")
        witness.wait("finished")
        n_heard = len(ear.speech()) - 800
        counters = source.counters()
    assert (n_heard < RATE_HZ // 2) == clears
    assert counters["utterances_cleared"] == int(clears)
    assert balance(counters) == 0


def test_wishes_reach_the_face_and_rest_ends_everybody_until_the_next_start() -> None:
    face = Face()
    with serving("realtime", face=face) as (source, _):
        agent, other = Agent(source.port), Agent(source.port)
        assert "happy" in agent.wait("ready")["moods"]
        other.utter(tone(3 * RATE_HZ), "long")
        other.wait("started")
        agent.say(type="mood", mood="happy", amount=0.5)
        agent.say(type="look", yaw_deg=10, pitch_deg=-5)
        agent.say(type="look")
        agent.say(type="gesture", gesture="nod")
        agent.say(type="rest")
        assert other.wait("finished")["cleared"] is True
        agent.say(type="mood", mood="jolly")
        refused = agent.wait("refused")
        agent.utter(tone(100), "a")
        agent.wait("finished")
    assert refused["what"] == "mood"
    assert "happy" in refused["why"]  # with what exists
    wished = [("mood", "happy", 0.5), ("look", 10.0, -5.0), ("look", None, None), ("gesture", "nod"), ("rest",)]
    assert face.asked == [("wake",), *wished, ("wake",)]


@pytest.mark.parametrize(
    ("words", "what", "why"),
    [
        ([b"\0\0"], "sound", "send a start"),
        ([{"type": "end"}], "end", "no utterance is open"),
        ([{"type": "start", "rate_hz": 0}], "start", "8000 to 192000"),
        ([{"type": "start", "rate_hz": 10_000_000}], "start", "8000 to 192000"),
        ([{"type": "start", "rate_hz": True}], "start", "8000 to 192000"),
        ([{"type": "start", "rate_hz": 24000.5}], "start", "8000 to 192000"),
        ([{"type": "start"}], "start", "rate_hz is missing"),
        ([{"type": "start", "rate_hz": 16000, "format": "mp3"}], "start", "s16le, f32le"),
        ([{"type": "start", "rate_hz": 16000, "channels": 3}], "start", "1 to 2"),
        ([{"type": "start", "rate_hz": 16000, "id": "x" * 65}], "start", "64 characters"),
        ([{"type": "start", "rate_hz": 16000, "id": 7}], "start", "64 characters"),
        ([{"type": "start", "rate_hz": 16000}, {"type": "start", "rate_hz": 16000}], "start", "has not ended"),
        ([{"type": "start", "rate_hz": 16000, "id": "a"}, {"type": "end", "id": "b"}], "end", "'a' is the one"),
        ([{"type": "start", "rate_hz": 16000}, b"\0\0\0"], "sound", "not whole samples"),
        ([{"type": "clear", "all": "yes"}], "clear", "neither true nor false"),
        ([{"type": "dance"}], "dance", "types are start"),
        ([{}], "?", "type is missing"),
        ([{"type": "mood", "mood": ["happy"]}], "mood", "no face"),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, list) else "",
)
def test_what_cannot_be_followed_is_refused_with_the_reason_and_the_connection_stays(
    words: list, what: str, why: str
) -> None:
    with serving() as (source, ear):
        agent = Agent(source.port)
        for word in words:
            agent.link.send(word if isinstance(word, bytes) else json.dumps(word))
        refused = agent.wait("refused")
        assert refused["what"] == what
        assert why in refused["why"]
        witness = Agent(source.port)
        witness.utter(tone(500), "w")
        witness.wait("finished")
        np.testing.assert_array_equal(ear.speech(), tone(500))
        agent.say(type="end")
        agent.utter(tone(300), "after")
        agent.wait("finished", id="after")


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("no json", 1008),
        ("[" * 16_000, 1008),
        ('{"type":"start","rate_hz":NaN}', 1008),
        ("[1, 2]", 1008),
        ('"start"', 1008),
        (json.dumps({str(i): 0 for i in range(100)}), 1008),
        (json.dumps({"type": "start", "id": "x" * 20_000}), 1008),
        (b"\0" * (1024 * 1024 + 2), 1009),
    ],
    ids=["text", "bomb", "nan", "array", "string", "keys", "long", "large"],
)
def test_what_is_no_word_at_all_closes_this_connection_alone(frame: str | bytes, code: int) -> None:
    with serving() as (source, ear):
        agent, witness = Agent(source.port), Agent(source.port)
        witness.say(type="start", id="w", rate_hz=RATE_HZ)
        agent.link.send(frame)
        with pytest.raises(ConnectionClosed) as closed:
            agent.wait("nothing")
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == code
        witness.link.send(tone(500).astype("<i2").tobytes())
        witness.say(type="end")
        witness.wait("finished")
        np.testing.assert_array_equal(ear.speech(), tone(500))


def test_a_message_that_announces_a_gigabyte_is_refused_before_it_comes() -> None:
    with serving() as (source, _):
        agent = Agent(source.port)
        agent.wait("ready")
        agent.link.socket.sendall(struct.pack("!BBQ", 0x82, 0x80 | 127, 1 << 30) + b"\0\0\0\0")
        with pytest.raises(ConnectionClosed) as closed:
            agent.wait("nothing")
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


def test_more_utterances_than_may_wait_are_refused_and_nothing_accepted_is_lost() -> None:
    with serving("realtime", most_waiting=2) as (source, ear):
        agent = Agent(source.port)
        for i in range(5):
            agent.utter(tone(3200, 1 + 2 * i), f"u{i}")
        done = [agent.wait("finished")["id"] for _ in range(3)]
        heard = ear.speech()
        counters = source.counters()
    refused = [e["id"] for e in agent.told if e["type"] == "refused" and e["what"] == "start"]
    assert done == ["u0", "u1", "u2"]
    assert refused == ["u3", "u4"]
    np.testing.assert_array_equal(heard, np.concatenate([tone(3200, 1 + 2 * i) for i in range(3)]))
    assert counters["utterances_queued"] == 3
    assert balance(counters) == 0


def test_an_utterance_whose_agent_thinks_lets_others_speak_and_is_heard_to_its_end() -> None:
    with serving("realtime") as (source, ear):
        slow, quick = Agent(source.port), Agent(source.port)
        slow.say(type="start", id="slow", rate_hz=RATE_HZ)
        slow.wait("queued")
        quick.utter(tone(800, 3), "quick")
        quick.wait("finished")
        slow.link.send(tone(800).astype("<i2").tobytes())
        slow.wait("started")
        time.sleep(0.3)
        quick.utter(tone(800, 5), "quick again")
        quick.wait("finished", id="quick again")
        slow.link.send(tone(800, 7).astype("<i2").tobytes())
        slow.say(type="end")
        assert slow.wait("finished")["seconds"] == pytest.approx(0.1, abs=1e-3)
    parts = [tone(800, step) for step in (3, 1, 5, 7)]
    np.testing.assert_array_equal(ear.speech(), np.concatenate(parts))
    assert [e["type"] for e in slow.told].count("started") == 1


def test_a_full_buffer_holds_the_wire_back_and_nothing_is_dropped() -> None:
    with serving("realtime", buffer_s=1.0) as (source, ear):
        agent = Agent(source.port)
        agent.say(type="start", rate_hz=RATE_HZ)
        agent.wait("queued")
        sound = tone(3 * RATE_HZ).astype("<i2").tobytes()
        for begin in range(0, len(sound), 3200):
            agent.link.send(sound[begin : begin + 3200])
            assert max(a.unspoken_s for a in source._server._agents) < 1.2
        agent.say(type="end")
        assert agent.wait("finished", limit_s=30.0)["seconds"] == pytest.approx(3.0, abs=1e-3)
        np.testing.assert_array_equal(ear.speech(), tone(3 * RATE_HZ))


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({}, 401),
        ({"path": "/?token=wrong"}, 401),
        ({"additional_headers": {"Authorization": "Bearer wrong"}}, 401),
        ({"additional_headers": {"Authorization": "Basic secret"}}, 401),
        ({"path": "/?token=secret"}, 0),
        ({"additional_headers": {"Authorization": "bearer secret"}}, 0),
        ({"path": "/?token=secret", "origin": "http://evil.example"}, 403),
        ({"path": "/?token=secret", "origin": "null"}, 403),
        ({"path": "/?token=secret", "origin": "http://localhost:8930"}, 0),
        ({"path": "/?token=secret", "additional_headers": {"Host": "evil.example"}}, 403),
        ({"path": "/elsewhere?token=secret"}, 404),
    ],
    ids=str,
)
def test_who_is_let_in(options: dict, status: int) -> None:
    with serving(token="secret") as (source, _):
        if not status:
            Agent(source.port, **options).wait("ready")
            return
        with pytest.raises(InvalidStatus) as refused:
            Agent(source.port, **options)
        assert refused.value.response.status_code == status


def test_random_frames_never_harm_another_agent() -> None:
    random = np.random.default_rng(11)
    words = ['{"type":"start","rate_hz":16000}', '{"type":"end"}', '{"type":"clear"}', '{"type":"start","rate_hz":-1}']
    with serving() as (source, ear):
        witness = Agent(source.port)
        witness.say(type="start", id="w", rate_hz=RATE_HZ)
        for _ in range(40):
            try:
                agent = Agent(source.port)
                for _ in range(random.integers(1, 12)):
                    kind = random.integers(0, 4)
                    body = random.integers(0, 256, random.integers(0, 400), np.uint8).tobytes()
                    if kind == 0:
                        agent.link.send(words[random.integers(0, len(words))])
                    elif kind == 1:
                        agent.link.send(body[: len(body) // 2 * 2])
                    elif kind == 2:
                        agent.link.send(body.decode("latin-1"))
                    else:
                        agent.link.socket.sendall(body)  # no frame at all
                agent.link.socket.close()
            except (ConnectionClosed, OSError):
                pass
        begin = len(ear.speech())
        witness.link.send(tone(2000).astype("<i2").tobytes())
        witness.say(type="end")
        assert witness.wait("finished")["seconds"] == pytest.approx(2000 / RATE_HZ, abs=1e-3)
        assert len(ear.speech()) >= begin + 2000
        deadline_s = time.monotonic() + 60.0
        while balance(source.counters()) and time.monotonic() < deadline_s:
            time.sleep(0.05)
        assert balance(source.counters()) == 0
        assert ear.is_alive()


def test_half_an_open_connection_and_plain_http_hold_nobody_up() -> None:
    with serving() as (source, _):
        silent = [socket.create_connection(("127.0.0.1", source.port)) for _ in range(40)]
        silent[0].sendall(b"GET / HTTP/1.1\r\n")
        silent[1].sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        agent = Agent(source.port)
        agent.utter(tone(500), "a")
        agent.wait("finished")
        for link in silent:
            link.close()
