"""Sound that is played: given ahead of its time, on the player's clock, with what is told when it has left."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
import pytest

from edge.frames import AudioChunk, Speech
from edge.playback.machine_clock_player import MachineClockPlayer
from edge.sources.agents.turns import AgentTurns
from edge.sources.agents.utterance import AgentUtterance
from edge.sources.channels import ChannelChoice
from edge.sources.pcm_decoder import PcmDecoder, PcmLayout
from edge.sources.played import PREPARE_S, RESERVE_S, PlayedTime
from edge.sources.spoken_bytes import SpokenBytes
from edge.sources.talk import TalkSource
from tests.edge.runtime.doubles import ManualClock

RATE_HZ = 16_000
LOOKAHEAD_S, LEAD_S = 0.1, 0.08


class Told:
    """Keeps what is told, and when."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.events: list[tuple] = []

    def started(self, utterance: AgentUtterance) -> None:
        self.events.append(("started", utterance.utterance_id, self.clock.now_s))

    def finished(self, utterance: AgentUtterance, seconds: float, is_cleared: bool) -> None:
        self.events.append(("finished", utterance.utterance_id, self.clock.now_s, seconds, is_cleared))


class Rig:
    """Turns of agents without a socket, a player without a loudspeaker, time moved by hand."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.player = MachineClockPlayer(clock=self.clock)
        self.turns = AgentTurns(RATE_HZ)
        self.told = Told(self.clock)
        self.turns.listener = self.told
        self.played = PlayedTime(self.player, self.clock, LOOKAHEAD_S, LEAD_S)
        self.source = TalkSource(self.turns, clock=self.clock, lookahead_s=LOOKAHEAD_S, played=self.played)
        self.source.open()
        self.chunks: list[tuple[float, AudioChunk]] = []
        self.plan: deque[tuple[float, Callable[[], None]]] = deque()
        self.turns.listen = self.listen  # type: ignore[method-assign]  # which would wait in real time
        self._listen = AgentTurns.listen

    def listen(self, timeout_s: float) -> None:
        if timeout_s > 0.0:
            self.clock.now_s += min(timeout_s, 0.002)
        while self.plan and self.plan[0][0] <= self.clock.now_s:
            self.plan.popleft()[1]()
        self._listen(self.turns, 0.0)

    def utter(self, utterance_id: str, samples: np.ndarray, owner: object = "agent") -> AgentUtterance:
        layout = PcmLayout("s16le", 1)
        spoken = SpokenBytes(PcmDecoder("s16le", RATE_HZ, 1), ChannelChoice(None), RATE_HZ, lambda a, b: None)  # type: ignore[arg-type,return-value]
        utterance = AgentUtterance(utterance_id, owner, RATE_HZ, layout, spoken)
        utterance.feed(samples.astype("<i2").tobytes())
        utterance.end()
        self.turns.begin(utterance)
        return utterance

    def run(self, seconds: float) -> None:
        ends_s = self.clock.now_s + seconds
        while self.clock.now_s < ends_s:
            chunk = self.source.read(0.005)
            self.clock.now_s += 0.0002
            if chunk is not None:
                self.chunks.append((self.clock.now_s, AudioChunk(
                    chunk.samples.copy(), chunk.start_index, chunk.end_time_s, speech=chunk.speech
                )))  # fmt: skip


def speech(rig: Rig) -> list[tuple[float, AudioChunk]]:
    return [(at_s, c) for at_s, c in rig.chunks if c.speech in (Speech.BEGUN, Speech.GOING_ON)]


def test_sound_is_given_as_far_ahead_as_its_faces_need_and_no_further() -> None:
    rig = Rig()
    rig.run(0.1)
    asked_s = rig.clock.now_s
    rig.utter("a", np.arange(2 * RATE_HZ) % 1000)
    rig.run(3.0)
    given = speech(rig)
    first_s = given[0][1].end_time_s - len(given[0][1].samples) / RATE_HZ
    assert first_s - asked_s < LEAD_S + PREPARE_S + 0.02  # the look-ahead is there: it is not waited for
    ahead_s = np.array([c.end_time_s - at_s for at_s, c in given])
    needed_s = LOOKAHEAD_S + LEAD_S + PREPARE_S
    assert ahead_s[len(ahead_s) // 4 :].min() > needed_s - 0.02
    assert ahead_s.max() < needed_s + RESERVE_S + 0.02
    steps_s = np.diff([c.end_time_s for _, c in given])
    np.testing.assert_allclose(steps_s, [len(c.samples) / RATE_HZ for _, c in given[1:]], atol=1e-6)
    assert rig.player.counters()["underruns"] == 0
    started, finished = rig.told.events
    assert started[2] == pytest.approx(first_s, abs=0.01)
    assert finished[2] == pytest.approx(given[-1][1].end_time_s, abs=0.01)
    assert finished[3:] == (2.0, False)
    tail = [c for _, c in rig.chunks if c.speech is Speech.ENDED and c.start_index > given[-1][1].start_index]
    assert tail[0].end_time_s - given[-1][1].end_time_s < 0.02


def test_without_its_look_ahead_a_first_sound_waits_for_it() -> None:
    rig = Rig()
    rig.run(0.1)
    asked_s = rig.clock.now_s
    utterance = rig.utter("a", np.ones(400))
    utterance._is_ended = False  # its agent goes on
    rig.run(0.15)
    (_, first), *_ = speech(rig)
    first_s = first.end_time_s - len(first.samples) / RATE_HZ
    assert first_s - asked_s == pytest.approx(LOOKAHEAD_S + LEAD_S + PREPARE_S, abs=0.02)
    utterance.feed(np.ones(RATE_HZ).astype("<i2").tobytes())


def test_a_clear_silences_the_loudspeaker_and_tells_how_much_was_heard() -> None:
    rig = Rig()
    rig.utter("a", np.arange(5 * RATE_HZ) % 1000)
    rig.utter("b", np.arange(RATE_HZ) % 1000)
    rig.run(1.0)
    started_s = rig.told.events[0][2]
    asked_s = rig.clock.now_s
    rig.turns.clear("agent")
    rig.run(0.3)
    cleared = [at_s for at_s, c in rig.chunks if c.speech is Speech.CLEARED]
    assert len(cleared) == 1
    assert cleared[0] - asked_s < 0.01
    rig.player.position()
    assert rig.player.counters()["dropped_samples"] > 0.2 * RATE_HZ
    ends = {event[1]: event for event in rig.told.events if event[0] == "finished"}
    assert ends["b"][3:] == (0.0, True)
    assert ends["a"][4] is True
    assert ends["a"][3] == pytest.approx(asked_s - started_s, abs=0.02)
    rig.utter("c", np.arange(1600) % 1000)
    rig.run(0.6)
    assert rig.told.events[-1][1:2] + rig.told.events[-1][3:] == ("c", 0.1, False)


def test_what_was_given_whole_and_is_not_heard_whole_can_still_be_cleared() -> None:
    rig = Rig()
    rig.utter("short", np.arange(4000) % 1000)  # a quarter of a second: given at once
    rig.run(0.2)
    assert [event[0] for event in rig.told.events] == ["started"]
    rig.turns.clear("agent")
    rig.run(0.1)
    finished = rig.told.events[-1]
    assert finished[0] == "finished"
    assert finished[4] is True
    assert 0.02 < finished[3] < 0.2
    assert rig.turns.counters()["utterances_cleared"] == 1
    assert rig.turns.counters()["utterances_spoken"] == 0
    rig.run(0.5)
    assert len(rig.told.events) == 2


def test_a_clear_tells_of_every_utterance_how_much_was_heard_also_of_one_whose_end_was_still_to_come() -> None:
    rig = Rig()
    for name in ("one", "two", "three"):  # 0.06 s each: all of them are given before the first has left
        rig.utter(name, np.arange(960) % 900 + 100)
    while not rig.told.events:
        rig.run(0.002)
    rig.run(0.08)
    rig.turns.clear("agent")
    rig.run(0.5)
    ends = {event[1]: event[3:] for event in rig.told.events if event[0] == "finished"}
    assert ends["one"] == (0.06, False)
    assert ends["two"][1] is True
    assert ends["two"][0] == pytest.approx(0.02, abs=0.015)
    assert ends["three"] == (0.0, True)
    assert rig.turns.counters()["utterances_spoken"] == 1
    assert rig.turns.counters()["utterances_cleared"] == 2


def test_a_clear_takes_nothing_from_another_whose_end_is_still_to_be_heard() -> None:
    rig = Rig()
    rig.utter("his", np.full(4000, 500), owner="he")  # a quarter of a second
    rig.utter("hers", np.full(5 * RATE_HZ, 900), owner="she")
    while not rig.told.events:
        rig.run(0.002)
    begun_s = rig.told.events[0][2]
    rig.run(0.1)
    assert [event[1] for event in rig.told.events] == ["his"]
    ring = rig.player._playout.line.ring  # type: ignore[union-attr]
    rig.turns.clear("she")
    rig.run(0.01)
    assert ("finished", "hers", 0.0, True) in [(e[0], e[1], *e[3:]) for e in rig.told.events if e[0] == "finished"]
    waiting = np.take(ring._samples, np.arange(ring.n_taken, ring.n_put), mode="wrap")
    assert set(np.round(np.abs(waiting) * 32768)) <= {0.0, 500.0}, "what was cleared is not heard, not even a little"
    assert np.count_nonzero(waiting) > 0.1 * RATE_HZ
    assert not [c for _, c in rig.chunks if c.speech is Speech.CLEARED], "his face goes on"
    rig.run(0.4)
    finished = next(e for e in rig.told.events if e[:2] == ("finished", "his"))
    assert finished[3:] == (0.25, False)
    (cut_s,) = [at_s for at_s, c in rig.chunks if c.speech is Speech.CLEARED]
    assert cut_s == pytest.approx(begun_s + 0.25, abs=0.02)
    rig.utter("next", np.arange(1600) % 1000, owner="she")
    rig.run(0.8)
    assert rig.told.events[-1][1:2] + rig.told.events[-1][3:] == ("next", 0.1, False)


def test_an_utterance_that_comes_soon_after_the_end_of_another_is_no_underrun() -> None:
    rig = Rig()
    for k in range(12):
        rig.utter(f"u{k}", np.arange(3200) % 900 + 100)
        while len(rig.told.events) < 2 * (k + 1):
            rig.run(0.005)
        rig.run(0.05 * k)
    assert rig.player.counters()["underruns"] == 0
    assert rig.source.counters()["play_underruns"] == 0
