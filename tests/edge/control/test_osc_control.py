"""Wishes over OSC, sent by software that nobody here wrote; what is none is counted, told once, and ends nothing."""

from __future__ import annotations

import logging
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message_builder import OscMessageBuilder
from pythonosc.udp_client import SimpleUDPClient

from edge.app.controls import make_controls
from edge.config.settings import ControlSettings
from edge.contracts import GESTURES, MOODS, Control, Expressive
from edge.control.osc_control import LARGEST_BYTES, OscControl
from edge.control.osc_remote import OscRemote
from edge.errors import AuEdgeError, ConfigurationError, DeviceError
from tests.requirements import need


class Face:
    """Notes what it is asked, and refuses as the real one does."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def mood(self, name: str, amount: float = 1.0) -> None:
        if name not in MOODS:
            raise ConfigurationError(f"mood {name!r}", f"there are {', '.join(MOODS)}", "Choose one")
        self.asked.append(("mood", name, round(amount, 3)))

    def look(self, yaw_deg: float | None = None, pitch_deg: float | None = None) -> None:
        self.asked.append(("look", yaw_deg, pitch_deg))

    def gesture(self, name: str) -> None:
        if name not in GESTURES:
            raise ConfigurationError(f"gesture {name!r}", f"there are {', '.join(GESTURES)}", "Choose one")
        self.asked.append(("gesture", name))

    def rest(self) -> None:
        self.asked.append(("rest",))

    def wake(self) -> None:
        self.asked.append(("wake",))


@pytest.fixture
def face() -> Face:
    return Face()


@pytest.fixture
def control(face: Face) -> Iterator[OscControl]:
    opened = OscControl(face, "127.0.0.1:0")
    opened.open()
    yield opened
    opened.close()


def until(is_there: Callable[[], bool]) -> None:
    """Wait for a thread of ours, for as long as a busy machine takes."""
    deadline = time.monotonic() + 60.0
    while not is_there() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert is_there()


def test_it_is_what_the_contracts_promise(face: Face, control: OscControl) -> None:
    assert isinstance(face, Expressive)
    assert isinstance(control, Control)
    remote = OscRemote(f"127.0.0.1:{control.port}")
    assert isinstance(remote, Expressive)
    remote.close()


WISHES: list[tuple[str, list[Any], tuple[Any, ...]]] = [
    ("/face/mood", ["happy", 0.5], ("mood", "happy", 0.5)),
    ("/face/mood", ["sad"], ("mood", "sad", 1.0)),
    ("/face/mood", ["angry", 1], ("mood", "angry", 1.0)),
    ("/face/look", [10.0, -5.0], ("look", 10.0, -5.0)),
    ("/face/look", [], ("look", None, None)),
    ("/face/gesture", ["nod"], ("gesture", "nod")),
    ("/face/rest", [], ("rest",)),
    ("/face/wake", [], ("wake",)),
]


def test_python_osc_is_understood(face: Face, control: OscControl) -> None:
    client = SimpleUDPClient("127.0.0.1", control.port)
    for address, arguments, _ in WISHES:
        client.send_message(address, arguments)
    until(lambda: len(face.asked) == len(WISHES))
    assert face.asked == [asked for _, _, asked in WISHES]
    assert control.counters() == {"taken": len(WISHES), "refused": 0}


def test_a_bundle_of_python_osc_is_all_of_its_wishes(face: Face, control: OscControl) -> None:
    bundle = OscBundleBuilder(IMMEDIATELY)  # type: ignore[arg-type]
    for address, arguments, _ in WISHES:
        message = OscMessageBuilder(address)
        for argument in arguments:
            message.add_arg(argument)
        bundle.add_content(message.build())  # type: ignore[arg-type]
    control.hear(bundle.build().dgram)
    assert face.asked == [asked for _, _, asked in WISHES]


def test_oscsend_of_liblo_is_understood(face: Face, control: OscControl) -> None:
    need("liblo", shutil.which("oscsend") is not None, "apt install liblo-tools")
    where = ["oscsend", f"osc.udp://127.0.0.1:{control.port}"]
    for words in (
        ["/face/mood", "sf", "happy", "0.5"],
        ["/face/look", "ff", "10", "-5"],
        ["/face/look"],
        ["/face/gesture", "s", "wink"],
        ["/face/rest"],
    ):
        subprocess.run([*where, *words], check=True, timeout=300)
    until(lambda: len(face.asked) == 5)
    assert face.asked == [
        ("mood", "happy", 0.5),
        ("look", 10, -5),
        ("look", None, None),
        ("gesture", "wink"),
        ("rest",),
    ]


def test_the_remote_says_what_the_control_understands(face: Face, control: OscControl) -> None:
    remote = OscRemote(str(control.port))
    remote.mood("afraid", 0.25)
    remote.look(-20.0, 8.0)
    remote.look()
    remote.gesture("shake")
    remote.rest()
    remote.wake()
    until(lambda: len(face.asked) == 6)
    remote.close()
    assert face.asked == [
        ("mood", "afraid", 0.25), ("look", -20.0, 8.0), ("look", None, None), ("gesture", "shake"), ("rest",),
        ("wake",),
    ]  # fmt: skip


def built(address: str, *arguments: Any) -> bytes:
    message = OscMessageBuilder(address)
    for argument in arguments:
        message.add_arg(argument)
    return message.build().dgram


@pytest.mark.parametrize(
    ("datagram", "words"),
    [
        (b"", "not OSC"),
        (b"hello", "end"),
        (b"\xff" * 64, "end"),
        (b"/face/mood\0\0", "not OSC"),
        (built("/face/mood", "grumpy", 0.5), "happy"),
        (built("/face/mood", 0.5), "0.5"),
        (built("/face/mood"), "missing"),
        (built("/face/mood", "happy", "much"), "much"),
        (built("/face/mood", "happy", True), "True"),
        (built("/face/mood", "happy", 0.5, 0.5), "3 arguments"),
        (built("/face/gesture", "wave"), "nod"),
        (built("/face/look", "left", "up"), "left"),
        (built("/face/rest", 1), "1 arguments"),
        (built("/face/dance"), "/face/mood"),
        (built("/other/mood", "happy"), "/face/mood"),
        (built("/face/mood", "x" * 3000), f"{LARGEST_BYTES}"),
    ],
)
def test_a_bad_message_is_counted_told_once_and_ends_nothing(
    face: Face, control: OscControl, caplog: pytest.LogCaptureFixture, datagram: bytes, words: str
) -> None:
    caplog.set_level(logging.WARNING)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(3):
            sender.sendto(datagram, ("127.0.0.1", control.port))
        until(lambda: control.counters()["refused"] == 3)
        sender.sendto(built("/face/gesture", "nod"), ("127.0.0.1", control.port))
        until(lambda: control.counters()["taken"] == 1)
    assert face.asked == [("gesture", "nod")]
    told = [record.getMessage() for record in caplog.records if "OSC control" in record.getMessage()]
    assert len(told) == 1
    assert words in told[0]


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.one_of(
    st.binary(max_size=200),
    st.binary(max_size=60).map(lambda tail: b"/face/mood\0\0,sf\0" + tail),
    st.binary(max_size=60).map(lambda tail: b"#bundle\0" + bytes(8) + tail),
    st.floats(width=32).map(lambda value: b"/face/mood\0\0,sf\0happy\0\0\0" + struct.pack(">f", value)),
))  # fmt: skip
def test_any_bytes_are_taken_or_refused_and_nothing_is_raised(datagram: bytes) -> None:
    from edge.config.settings import ExpressionSettings
    from edge.expression.expression import Expression
    from edge.vocabulary import ARKIT_APPLE

    control = OscControl(Expression(ExpressionSettings(), ARKIT_APPLE, {}), "0")
    control.hear(datagram)
    counts = control.counters()
    assert counts["taken"] + counts["refused"] >= (0 if datagram.startswith(b"#bundle\0") else 1)


@pytest.mark.parametrize("text", ["", "here", "127.0.0.1", "127.0.0.1:", ":9010", "1.2.3.4:70000", "[::1]:x", "٣"])
def test_what_is_no_address_is_refused_with_an_example(face: Face, text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"127\.0\.0\.1:9010"):
        OscControl(face, text)


def test_a_port_alone_is_of_this_machine_alone(face: Face) -> None:
    assert OscControl(face, "9010").description == "OSC at udp://127.0.0.1:9010"


def test_an_address_that_cannot_be_had_says_so(face: Face, control: OscControl) -> None:
    for address in (f"127.0.0.1:{control.port}", "192.0.2.1:9010", "no.such.host.invalid:9010"):
        with pytest.raises(DeviceError, match=r"\[control\]"):
            OscControl(face, address).open()


def test_nothing_listens_unless_it_is_asked_for(face: Face) -> None:
    assert make_controls(ControlSettings(), face) == []
    assert [type(control) for control in make_controls(ControlSettings(osc="9010"), face)] == [OscControl]
    with pytest.raises(AuEdgeError):
        make_controls(ControlSettings(osc="nowhere"), face)


def test_it_closes_twice_and_gives_its_port_back(face: Face) -> None:
    first = OscControl(face, "127.0.0.1:0")
    first.open()
    port = first.port
    first.close()
    first.close()
    second = OscControl(face, f"127.0.0.1:{port}")
    second.open()
    second.close()
