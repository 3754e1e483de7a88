"""The server on real sockets: an outside WebSocket client gets what a program sends over UDP."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import struct
import time
from collections.abc import Iterator

import numpy as np
import pytest

from edge.config.settings import ExpressionSettings, HeadSettings
from edge.contracts import GESTURES, MOODS
from edge.errors import DeviceError
from edge.expression.expression import Expression
from edge.frames import AUFrame, State
from edge.head.running import HeadThread, open_in_browser, start_head_thread
from edge.head.wire import Drive
from edge.outputs.receiving import StreamDecoder
from tests.requirements import need

try:
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import ClientConnection, connect
except ImportError:
    need("websockets", False, 'run `pip install "au-edge[head]"`')

FREE = HeadSettings(port=0, frames_port=0)


@pytest.fixture
def driven() -> list[Drive]:
    return []


@pytest.fixture
def head(driven: list[Drive]) -> Iterator[HeadThread]:
    thread = start_head_thread(FREE, lambda: StreamDecoder().read, driven.append)
    yield thread
    thread.close()


def open_page(head: HeadThread, **options: object) -> ClientConnection:
    return dial(head, head.address.rstrip("/"), **options)


def dial(head: HeadThread, origin: str | None, **options: object) -> ClientConnection:
    sock = socket.create_connection(("127.0.0.1", head.server.http_port), 5.0)  # past any proxy of the environment
    return connect(head.address.replace("http", "ws") + "ws", sock=sock, origin=origin, compression=None, **options)  # type: ignore[arg-type]


def send(head: HeadThread, datagram: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(datagram, ("127.0.0.1", head.server.frames_port))


class Sender:
    """Sends numbered JSON frames from one address."""

    def __init__(self, head: HeadThread) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._to = ("127.0.0.1", head.server.frames_port)
        self.sequence = 0

    def frame(self, **au: float) -> None:
        self.sequence += 1
        body = {"v": 1, "seq": self.sequence, "t": time.time(), "state": "live", "au": au,
                "head": {"pitch": 1, "yaw": 2, "roll": 3}}  # fmt: skip
        self._socket.sendto(json.dumps(body).encode(), self._to)

    def raw(self, datagram: bytes) -> None:
        self._socket.sendto(datagram, self._to)


def receive(page: ClientConnection, kind: str) -> dict[str, object] | bytes:
    """Return the next message of a kind: "frame", "sound" or a type of JSON."""
    while True:
        message = page.recv(timeout=60.0)
        if isinstance(message, bytes):
            if {1: "frame", 2: "sound"}[message[0]] == kind:
                return message
        elif json.loads(message)["type"] == kind:
            found: dict[str, object] = json.loads(message)
            return found


def test_every_page_gets_names_and_then_frames(head: HeadThread) -> None:
    sender = Sender(head)
    with open_page(head) as first, open_page(head) as second:
        receive(first, "hello")
        receive(second, "hello")
        sender.frame(jawOpen=0.25, mouthClose=0.5)
        for page in (first, second):
            assert receive(page, "names") == {"type": "names", "names": ["jawOpen", "mouthClose"]}
            frame = receive(page, "frame")
            assert isinstance(frame, bytes)
            assert struct.unpack_from("<BBHI", frame) == (1, 0, 2, 1)
            assert struct.unpack_from("<3f", frame, 24) == (1.0, 2.0, 3.0)
            assert struct.unpack_from("<2f", frame, 40) == (0.25, 0.5)
        sender.frame(tongueOut=1.0)
        assert receive(first, "names") == {"type": "names", "names": ["tongueOut"]}


def test_osc_frames_are_shown_once_their_names_are_announced(head: HeadThread) -> None:
    from edge.app import find_manifest, shipped_models
    from edge.outputs.osc import OscCodec

    manifest = find_manifest(next(iter(shipped_models())))
    codec = OscCodec(manifest, {})
    frame = AUFrame.neutral(manifest.n_channels)
    frame.state = State.LIVE
    frame.activations[3] = 0.75
    sender = Sender(head)
    with open_page(head) as page:
        receive(page, "hello")
        for datagram in [*codec.announce(), *codec.encode(frame)]:
            sender.raw(bytes(datagram))
        assert receive(page, "names")["names"] == list(manifest.channels)  # type: ignore[call-overload, index]
        message = receive(page, "frame")
        assert isinstance(message, bytes)
        assert np.frombuffer(message[40:], "<f4")[3] == np.float32(0.75)


HOSTILE = [
    b"", b"{", b"\0" * 1400, b"[" * 60_000, b"{" * 60_000, b"\xff\xfe", b"#bundle\0" + b"\xff" * 400,
    b'{"v":1,"seq":1,"t":1e999,"state":"live","au":{"jawOpen":NaN},"head":{"pitch":0,"yaw":0,"roll":0}}',
    b'{"v":1,"seq":-1,"t":1,"state":"live","au":{"jawOpen":0},"head":{"pitch":0,"yaw":0,"roll":0}}',
    b'{"v":1,"seq":1,"t":1,"state":"dead","au":{"jawOpen":0},"head":{"pitch":0,"yaw":0,"roll":0}}',
    b'{"v":1,"seq":1,"t":1,"state":"live","au":{"jawOpen":0},"head":{"pitch":1e9,"yaw":0,"roll":0}}',
    b'{"v":1,"seq":1,"t":1,"state":"live","au":[],"head":{}}', b"/face/au\0\0\0\0,f",
    b"/face/au\0\0\0\0,b\0\0\xff\xff\xff\xff",
]  # fmt: skip


def test_hostile_datagrams_are_ignored_and_the_next_frame_is_shown(head: HeadThread) -> None:
    sender = Sender(head)
    with open_page(head) as page:
        receive(page, "hello")
        for datagram in HOSTILE:
            send(head, datagram)
            sender.raw(datagram)
        sender.frame(jawOpen=0.5)
        frame = receive(page, "frame")
        assert isinstance(frame, bytes)
        assert struct.unpack_from("<f", frame, 40) == (0.5,)


def test_hostile_pages_are_ignored_or_dropped_and_others_go_on(head: HeadThread, driven: list[Drive]) -> None:
    with open_page(head) as good, open_page(head) as bad:
        for message in ["", "x", "[]", '{"type":"drive"}', '{"type":"ping"}', '{"type":"no"}', b"\1\2\3"]:
            bad.send(message)
        bad.send("x" * 100_000)  # longer than a page may send: the link is closed
        Sender(head).frame(jawOpen=0.5)
        assert isinstance(receive(good, "frame"), bytes)
    assert driven == []


def test_sliders_reach_the_program_in_range(head: HeadThread, driven: list[Drive]) -> None:
    with open_page(head) as page:
        assert receive(page, "hello")["drive"] is True  # type: ignore[call-overload, index]
        page.send(json.dumps({"type": "drive", "au": {"jawOpen": 3}, "head": [0, -12, 0]}))
        deadline = time.monotonic() + 60.0
        while not driven and time.monotonic() < deadline:
            time.sleep(0.01)
    assert driven == [Drive({"jawOpen": 1.0}, (0.0, -12.0, 0.0))]


def test_without_a_taker_sliders_are_switched_off() -> None:
    thread = start_head_thread(FREE, lambda: StreamDecoder().read)
    try:
        with open_page(thread) as page:
            assert receive(page, "hello")["drive"] is False  # type: ignore[call-overload, index]
    finally:
        thread.close()


def test_wishes_reach_the_face_and_what_there_is_not_is_refused_to_the_page_that_asked() -> None:
    face = Expression(ExpressionSettings(), ("mouthSmileLeft",), {})
    thread = start_head_thread(FREE, lambda: StreamDecoder().read, face=face)
    try:
        with open_page(thread) as page:
            hello = receive(page, "hello")
            assert (hello["moods"], hello["gestures"]) == (list(MOODS), list(GESTURES))  # type: ignore[call-overload, index]
            page.send('{"type":"mood","mood":"grumpy"}')
            refused = receive(page, "refused")
            assert all(mood in str(refused) for mood in MOODS)
            page.send('{"type":"look","yaw_deg":1e999,"pitch_deg":0}')
            assert "yaw" in str(receive(page, "refused"))
            page.send('{"type":"mood","mood":"happy","amount":0.5}')
            page.send('{"type":"ping","sent":1}')
            receive(page, "pong")
    finally:
        thread.close()
    smile = np.zeros(1, np.float32)
    for index in range(45):
        smile.fill(0.0)
        face.apply(smile, np.zeros(3, np.float32), index / 30, 0.0)
    assert smile[0] == pytest.approx(0.35)


def test_without_a_face_wishes_are_not_offered_and_not_taken(head: HeadThread) -> None:
    with open_page(head) as page:
        hello = receive(page, "hello")
        assert (hello["moods"], hello["gestures"]) == ([], [])  # type: ignore[call-overload, index]
        page.send('{"type":"mood","mood":"happy"}')
        page.send('{"type":"ping","sent":1}')
        receive(page, "pong")


def test_sound_goes_only_to_pages_that_asked(head: HeadThread) -> None:
    samples = np.full(160, 0.5, np.float32)
    with open_page(head) as page:
        receive(page, "hello")
        head.server.push_sound(samples, 16_000, 100.0)
        page.send('{"type":"sound","on":true}')
        page.send('{"type":"ping","sent":1}')
        receive(page, "pong")
        head.server.push_sound(samples, 16_000, 200.0)
        sound = receive(page, "sound")
        assert isinstance(sound, bytes)
        assert struct.unpack_from("<Id", sound, 4) == (16_000, pytest.approx(199.99))


def sound_datagram(value: float, start_unix_s: float) -> bytes:
    from edge.outputs.sound_datagram import SoundPacker

    return bytes(SoundPacker(16_000).pack(np.full(100, value, np.float32), start_unix_s)[0])


def test_sound_beside_the_frames_reaches_the_page_unchanged(head: HeadThread) -> None:
    with open_page(head) as page:
        receive(page, "hello")
        page.send('{"type":"sound","on":true}')
        page.send('{"type":"ping","sent":1}')
        receive(page, "pong")
        send(head, sound_datagram(0.9, 100.0))  # before any frame: nobody's
        Sender(head).frame(jawOpen=0.5)
        receive(page, "frame")
        send(head, sound_datagram(0.5, 200.0))  # another port of the same machine, as `au-edge run` has it
        sound = receive(page, "sound")
        assert isinstance(sound, bytes)
        assert struct.unpack_from("<Id", sound, 4) == (16_000, 200.0)
        assert np.frombuffer(sound[16:], "<i2").tolist() == [16384] * 100


def test_sound_of_another_machine_than_the_frames_is_not_passed_on(head: HeadThread) -> None:
    with open_page(head) as page, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        receive(page, "hello")
        page.send('{"type":"sound","on":true}')
        page.send('{"type":"ping","sent":1}')
        receive(page, "pong")
        Sender(head).frame(jawOpen=0.5)
        receive(page, "frame")
        stranger.bind(("127.0.0.2", 0))
        stranger.sendto(sound_datagram(0.9, 100.0), ("127.0.0.1", head.server.frames_port))
        send(head, b"AS" + b"\xff" * 500)
        send(head, sound_datagram(0.5, 200.0))
        sound = receive(page, "sound")
        assert isinstance(sound, bytes)
        assert struct.unpack_from("<Id", sound, 4) == (16_000, 200.0)
        refused = receive(page, "status")
        assert isinstance(refused, dict)
        assert refused["refused"] == 2


def test_a_page_that_does_not_read_delays_nobody_and_keeps_only_the_newest(head: HeadThread) -> None:
    sender = Sender(head)
    channels = {f"c{i:03d}": 0.5 for i in range(200)}
    with open_page(head, max_queue=1) as lazy, open_page(head) as keen:
        receive(lazy, "hello")
        newest = 0
        for _ in range(3000):  # some 2.5 MB: more than the kernel's buffers hold for a page that does not read
            sender.frame(**channels)
            if sender.sequence % 10 == 0:
                while newest < sender.sequence - 20:
                    frame = receive(keen, "frame")
                    assert isinstance(frame, bytes)
                    newest = struct.unpack_from("<I", frame, 4)[0]
        assert newest >= 2900
        clients = head.server._clients
        assert max(len(client.queue) for client in clients) <= 16


@pytest.mark.parametrize("origin", ["http://evil.example", None, "null"])
def test_foreign_origins_get_no_websocket(head: HeadThread, origin: str | None) -> None:
    with pytest.raises(InvalidStatus) as refused, dial(head, origin):
        pass
    assert refused.value.response.status_code == 403


def http_status(head: HeadThread, target: str, host: str) -> int:
    link = http.client.HTTPConnection("127.0.0.1", head.server.http_port, timeout=60.0)
    link.putrequest("GET", target, skip_host=True)
    link.putheader("Host", host)
    link.endheaders()
    status = link.getresponse().status
    link.close()
    return status


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        ("/", "127.0.0.1", 200), ("/", "evil.example", 403), ("/../server.py", "127.0.0.1", 404),
        ("/%2e%2e/server.py", "127.0.0.1", 404), ("/ws", "127.0.0.1", 404),
    ],
)  # fmt: skip
def test_http_answers_only_configured_hosts_and_known_files(
    head: HeadThread, target: str, host: str, status: int
) -> None:
    assert http_status(head, target, host) == status


def test_a_port_in_use_is_told_with_the_key_to_change(head: HeadThread) -> None:
    with pytest.raises(DeviceError, match="`port`"):
        start_head_thread(HeadSettings(port=head.server.http_port, frames_port=0), lambda: StreamDecoder().read)
    with pytest.raises(DeviceError, match="`frames_port`"):
        start_head_thread(HeadSettings(port=0, frames_port=head.server.frames_port), lambda: StreamDecoder().read)


def test_closing_twice_is_harmless_and_frees_the_ports() -> None:
    first = start_head_thread(FREE, lambda: StreamDecoder().read)
    ports = HeadSettings(port=first.server.http_port, frames_port=first.server.frames_port)
    first.close()
    first.close()
    second = start_head_thread(ports, lambda: StreamDecoder().read)
    second.close()


def test_without_a_display_no_browser_is_opened() -> None:
    assert open_in_browser("http://127.0.0.1:1/", {}) is False


def silent_connections(head: HeadThread, n: int) -> list[socket.socket]:
    return [socket.create_connection(("127.0.0.1", head.server.http_port), 5.0) for _ in range(n)]


def test_silent_connections_give_way_and_pages_do_not(head: HeadThread, caplog: pytest.LogCaptureFixture) -> None:
    sender = Sender(head)
    with open_page(head) as page:
        receive(page, "hello")
        silent: list[socket.socket] = []
        for _ in range(10):
            silent += silent_connections(head, 20)
            client = http.client.HTTPConnection("127.0.0.1", head.server.http_port, timeout=60.0)
            client.request("GET", "/")
            assert client.getresponse().status == 200, "who asks is answered while others hold connections"
            client.close()
            sender.frame(jawOpen=0.5)
            assert isinstance(receive(page, "frame"), bytes)
        with open_page(head) as another:
            receive(another, "hello")
        assert len(head.server._admission._passing) <= head.server._admission.most_passing
        assert head.server._admission.n_dropped >= 200 - head.server._admission.most_passing - 10
        assert receive(page, "status")["dropped"] > 0  # type: ignore[call-overload, index, operator]
    for connection in silent:
        connection.close()
    assert "Traceback" not in caplog.text
    assert len(caplog.text) < 2000


def test_more_pages_than_there_is_room_for_are_told_so(head: HeadThread) -> None:
    from edge.head.admission import MOST_PAGES

    with contextlib.ExitStack() as pages:
        for _ in range(MOST_PAGES):
            receive(pages.enter_context(open_page(head)), "hello")
        with pytest.raises(InvalidStatus, match="503"), open_page(head):
            pass


@pytest.mark.parametrize(
    "message",
    [
        '{"type":"drive","au":{"jawOpen":%s},"head":[0,0,0]}' % ("9" * 400),
        '{"type":"drive","au":{"jawOpen":1},"head":[0,0,-1e999]}',
        '{"type":"drive","au":{"jawOpen":NaN},"head":[0,0,0]}',
        '{"type":"drive","au":{"\\ud800":1},"head":["",0,0]}',
        '{"type":"sound","on":%s}' % ("9" * 5000),
        '{"type":"ping","sent":1e999}',
        '{"type":"\\ud800"}',
        "[" * 60_000,
    ],
    ids=range(8),
)  # fmt: skip
def test_what_a_page_says_wrong_costs_it_nothing_and_changes_nothing(
    head: HeadThread, driven: list[Drive], message: str
) -> None:
    with open_page(head) as page:
        receive(page, "hello")
        page.send(message)
        page.send('{"type":"ping","sent":7}')
        while True:
            answer = receive(page, "pong")
            assert isinstance(answer, dict)
            if answer["sent"] == 7:
                break
    assert driven == []
