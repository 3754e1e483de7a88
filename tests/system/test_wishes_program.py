"""The real program is asked for moods, looks and gestures, over OSC and by the page, and its frames show them."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pythonosc.udp_client import SimpleUDPClient

from edge.head.chromium import Chromium, Page, find_browser
from tests.ports import free_tcp_port, free_udp_port
from tests.requirements import need
from tests.system.head_page import keep, opened
from tests.system.programs import GIVE_UP_S, bound_socket, running
from tests.system.test_head_program import wait_until_served

LIMIT_S = GIVE_UP_S


class Faces:
    """The frames that a program sends."""

    def __init__(self, receiver: socket.socket) -> None:
        self._receiver = receiver

    def until(self, is_shown: Callable[[dict[str, float], dict[str, float]], bool]) -> None:
        """Wait for a frame: activations by name, and the head by axis."""
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            frame: Any = json.loads(self._receiver.recv(8192))
            if is_shown(frame["au"], frame["head"]):
                return
        pytest.fail(f"not shown; the last frame was {frame}")


@contextmanager
def program(*options: str) -> Iterator[tuple[Faces, subprocess.Popen[str]]]:
    """Run with silence as its sound, which leaves the face to what it is asked for."""
    with bound_socket(LIMIT_S) as (receiver, port):
        given = ["audio.source=silence", "output.osc.enabled=no", f"output.json.port={port}", *options]
        with running("run", *(word for option in given for word in ("-o", option))) as process:
            faces = Faces(receiver)
            faces.until(lambda au, head: True)
            yield faces, process


def is_neutral(au: dict[str, float], head: dict[str, float]) -> bool:
    return max(au.values()) < 0.01 and max(abs(angle) for angle in head.values()) < 0.1


def test_moods_looks_gestures_and_rest_over_osc() -> None:
    port = free_udp_port()
    with program(f"control.osc={port}") as (faces, process):
        client = SimpleUDPClient("127.0.0.1", port)
        faces.until(is_neutral)
        client.send_message("/face/mood", ["happy", 1.0])
        faces.until(lambda au, head: au["mouthSmileLeft"] > 0.69 and au["cheekSquintRight"] > 0.59)
        client.send_message("/face/look", [40.0, 0.0])
        faces.until(lambda au, head: au["eyeLookOutLeft"] > 0.9 and head["yaw"] < 5)
        faces.until(lambda au, head: head["yaw"] > 20)
        client.send_message("/face/gesture", ["wink"])
        faces.until(lambda au, head: au["eyeBlinkLeft"] > 0.95 and au["eyeBlinkRight"] < 0.05)
        client.send_message("/face/mood", ["grumpy", 1.0])
        client._sock.sendto(b"\xff\xff", ("127.0.0.1", port))
        client.send_message("/face/rest", [])
        faces.until(is_neutral)
        client.send_message("/face/mood", ["sad", 1.0])
        time.sleep(0.5)
        faces.until(is_neutral)  # nothing but this ends a rest:
        client.send_message("/face/wake", [])
        faces.until(lambda au, head: au["browInnerUp"] > 0.85)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0
    assert said.count("OSC control:") == 1, said
    assert "'grumpy'" in said
    assert "neutral, happy, sad" in said


def test_an_address_that_is_taken_or_none_ends_the_start_with_a_remedy() -> None:
    silent = ["run", "-o", "audio.source=silence"]
    with bound_socket() as (_, port), running(*silent, "-o", f"control.osc={port}") as taken:
        _, said = taken.communicate(timeout=LIMIT_S)
    assert taken.returncode not in (0, 1)
    assert "[control]" in said
    assert "Traceback" not in said
    with running(*silent, "-o", "control.osc=nowhere") as wrong:
        _, said = wrong.communicate(timeout=LIMIT_S)
    assert wrong.returncode == 78
    assert "127.0.0.1:9010" in said


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    need("chromium", find_browser() is not None, "a browser to look with: `apt-get install chromium`")
    with Chromium((1200, 900)) as browser:
        made = browser.page()
        yield made
        made.close()


def press(page: Page, selector: str) -> None:
    page.run(f"document.querySelector({json.dumps(selector)}).click()")


def slide(page: Page, name: str, value: float) -> None:
    events = "['input', 'change'].forEach((kind) => s.dispatchEvent(new Event(kind)))"
    page.run(f"(() => {{ const s = document.getElementById('{name}'); s.value = '{value}'; {events}; }})()")


def use_the_page(page: Page, faces: Faces) -> None:
    """Press every kind of button and see the program's frames follow."""
    page.wait_for("document.querySelectorAll('#moods button').length === 7", LIMIT_S)
    press(page, "[data-wish=surprised]")
    faces.until(lambda au, head: au["browOuterUpLeft"] > 0.85)
    assert page.run("document.querySelector('[data-wish=surprised]').getAttribute('aria-pressed')") == "true"
    slide(page, "mood-amount", 0.5)
    faces.until(lambda au, head: 0.4 < au["browOuterUpLeft"] < 0.46)
    press(page, "[data-wish=wink]")
    faces.until(lambda au, head: au["eyeBlinkLeft"] > 0.9 and au["eyeBlinkRight"] < 0.05)
    slide(page, "look-yaw", -40)
    faces.until(lambda au, head: head["yaw"] < -20)
    press(page, "#look-free")
    faces.until(lambda au, head: abs(head["yaw"]) < 1)
    page.run("document.getElementById('h-wishes').scrollIntoView()")
    keep("wishes.png", page.picture())
    press(page, "#rest")
    faces.until(is_neutral)
    press(page, "#wake")
    press(page, "[data-wish=happy]")
    faces.until(lambda au, head: au["mouthSmileLeft"] > 0.3)


def test_the_buttons_of_the_page_reach_the_program_that_serves_it(page: Page) -> None:
    port = free_tcp_port()
    with program("head.enabled=yes", f"head.port={port}") as (faces, _):
        opened(page, f"http://127.0.0.1:{port}/", "?inspect&quality=low")
        use_the_page(page, faces)


def test_the_buttons_of_a_page_of_its_own_reach_the_program_over_osc(page: Page) -> None:
    port, frames_port, control = free_tcp_port(), free_udp_port(), free_udp_port()
    served = ["-o", f"head.port={port}", "-o", f"head.frames_port={frames_port}", "-o", f"control.osc={control}"]
    with program(f"control.osc={control}") as (faces, _), running("head", *served) as head:
        wait_until_served(port, head)
        opened(page, f"http://127.0.0.1:{port}/", "?inspect&quality=low")
        use_the_page(page, faces)


def test_a_page_without_a_program_that_takes_wishes_says_so(page: Page) -> None:
    port, frames_port = free_tcp_port(), free_udp_port()
    with running("head", "-o", f"head.port={port}", "-o", f"head.frames_port={frames_port}") as head:
        wait_until_served(port, head)
        opened(page, f"http://127.0.0.1:{port}/", "?inspect&quality=low")
        page.wait_for("document.getElementById('wish-text').textContent.includes('control.osc')", LIMIT_S)
        assert page.run("document.getElementById('wishes').disabled") is True
