"""Soak the talking: a day of agents in minutes, with clears, deaths and nonsense at random; then a storm.

    python -m tests.benchmarks.soak_talk [--hours 24] [--storm-s 60] [--clears 200] [--rests 50] [--seed 1] [--out FILE]

The day goes through the real WebSocket and the real source, which hands sound on as fast as it comes; the storm, the
clears (in front of a full buffer, too) and the ends meet the whole program. One line an hour of sound, one JSON object
at the end. Exit status 1 where memory or threads grew or an accepted utterance was lost.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import soundfile
from websockets.exceptions import ConnectionClosed

from edge.exit_status import exit_status
from edge.frames import Speech
from edge.machine.whole_file import write_whole
from tests.edge.sources.agents.rig import Agent, balance, serving
from tests.ports import free_tcp_port
from tests.system.talking import SENTENCES, flite, resident_bytes, storm, talking
from tests.virtual_microphone.rounds import footprint

RATE_HZ = 16_000
UTTERANCE_S = 6.0
GROWTH_LIMIT_MB = 5.0  # after the first tenth, in which caches fill


class Counter(threading.Thread):
    """Hears a source and keeps nothing but the count."""

    def __init__(self, source: object) -> None:
        super().__init__(daemon=True)
        self.source = source
        self.n_samples = 0
        self.is_over = False
        self.start()

    def run(self) -> None:
        while not self.is_over:
            chunk = self.source.read(0.02)  # type: ignore[attr-defined]
            if chunk is not None and chunk.speech in (Speech.BEGUN, Speech.GOING_ON):
                self.n_samples += len(chunk.samples)


def talk_all_day(hours: float, seed: int) -> dict[str, object]:
    """Return what was counted, and the footprints of each hour."""
    dice = random.Random(seed)
    sound = (np.random.default_rng(seed).standard_normal(round(UTTERANCE_S * RATE_HZ)) * 3000).astype("<i2")
    with serving("fast") as (source, ear):
        ear.is_over = True  # which keeps all that it hears
        ear.join()
        counter = Counter(source)
        agent, said_s, n_said, n_ended, footprints, began_s = Agent(source.port), 0.0, 0, 0, [], time.monotonic()
        while said_s < hours * 3600:
            fate = dice.random()
            if fate < 0.01:  # it dies in the middle
                agent.say(type="start", rate_hz=RATE_HZ)
                agent.link.send(sound[:1000].tobytes())
                agent.link.socket.close()
                agent = Agent(source.port)
                continue
            if fate < 0.02:
                try:
                    agent.link.send(dice.choice(["nonsense", "{}", b"\0", '{"type":"end"}']))
                    agent.wait("refused", limit_s=5.0)
                except (ConnectionClosed, TimeoutError):
                    agent = Agent(source.port)
                continue
            agent.utter(sound, f"u{n_said}", RATE_HZ, piece=64_000)
            if fate < 0.1:
                agent.say(type="clear")
            n_ended += agent.wait("finished", id=f"u{n_said}", limit_s=60.0)["type"] == "finished"
            agent.told.clear()
            n_said += 1
            said_s += UTTERANCE_S
            if said_s // 3600 > len(footprints):
                footprints.append(footprint())
                print(f"{said_s / 3600:.0f} h said in {time.monotonic() - began_s:.0f} s: {footprints[-1]}", flush=True)
        time.sleep(1.5)
        counter.is_over = True
        counter.join()
        counters = dict(source.counters())
    return {
        "hours": said_s / 3600, "heard_hours": round(counter.n_samples / RATE_HZ / 3600, 3), "said": n_said,
        "ended": n_ended, "not_ended": balance(counters), "counters": counters, "footprints": footprints,
    }  # fmt: skip


def weather_a_storm(seconds: float) -> dict[str, object]:
    """Return how frames came without and in a storm of a hundred connections a second."""
    port = free_tcp_port()
    with tempfile.TemporaryDirectory() as folder:
        sound, rate_hz = soundfile.read(flite(" ".join(SENTENCES), Path(folder) / "a.wav"), dtype="int16")
    found: dict[str, object] = {}
    with talking("audio.source=websocket", f"audio.address=127.0.0.1:{port}", "model.path=stream") as (
        process,
        watcher,
    ):
        agent = Agent(port)
        for name in ("calm", "storm"):
            storming = threading.Thread(target=storm, args=(port, 100.0 if name == "storm" else 0.01, seconds))
            storming.start()
            began_s, n_ended = time.monotonic(), 0
            while time.monotonic() < began_s + seconds:
                agent.utter(sound, f"{name}{n_ended}", rate_hz)
                n_ended += not agent.wait("finished", limit_s=60.0)["cleared"]
            storming.join()
            clock_s = time.time() - time.monotonic()
            ages_ms = [(s.at_s + clock_s - s.heard_unix_s) * 1000 for s in watcher.seen
                       if s.state == "live" and s.at_s > began_s]  # fmt: skip
            gaps_ms = np.diff([s.at_s for s in watcher.seen if s.at_s > began_s]) * 1000
            found[name] = {
                "ended": n_ended, "age_ms_p50_p99": np.percentile(ages_ms, [50, 99]).round(1).tolist(),
                "gap_ms_p99_max": [round(float(np.percentile(gaps_ms, 99)), 1), round(float(gaps_ms.max()), 1)],
                "states": sorted({s.state for s in watcher.seen}),
                "resident_mb": round(resident_bytes(process.pid) / 1e6),
            }  # fmt: skip
    return found


def clear_at_random(n_rounds: int, seed: int, buffer_s: float) -> dict[str, object]:
    """Return the times from the word to the first frame on its way to rest, in milliseconds; behind 40 s of sound."""
    dice, port, lags_ms, told_ms = random.Random(seed), free_tcp_port(), [], []
    with tempfile.TemporaryDirectory() as folder:
        sound, rate_hz = soundfile.read(flite(" ".join(SENTENCES), Path(folder) / "a.wav"), dtype="int16")
    address = f"audio.address=127.0.0.1:{port}"
    with talking("audio.source=websocket", address, f"audio.buffer_s={buffer_s}", "model.path=stream") as (_, watcher):
        agent = Agent(port)
        for i in range(n_rounds):
            agent.utter(sound, f"u{i}", rate_hz, piece=32_000)
            agent.wait("started", id=f"u{i}")
            time.sleep(dice.uniform(0.1, 0.8))
            asked_s = time.monotonic()
            agent.say(type="clear")
            agent.wait("finished", id=f"u{i}")
            told_ms.append(1000 * (time.monotonic() - asked_s))
            time.sleep(0.1)
            lags_ms.append(1000 * (watcher.wait_for("silence", after_s=asked_s).at_s - asked_s))
    return {
        "rounds": n_rounds, "buffer_s": buffer_s,
        "ms_p50_p99_max": np.percentile(lags_ms, [50, 99, 100]).round(1).tolist(),
        "told_ms_p50_p99_max": np.percentile(told_ms, [50, 99, 100]).round(1).tolist(),
    }  # fmt: skip


def end_and_rest(n_rounds: int) -> dict[str, object]:
    """Return the times from an utterance's last frame to the first with the mouth at rest, by the frames' own times."""
    port, rests_ms = free_tcp_port(), []
    with tempfile.TemporaryDirectory() as folder:
        sound, rate_hz = soundfile.read(flite(SENTENCES[-2], Path(folder) / "a.wav"), dtype="int16")
    sound = sound[: np.flatnonzero(np.abs(sound) > 1500)[-1] + 1]  # it ends with a voice
    with talking("audio.source=websocket", f"audio.address=127.0.0.1:{port}", "model.path=stream") as (_, watcher):
        agent = Agent(port)
        for i in range(n_rounds):
            asked_s = time.monotonic()
            agent.utter(sound, f"u{i}", rate_hz)
            agent.wait("finished", id=f"u{i}")
            time.sleep(0.4)
            since = [seen for seen in watcher.seen if seen.at_s > asked_s]
            last = max(k for k, seen in enumerate(since) if seen.state == "live")
            rest = next(seen for seen in since[last:] if seen.mouth.max() < 1e-6)
            rests_ms.append(1000 * (rest.heard_unix_s - since[last].heard_unix_s))
    return {"rounds": n_rounds, "ms_p50_p99_max": np.percentile(rests_ms, [50, 99, 100]).round(1).tolist()}


def main() -> int:
    """Soak, and say whether it held."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.soak_talk")
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--storm-s", type=float, default=60.0)
    parser.add_argument("--clears", type=int, default=200)
    parser.add_argument("--rests", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    result: dict[str, object] = {}
    if arguments.clears:
        result["clears"] = [clear_at_random(arguments.clears, arguments.seed, buffer_s) for buffer_s in (120.0, 1.0)]
    if arguments.rests:
        result["rests"] = end_and_rest(arguments.rests)
    if arguments.storm_s:
        result["storm"] = weather_a_storm(arguments.storm_s)
    result["load"] = round(os.getloadavg()[0] / (os.cpu_count() or 1), 2)
    print(json.dumps(result), flush=True)
    result["day"] = talk_all_day(arguments.hours, arguments.seed)
    print(json.dumps(result))
    if arguments.out is not None:
        write_whole(arguments.out, json.dumps(result, indent=1) + "\n")
    day = result["day"]
    assert isinstance(day, dict)
    prints = day["footprints"]
    settled = prints[len(prints) // 10 :]
    growth_mb = settled[-1]["resident_mb"] - settled[0]["resident_mb"] if settled else 0.0
    return int(day["not_ended"] != 0 or day["ended"] != day["said"] or growth_mb > GROWTH_LIMIT_MB)


if __name__ == "__main__":
    sys.exit(exit_status("tests.benchmarks.soak_talk", main))
