"""docs/talking.md held to the program: its clients are run, its words are understood."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge.sources.agents.words import read_word
from tests.edge.sources.agents.rig import RATE_HZ, serving, tone
from tests.requirements import need

PAGE = (Path(__file__).parents[4] / "docs" / "talking.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.M | re.S)


def run(command: list[str]) -> list[dict]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line.replace("'", '"').replace("True", "true").replace("False", "false"))
            for line in done.stdout.splitlines()]  # fmt: skip


def test_every_word_of_the_page_is_understood_and_every_event_is_json() -> None:
    words, events = (block.splitlines() for block in blocks("json"))
    kinds = [read_word(line).kind for line in words]
    assert set(kinds) == {"start", "end", "clear", "rest", "mood", "look", "gesture"}
    told = [json.loads(line)["type"] for line in events]
    assert told == ["ready", "queued", "started", "finished", "done", "refused"]


def test_the_client_in_python_is_heard_whole(tmp_path: Path) -> None:
    (client,) = blocks("python")
    assert len(client.splitlines()) <= 20
    (tmp_path / "client.py").write_text(client)
    sound = tone(RATE_HZ)
    (tmp_path / "x.raw").write_bytes(sound.astype("<i2").tobytes())
    with serving() as (source, ear):
        url = f"ws://127.0.0.1:{source.port}"
        told = run([sys.executable, str(tmp_path / "client.py"), url, str(tmp_path / "x.raw"), str(RATE_HZ)])
        np.testing.assert_array_equal(ear.speech(), sound)
    assert [event["type"] for event in told] == ["ready", "queued", "started", "finished"]
    assert told[-1] == {"type": "finished", "id": "hello", "seconds": 1.0, "cleared": False}


def test_the_client_in_javascript_interrupts_and_the_next_answer_is_heard_whole(tmp_path: Path) -> None:
    node = shutil.which("node")
    need("node", node is not None, "node is not installed")
    (client,) = blocks("javascript")
    assert len(client.splitlines()) <= 25
    (tmp_path / "client.mjs").write_text(client)
    sound = tone(2 * RATE_HZ)
    (tmp_path / "x.raw").write_bytes(sound.astype("<i2").tobytes())
    with serving("realtime") as (source, ear):
        url, path = f"ws://127.0.0.1:{source.port}", str(tmp_path / "x.raw")
        told = run([str(node), "--no-warnings", "--experimental-websocket", str(tmp_path / "client.mjs"), url, path,
                    str(RATE_HZ), "500"])  # fmt: skip
        heard = ear.speech()
    ends = {event["id"]: event for event in told if event["type"] == "finished"}
    assert ends["first"]["cleared"] is True
    assert 0.2 < ends["first"]["seconds"] < 1.9
    assert ends["second"] == {"type": "finished", "id": "second", "seconds": 2.0, "cleared": False}
    np.testing.assert_array_equal(heard[-len(sound) :], sound)
    n_first = len(heard) - len(sound)
    assert n_first / RATE_HZ == pytest.approx(ends["first"]["seconds"], abs=0.002)
