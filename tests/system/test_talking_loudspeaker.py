"""The talking robot with a loudspeaker whose true play times are known: sound and face, clear, a card that dies."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.edge.sources.agents.rig import Agent
from tests.pace import Pace
from tests.ports import free_tcp_port
from tests.system.face_against_sound import likeness_by_place, say_again_and_again, talk_options
from tests.system.talking import SENTENCES, flite, states_of, talking
from tests.virtual_loudspeaker.audience import Audience, open_hall
from tests.virtual_microphone.air import Device

pytestmark = pytest.mark.realtime


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Audience]:
    with open_hall(tmp_path_factory.mktemp("hall"), [Device("speaker_48", 48_000, 2)]) as made:
        yield made["speaker_48"]


@pytest.fixture(autouse=True)
def _repaired(hall: Audience) -> Iterator[None]:
    yield
    hall.fault("none")
    hall.run_fast(0)


@pytest.mark.parametrize(("ppm", "lead_ms"), [(200, 0), (-200, 80)])
def test_each_face_is_sent_when_its_sound_leaves_the_loudspeaker(
    hall: Audience, ppm: int, lead_ms: int, tmp_path: Path
) -> None:
    """Ten minutes of it: tests/benchmarks/face_timing.py, whose result is kept beside it."""
    hall.run_fast(ppm)
    sound, rate_hz = soundfile.read(flite(SENTENCES[5], tmp_path / "a.wav"), dtype="int16")
    port = free_tcp_port()
    with talking(*talk_options(port, f"output.a.lead_ms={lead_ms}")) as (_, watcher), Pace() as pace:
        seen = say_again_and_again(Agent(port), hall, watcher, sound, rate_hz, "u")
    assert len(seen.begins_s) == 6
    late_s = seen.came_s - seen.told_s + lead_ms / 1000
    print(f"face against true sound, ms: {np.percentile(seen.told_s * 1000, [1, 50, 99]).round(2)}; "
          f"sent after due, ms: {np.percentile(late_s * 1000, [1, 50, 99]).round(2)}")  # fmt: skip
    tail_s = np.percentile(np.abs(seen.told_s), 90)
    pace.skip_if_late(likeness_by_place([seen]) > 0.99 and tail_s < 0.0125)  # it missed frames, or sent them late
    assert likeness_by_place([seen]) > 0.99 > max(likeness_by_place([seen], shift) for shift in (-1, 1))
    assert abs(np.median(seen.told_s)) < 0.01
    assert tail_s < 0.0125
    assert abs(np.median(late_s)) < pace.allowed(0.01)
    assert late_s.min() > -0.002


def test_a_clear_silences_the_loudspeaker_and_the_seconds_are_what_was_heard(hall: Audience, tmp_path: Path) -> None:
    sound, rate_hz = soundfile.read(flite(" ".join(SENTENCES[:5]), tmp_path / "a.wav"), dtype="int16")
    port = free_tcp_port()
    silent_s, wrong_s, face_s = [], [], []
    with talking(*talk_options(port)) as (_, watcher):
        agent = Agent(port)
        for i in range(6):
            asked_s = time.monotonic()
            agent.utter(sound, f"u{i}", rate_hz)
            agent.wait("started", id=f"u{i}")
            time.sleep(0.4 + 0.05 * i)
            cleared_s = time.monotonic()
            agent.say(type="clear")
            finished = agent.wait("finished", id=f"u{i}")
            time.sleep(0.5)
            heard, times_s = hall.heard_at_once()
            loud_s = times_s[(np.abs(heard) > 1e-3) & (times_s > asked_s)]
            silent_s.append(loud_s[-1] - cleared_s)
            n_first = np.flatnonzero(np.abs(sound) > 33)[0]
            wrong_s.append(finished["seconds"] - (loud_s[-1] - loud_s[0] + n_first / rate_hz))
            easing = next(s for s in watcher.seen if s.at_s > cleared_s and s.state == "silence")
            face_s.append(easing.at_s - cleared_s)
    for what, values in (("to silence", silent_s), ("to the face", face_s), ("seconds told - heard", wrong_s)):
        print(f"clear, {what}, ms: {np.round(np.array(values) * 1000)}")
    assert np.median(silent_s) < 0.1
    assert np.median(face_s) < 0.05
    assert np.median(np.abs(wrong_s)) < 0.03  # a sentence has pauses; what was heard last may be one


def test_a_card_that_dies_in_the_middle_ends_no_sentence_and_plays_the_next(hall: Audience, tmp_path: Path) -> None:
    sound, rate_hz = soundfile.read(flite(" ".join(SENTENCES[:3]), tmp_path / "a.wav"), dtype="int16")
    port = free_tcp_port()
    with talking(*talk_options(port)) as (process, watcher), Pace() as pace:
        agent = Agent(port)
        agent.utter(sound, "dies", rate_hz)
        agent.wait("started")
        time.sleep(0.8)
        hall.fault("unplugged")
        finished = agent.wait("finished", id="dies", limit_s=120.0)
        hall.fault("none")
        time.sleep(2.5)
        began_s = time.monotonic()
        agent.utter(sound, "next", rate_hz)
        assert agent.wait("finished", id="next", limit_s=120.0)["cleared"] is False
        heard, times_s = hall.heard_at_once()
        assert process.poll() is None
    assert finished["cleared"] is False
    assert finished["seconds"] == pytest.approx(len(sound) / rate_hz, abs=0.01)
    assert np.abs(heard[times_s > began_s]).max() > 0.05
    assert states_of(watcher.seen, pace) <= {"live", "silence", "stopping"}
