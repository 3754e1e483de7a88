"""What is drawn is what the frame says, in every size of terminal, and it never holds up the program."""

from __future__ import annotations

import fcntl
import io
import itertools
import os
import pty
import re
import select
import socket
import struct
import termios
import threading
import time

import numpy as np
import pytest

from edge.errors import ArgumentsError, DeviceError
from edge.frames import State
from edge.outputs.binary import BinaryCodec
from edge.outputs.json_udp import JsonCodec
from edge.outputs.osc import OscCodec
from edge.outputs.receiving import StreamDecoder
from edge.vocabulary import ARKIT_APPLE
from edge.watch.face_drawing import draw_face, rotation
from edge.watch.live_view import LiveView, Screen
from edge.watch.receive import run_watch
from edge.watch.screen import ROWS, Shown, Style, compose, one_line
from tests.edge.outputs.faces import frame_with, manifest_with, random_frame
from tests.pace import Pace
from tests.ports import free_udp_port

PLAIN, RICH = Style(False, False), Style(True, True)
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
VALUES = dict.fromkeys(ARKIT_APPLE, 0.5)


def shown(**values: float) -> Shown:
    return Shown(dict.fromkeys(ARKIT_APPLE, 0.0) | values, (5.0, -10.0, 3.0), State.LIVE, "title " * 30, ("30.0/s",))


@pytest.mark.parametrize(
    ("width", "height"), list(itertools.product([1, 20, 40, 58, 80, 132, 400], [1, 2, 5, 12, 24, 60]))
)
@pytest.mark.parametrize("style", [PLAIN, RICH], ids=["plain", "rich"])
def test_every_size_of_terminal_is_kept_to(width: int, height: int, style: Style) -> None:
    lines = compose(shown(jawOpen=1.0), width, height, style)
    assert 0 < len(lines) <= height
    if width >= 40:
        assert all(len(ANSI.sub("", line)) <= width for line in lines)


def test_a_common_terminal_shows_the_face_every_bar_the_head_and_the_facts() -> None:
    text = "\n".join(compose(shown(), 80, 24, PLAIN))
    for _, label, _ in ROWS:
        assert label in text
    assert all(word in text for word in ("pitch", "yaw", "roll", "30.0/s", "live"))


def test_a_plain_terminal_gets_ascii_only() -> None:
    assert "".join(compose(shown(jawOpen=0.7), 80, 24, PLAIN)).isascii()


def test_a_bar_is_as_long_as_its_value() -> None:
    lengths = []
    for value in (0.0, 0.25, 0.5, 1.0):
        (row,) = [line for line in compose(shown(jawOpen=value), 80, 24, PLAIN) if "jaw open" in line]
        lengths.append(row.partition("jaw open")[2].count("#"))
    assert lengths == [0, 4, 8, 16]


@pytest.mark.parametrize("name", ["jawOpen", "mouthSmileLeft", "eyeBlinkLeft", "browInnerUp", "mouthPucker"])
def test_what_a_channel_does_is_seen_in_the_drawing(name: str) -> None:
    rest = draw_face({}, (0, 0, 0), 38, 19, True)
    assert draw_face({name: 1.0}, (0, 0, 0), 38, 19, True) != rest


def test_the_drawing_of_a_mirrored_face_is_mirrored() -> None:
    left = draw_face({"eyeBlinkLeft": 1.0}, (0, 0, 0), 40, 20, False)
    right = draw_face({"eyeBlinkRight": 1.0}, (0, 0, 0), 40, 20, False)
    differs = sum(a != b for a, b in zip("".join(left), "".join(row[::-1] for row in right), strict=True))
    assert differs < 40  # the nose leans, and dots are rounded


@pytest.mark.parametrize(
    ("head_deg", "nose_goes"),
    [((20, 0, 0), (0, 1)), ((0, 20, 0), (1, 0)), ((-20, 0, 0), (0, -1)), ((0, -20, 0), (-1, 0))],
    ids=["nod up", "turn to its left", "nod down", "turn to its right"],
)
def test_the_nose_goes_where_the_head_turns(head_deg: tuple[float, ...], nose_goes: tuple[int, int]) -> None:
    x, y, _ = rotation(head_deg) @ np.array([0.0, 0.0, 1.0])
    assert (round(x / 0.34), round(y / 0.34)) == nose_goes


def test_a_head_tilted_to_its_right_shoulder_has_its_top_on_the_viewers_left() -> None:
    assert (rotation((0, 0, 20)) @ np.array([0.0, 1.0, 0.0]))[0] < -0.3


def test_a_pipe_gets_one_line_a_second_without_control_characters() -> None:
    stream = io.StringIO()
    view = LiveView(ARKIT_APPLE, "test", stream)
    start_s = time.monotonic()
    view.open()
    for _ in range(12):
        view.show(random_frame(1), ("late 0",))
        time.sleep(0.1)
    view.close()
    view.close()
    seconds = time.monotonic() - start_s
    lines = stream.getvalue().splitlines()
    assert 1 <= len(lines) <= seconds
    line = lines[0]
    assert "jawOpen" in line
    assert "late 0" in line
    assert "\x1b" not in line


BUSY = Shown(
    VALUES, (5.0, -10.0, 3.0), State.LIVE, "title",
    ("30.0 frames/s", "level -32 dBFS", "late 12, lost 160 samples", "sound to sent p99 31.2 ms", "http://127.0.0.1:8930/"),
    ("osc no such name yet",),
)  # fmt: skip


@pytest.mark.parametrize("width", [1, 8, 9, 20, 40, 79, 132, 400])
def test_a_line_is_never_longer_than_there_is_room_and_loses_whole_parts(width: int) -> None:
    line, whole = one_line(BUSY, width), one_line(BUSY, 1000)
    assert len(line) <= width
    assert whole.startswith(line)
    if width >= 40:
        assert set(re.split(r"  +", line)) <= set(re.split(r"  +", whole))
        assert "osc no such name yet" in line
    assert line.isascii()


@pytest.mark.parametrize(
    ("columns", "exported", "most"),
    [
        (40, None, 40),
        (132, "40", 40),
        (40, "132", 40),
        (0, None, 80),
        (0, "50", 50),
        (None, None, 80),
        (None, "40", 40),
    ],
)
def test_a_dumb_terminal_and_a_pipe_get_lines_that_do_not_wrap(
    monkeypatch: pytest.MonkeyPatch, columns: int | None, exported: str | None, most: int
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.delenv("COLUMNS", raising=False)
    if exported is not None:
        monkeypatch.setenv("COLUMNS", exported)
    reading, writing = os.pipe() if columns is None else pty.openpty()
    if columns is not None:
        fcntl.ioctl(writing, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
    monkeypatch.setattr("edge.watch.live_view.LINE_PERIOD_S", 0.01)
    with os.fdopen(writing, "w", encoding="utf-8") as stream, Screen(stream, lambda: BUSY):
        line = os.read(reading, 65536).decode().splitlines()[0]
    os.close(reading)
    assert most - 25 < len(line) <= most


def test_a_terminal_is_given_back_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    master, slave = pty.openpty()
    read: list[bytes] = []

    def read_all() -> None:
        while select.select([master], [], [], 1.0)[0]:
            read.append(os.read(master, 65536))

    with os.fdopen(slave, "w", encoding="utf-8") as terminal:
        reading = threading.Thread(target=read_all)
        reading.start()
        view = LiveView(ARKIT_APPLE, "test", terminal)
        view.open()
        view.show(frame_with([0.5] * 52))
        time.sleep(0.3)
        view.close()
        reading.join()
    os.close(master)
    text = b"".join(read)
    assert text.startswith(b"\x1b[?1049h\x1b[?25l")
    assert text.endswith(b"\x1b[?25h\x1b[?1049l")
    assert b"jaw open" in text


def test_a_terminal_that_is_stopped_does_not_stop_who_feeds_it() -> None:
    is_stopped, goes_on = threading.Event(), threading.Event()

    class Stopped(io.StringIO):
        def write(self, text: str) -> int:
            is_stopped.set()
            goes_on.wait(60.0)
            return len(text)

    view = LiveView(ARKIT_APPLE, "test", Stopped())
    view.open()
    frame = random_frame(1)
    view.show(frame)
    assert is_stopped.wait(60.0)
    with Pace() as pace:
        start_s = time.perf_counter()
        for _ in range(100):
            view.show(frame)
        shown_s = time.perf_counter() - start_s
        view.close()
        closed_s = time.perf_counter() - start_s
    assert shown_s < pace.allowed(0.5)
    assert closed_s < pace.allowed(2.5), "nor does it hold up the end of the program"
    assert not goes_on.is_set()
    goes_on.set()


@pytest.mark.parametrize("codec", [OscCodec, JsonCodec, BinaryCodec])
def test_watch_shows_what_arrives_in_any_of_our_formats(codec: type) -> None:
    address = ("127.0.0.1", free_udp_port())
    stream = io.StringIO()
    results: list[int] = []
    watching = threading.Thread(
        target=lambda: results.append(
            run_watch("127.0.0.1", address[1], StreamDecoder(), duration_s=2.3, stream=stream)
        )
    )
    watching.start()
    maker = codec(manifest_with(), {})
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        time.sleep(0.2)
        for datagram in maker.announce():
            sender.sendto(datagram, address)
        for sequence in range(60):
            frame = random_frame(1)
            frame.sequence = sequence
            frame.capture_unix_s = time.time() - 0.02
            frame.state = State.LIVE
            if sequence not in (10, 20, 21):
                sender.sendto(maker.encode(frame)[0], address)
            time.sleep(1 / 30)
        sender.sendto(b"noise", address)
    watching.join()
    assert results == [0]
    last = stream.getvalue().splitlines()[-1]
    assert last.startswith("live")
    assert "lost 3" in last
    rate_hz = float(re.findall(r"([\d.]+) frames/s", last)[0])
    assert 10 < rate_hz < 35  # a busy machine sends more slowly than asked
    assert f"jawOpen {random_frame(1).activations[17]:.2f}" in last


def test_a_port_in_use_is_said_with_the_remedy() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(DeviceError, match=r"port is in use.*another port"):
            run_watch("127.0.0.1", taken.getsockname()[1], StreamDecoder(), duration_s=0.1, stream=io.StringIO())


@pytest.mark.parametrize(("host", "port"), [("nonsense", 9000), ("127.0.0.1", 0), ("127.0.0.1", 70000)])
def test_what_is_no_address_is_refused(host: str, port: int) -> None:
    with pytest.raises(ArgumentsError):
        run_watch(host, port, StreamDecoder(), duration_s=0.1, stream=io.StringIO())


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(DeviceError, match="cannot be bound"):
        run_watch("192.0.2.1", 9000, StreamDecoder(), duration_s=0.1, stream=io.StringIO())


def test_silence_on_the_wire_is_an_exit_code() -> None:
    port = free_udp_port()
    assert run_watch("127.0.0.1", port, StreamDecoder(), duration_s=0.2, stream=io.StringIO()) == 1
