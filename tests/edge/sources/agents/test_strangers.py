"""Who comes to the agents' door and is no agent: takes no place, no descriptor and few lines of the log."""

from __future__ import annotations

import contextlib
import logging
import socket

import pytest
from websockets.exceptions import InvalidStatus

from edge.machine.passing import MOST_PASSING
from edge.machine.sparing import MOST_LINES, PERIOD_S, Sparing
from tests.edge.sources.agents.rig import RATE_HZ, Agent, Face, serving, tone


def test_idle_connections_give_way_and_an_agent_is_heard(caplog: pytest.LogCaptureFixture) -> None:
    with serving() as (source, ear), contextlib.ExitStack() as stack:
        for i in range(3 * MOST_PASSING):
            idle = stack.enter_context(socket.create_connection(("127.0.0.1", source.port), timeout=60.0))
            idle.sendall((b"", b"GET / HTTP/1.1\r\n")[i % 2])
        agent = Agent(source.port)
        agent.utter(tone(3000), "a")
        assert agent.wait("finished", id="a")["cleared"] is False
        assert ear.speech().tolist() == tone(3000).tolist()
        assert source.counters()["connections_dropped"] >= 2 * MOST_PASSING - 2
        idle.settimeout(60.0)
    assert len(caplog.records) == 0


def test_agents_that_are_let_in_do_not_give_way_to_idle_connections() -> None:
    with serving() as (source, _), contextlib.ExitStack() as stack:
        agents = [Agent(source.port) for _ in range(4)]
        for _ in range(2 * MOST_PASSING):
            stack.enter_context(socket.create_connection(("127.0.0.1", source.port), timeout=60.0))
        for agent in agents:
            agent.utter(tone(800), "a")
            agent.wait("finished", id="a")


def test_refused_connections_are_counted_and_a_few_are_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    with serving(token="secret") as (source, _):
        for _ in range(5 * MOST_LINES):
            with pytest.raises(InvalidStatus):
                Agent(source.port)
        assert source.counters()["agents_refused"] == 5 * MOST_LINES
    said = [record.getMessage() for record in caplog.records if "not let in" in record.getMessage()]
    assert 0 < len(said) <= MOST_LINES


def test_agents_that_come_again_and_again_with_the_same_mistake_are_said_a_few_times(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    with serving() as (source, _):
        for i in range(3 * MOST_LINES):
            agent = Agent(source.port)
            if i % 2:
                agent.say(type="end")
                agent.wait("refused")
            else:
                agent.link.send("no JSON")
            agent.link.close()
    assert 0 < len([r for r in caplog.records if r.name == "au-edge.talk"]) <= MOST_LINES


def test_what_another_agent_cleared_is_over_for_its_own_agent_too() -> None:
    """It is told `finished`; its next word is a start, and not an end of what has finished."""
    with serving("realtime", face=Face()) as (source, _):
        one, other = Agent(source.port), Agent(source.port)
        for i, word in enumerate(({"type": "clear", "all": True}, {"type": "rest"})):
            one.say(type="start", id=f"a{i}", rate_hz=RATE_HZ)
            one.link.send(tone(8000).astype("<i2").tobytes())
            one.wait("started", id=f"a{i}")
            other.say(**word)
            assert one.wait("finished", id=f"a{i}")["cleared"] is True
            one.utter(tone(800), f"b{i}")
            assert one.wait("finished", id=f"b{i}")["cleared"] is False
        assert not [event for event in one.told if event["type"] == "refused"]


def test_of_many_lines_a_minute_has_a_few_and_their_number_comes_with_the_next() -> None:
    now_s = [0.0]
    sparing = Sparing(lambda: now_s[0])
    said = [line for line in (sparing.line(f"line {i}") for i in range(1000)) if line]
    assert len(said) == MOST_LINES
    assert said[0] == "line 0"
    now_s[0] += PERIOD_S
    assert f"{1000 - MOST_LINES} more" in sparing.line("again")
    assert sparing.line("and again") == "and again"
    now_s[0] += PERIOD_S
    assert sparing.line("later") == "later"
