"""Words that stand behind a full buffer of sound, answers to wishes, numbers that are none, agents that say nothing."""

from __future__ import annotations

import socket
import time

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed

from edge.frames import Speech
from edge.sources.byte_inputs import end_with_peer
from tests.edge.sources.agents.rig import RATE_HZ, Agent, Face, balance, serving, tone


@pytest.mark.parametrize("word", [{"type": "clear"}, {"type": "rest"}, {"type": "clear", "all": True}], ids=str)
def test_a_word_behind_far_more_sound_than_the_buffer_holds_acts_at_once(word: dict) -> None:
    with serving("realtime", buffer_s=0.5, face=Face()) as (source, ear):
        agent, other = Agent(source.port), Agent(source.port)
        agent.utter(tone(40 * RATE_HZ), "long", piece=32_000)
        agent.utter(tone(RATE_HZ), "behind it")
        speaker = agent if word == {"type": "clear"} else other
        agent.wait("started", id="long")
        time.sleep(0.3)
        asked_s = time.monotonic()
        speaker.say(**word)
        assert agent.wait("finished", id="long")["cleared"] is True
        told_s = time.monotonic() - asked_s
        agent.utter(tone(800, 9), "next")
        assert agent.wait("finished", id="next")["seconds"] == pytest.approx(0.05, abs=1e-3)
        unheard = {"type": "finished", "id": "behind it", "seconds": 0.0, "cleared": True}
        assert unheard in agent.told
        counters = source.counters()
        np.testing.assert_array_equal(ear.speech()[-800:], tone(800, 9))
    cleared_s = next(at_s for at_s, chunk in ear.chunks if chunk.speech is Speech.CLEARED) - asked_s
    print(f"word to clear {cleared_s * 1000:.0f} ms, to the agent {told_s * 1000:.0f} ms")
    assert cleared_s < 0.5  # of forty seconds; tests/benchmarks/soak_talk.py measures it
    assert counters["utterances_cleared"] == 2
    assert counters["dropped_samples"] > 35 * RATE_HZ
    assert balance(counters) == 0


def test_what_is_held_is_heard_whole_and_in_order_also_where_its_agent_goes_away() -> None:
    with serving("fast", buffer_s=0.2) as (source, ear):
        agent = Agent(source.port)
        agent.utter(tone(4 * RATE_HZ), "a")
        agent.utter(tone(2 * RATE_HZ, 3), "b")
        agent.link.close()
        ends_s = time.monotonic() + 20.0
        while source.counters()["utterances_spoken"] < 2 and time.monotonic() < ends_s:
            time.sleep(0.05)
        np.testing.assert_array_equal(ear.speech(), np.concatenate([tone(4 * RATE_HZ), tone(2 * RATE_HZ, 3)]))


def test_far_too_much_waits_on_the_wire_and_nothing_of_it_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.sources.agents.agent.MOST_HELD_BYTES", 16_000)
    with serving("realtime", buffer_s=0.2) as (source, ear):
        agent, most = Agent(source.port), 0
        agent.utter(tone(3 * RATE_HZ), "a")
        agent.wait("started")
        while source.counters()["utterances_spoken"] == 0:
            most = max(most, max(one.n_held_bytes for one in source._server._agents))
            time.sleep(0.01)
        np.testing.assert_array_equal(ear.speech(), tone(3 * RATE_HZ))
    assert 16_000 <= most < 16_000 + 3200


def test_a_wish_with_an_id_is_answered_and_one_without_is_silent() -> None:
    with serving(face=Face()) as (source, _):
        agent = Agent(source.port)
        agent.say(type="mood", mood="happy", amount=0.5)
        agent.say(type="mood", mood="sad", id="m1")
        agent.say(type="look", yaw_deg=3, pitch_deg=1, id="l1")
        agent.say(type="gesture", gesture="nod", id="g1")
        agent.say(type="rest", id="r1")
        agent.say(type="mood", mood="jolly", id="m2")
        refused = agent.wait("refused")
        counters = source.counters()
    assert [(e["what"], e["id"]) for e in agent.told if e["type"] == "done"] == [
        ("mood", "m1"), ("look", "l1"), ("gesture", "g1"), ("rest", "r1"),
    ]  # fmt: skip
    assert (refused["what"], refused["id"]) == ("mood", "m2")
    assert (counters["wishes_taken"], counters["wishes_refused"]) == (5, 1)


@pytest.mark.parametrize(
    ("samples", "why"),
    [([0.1, float("nan")], "not numbers"), ([float("inf")], "not numbers"), ([30_000.0, 1.0], "full scale is 1.0")],
    ids=["nan", "inf", "never divided"],
)
def test_floats_that_are_no_sound_are_refused_and_the_rest_of_the_utterance_is_heard(samples: list, why: str) -> None:
    with serving() as (source, ear):
        agent = Agent(source.port)
        agent.say(type="start", id="a", rate_hz=RATE_HZ, format="f32le")
        agent.link.send((tone(400) / 32768).astype("<f4").tobytes())
        agent.link.send(np.array(samples, "<f4").tobytes())
        agent.link.send((tone(400, 3) / 32768).astype("<f4").tobytes())
        agent.say(type="end")
        refused = agent.wait("refused")
        assert agent.wait("finished")["seconds"] == pytest.approx(0.05, abs=1e-3)
        np.testing.assert_array_equal(ear.speech(), np.concatenate([tone(400), tone(400, 3)]))
    assert (refused["what"], refused["id"]) == ("sound", "a")
    assert why in refused["why"]


def test_agents_that_begin_and_say_nothing_take_no_place_from_who_speaks() -> None:
    with serving(most_waiting=2) as (source, ear):
        silent = [Agent(source.port) for _ in range(8)]
        for agent in silent:
            agent.say(type="start", rate_hz=RATE_HZ)
            agent.wait("queued")
        speaker = Agent(source.port)
        speaker.utter(tone(500), "a")
        speaker.wait("finished", id="a")
        silent[0].link.send(tone(400, 3).astype("<i2").tobytes())
        silent[0].say(type="end")
        silent[0].wait("finished")
        np.testing.assert_array_equal(ear.speech(), np.concatenate([tone(500), tone(400, 3)]))


def test_sound_for_an_utterance_that_another_cleared_is_forgotten_and_takes_no_memory() -> None:
    with serving("realtime") as (source, _):
        agent, other = Agent(source.port), Agent(source.port)
        agent.say(type="start", id="a", rate_hz=RATE_HZ)
        agent.link.send(tone(RATE_HZ).astype("<i2").tobytes())
        agent.wait("started")
        other.say(type="clear", all=True)
        agent.wait("finished", id="a")
        (speaking,) = [one for one in source._server._agents if one._open is not None]
        for _ in range(20):
            agent.link.send(tone(RATE_HZ).astype("<i2").tobytes())
        agent.say(type="end")
        agent.utter(tone(300), "b")
        agent.wait("finished", id="b")
        assert speaking._held.n_bytes == 0
        assert not [e for e in agent.told if e["type"] == "refused"]


def test_a_word_cannot_write_into_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with serving() as (source, _):
        agent = Agent(source.port)
        agent.say(type="dance\n\x1b[31mERROR all is lost \ud800")
        agent.wait("refused")
    assert "\n" not in caplog.text.strip()
    assert "\x1b" not in caplog.text


def test_the_kernel_ends_the_connection_of_a_peer_that_died_without_a_word() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as link:
        end_with_peer(link)
        assert link.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert link.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 25_000


def test_what_a_clear_drops_is_counted_whatever_was_made_of_it_by_then() -> None:
    with serving("realtime") as (source, _):
        agent = Agent(source.port)
        agent.say(type="start", id=None, rate_hz=2 * RATE_HZ)  # JSON's null is no id
        agent.link.send(tone(20 * RATE_HZ).astype("<i2").tobytes())
        agent.wait("started", id="utterance-1")
        agent.say(type="clear")
        seconds = agent.wait("finished", id="utterance-1")["seconds"]
        dropped_s = source.counters()["dropped_samples"] / RATE_HZ
    assert seconds + dropped_s == pytest.approx(10.0, abs=0.05)


def test_a_bomb_in_what_is_held_harms_nobody() -> None:
    with serving("realtime", buffer_s=0.2) as (source, ear):
        agent, witness = Agent(source.port), Agent(source.port)
        agent.say(type="start", id="a", rate_hz=RATE_HZ)
        agent.link.send(tone(5 * RATE_HZ).astype("<i2").tobytes())
        agent.link.send(tone(RATE_HZ).astype("<i2").tobytes())
        agent.link.send("[" * 9000)
        with pytest.raises(ConnectionClosed):
            agent.wait("nothing")
        witness.say(type="clear", all=True)
        witness.utter(tone(300, 5), "w")
        witness.wait("finished", id="w")
        np.testing.assert_array_equal(ear.speech()[-300:], tone(300, 5))
