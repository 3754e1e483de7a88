"""The client without asyncio: the same laws, from any thread; and the folder alone on another computer."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import edge.client
from edge.client import ConnectionLostError, FaceSync, Played, RefusedError
from tests.edge.client.talking_server import TalkingServer
from tests.edge.client.test_face import RATE_HZ, end_server, sound


@pytest.fixture
def server() -> Iterator[TalkingServer]:
    """A server in a thread of its own."""
    loop = asyncio.new_event_loop()
    made = TalkingServer(speed=2.0)
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(made.__aenter__(), loop).result(10)
    made.loop = loop  # type: ignore[attr-defined]
    yield made
    asyncio.run_coroutine_threadsafe(made.__aexit__(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    assert made.faults == []


def test_it_says_shows_and_reports(server: TalkingServer) -> None:
    with FaceSync(server.url) as face:
        assert "happy" in face.moods
        assert "nod" in face.gestures
        face.mood("happy", 0.5)
        face.look(1, 2)
        face.gesture("nod")
        assert face.say(sound(0.5), RATE_HZ) == Played(0.5, False)
        assert face.say((sound(0.1) for _ in range(4)), RATE_HZ).seconds == pytest.approx(0.4)
        face.rest()
        with pytest.raises(RefusedError):
            face.mood("hungry")
        with pytest.raises(RefusedError, match="8000"):
            face.say(sound(0.1), 7)
    assert [word["type"] for word in server.words][:3] == ["mood", "look", "gesture"]


def test_another_thread_clears_what_one_says(server: TalkingServer) -> None:
    with FaceSync(server.url) as face:
        saying = face.start_saying(sound(30.0), RATE_HZ)
        waiting = face.start_saying(sound(1.0), RATE_HZ)
        while not server.said:
            time.sleep(0.01)
        threading.Timer(0.2, face.clear).start()
        assert saying.result(10).cleared
        assert waiting.result(10) == Played(0.0, True)


def test_closing_and_losing_raise_in_the_say_that_waits(server: TalkingServer) -> None:
    face = FaceSync(server.url)
    face.open()
    saying = face.start_saying(sound(30.0), RATE_HZ)
    time.sleep(0.1)
    face.close()
    face.close()
    with pytest.raises(ConnectionLostError):
        saying.result(10)
    with pytest.raises(ConnectionLostError):
        face.rest()
    with FaceSync(server.url) as again:
        threading.Timer(0.2, lambda: asyncio.run_coroutine_threadsafe(end_server(server), server.loop)).start()  # type: ignore[attr-defined]
        with pytest.raises(ConnectionLostError):
            again.say(sound(30.0), RATE_HZ)


def test_it_leaves_no_thread_behind(server: TalkingServer) -> None:
    before = set(threading.enumerate())
    for _ in range(5):
        with FaceSync(server.url) as face:
            face.rest()
    with pytest.raises(ConnectionLostError):
        FaceSync("ws://127.0.0.1:1/").open()
    assert not set(threading.enumerate()) - before


def test_a_copy_of_the_one_folder_works_by_another_name_with_only_numpy_and_websockets(
    server: TalkingServer, tmp_path: Path
) -> None:
    shutil.copytree(Path(edge.client.__file__).parent, tmp_path / "robot_face")
    program = f"""
import sys

class Forbid:
    def find_spec(self, name, path=None, target=None):
        root = name.partition(".")[0]
        if root not in {{"robot_face", "numpy", "websockets", "main"}} and root not in sys.stdlib_module_names:
            raise ImportError("not on this computer: " + name)

sys.meta_path.insert(0, Forbid())
import numpy
from robot_face import FaceSync

with FaceSync({server.url!r}) as face:
    print(face.say(numpy.zeros(1600, numpy.int16), 16_000))
assert not any(name == "edge" or name.startswith("edge.") for name in sys.modules)
"""
    (tmp_path / "main.py").write_text(program)
    done = subprocess.run([sys.executable, "-E", "main.py"], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "Played(seconds=0.1, cleared=False)", done.stderr
    assert np.all(server.said[0].samples == 0)
