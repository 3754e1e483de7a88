"""Receivers that say hello first, played by sockets on other addresses of the loopback network."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from edge.app.receivers import make_output
from edge.config.settings import OutputSettings
from edge.contracts import Transport
from edge.errors import DeviceError
from edge.machine.clock import SystemClock
from edge.outputs.greeted import GONE_AFTER_S, MAX_RECEIVERS, GreetedTransport
from edge.outputs.ifacialmocap import GOOD_BYE, HELLO, IFacialMocapCodec, in_version, read_hello
from edge.outputs.sender import Output
from edge.outputs.udp import UdpTransport
from tests.edge.outputs.faces import FakeClock, frame_with, golden, manifest_with, receiver
from tests.ports import free_udp_port
from tests.requirements import need

FRAME = golden("ifacialmocap_frame")


@contextmanager
def receiver_at(address: str, port: int) -> Iterator[socket.socket]:
    """Yield a receiver on a machine of its own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        try:
            made.bind((address, port))
        except OSError as err:
            need("127.0.0.0/8", False, f"the loopback network has no address {address} ({err})")
        made.settimeout(1.0)
        yield made


class Phone:
    """What greets and gets frames, on a clock that the test moves."""

    def __init__(self, pushed: Transport | None = None, **keys: float) -> None:
        self.clock = FakeClock()
        self.port, self.theirs = free_udp_port(), free_udp_port()
        self.transport = GreetedTransport(
            pushed, self.clock, self.port, read_hello, in_version, reply_port=self.theirs, **keys
        )
        self.transport.open()

    def greet(self, address: str, content: bytes = HELLO) -> None:
        """Greet from a port that is not the one at which frames are expected, as receivers do."""
        with receiver_at(address, 0) as other:
            other.sendto(content, ("127.0.0.1", self.port))
        time.sleep(0.02)

    def send(self) -> tuple[str, ...]:
        self.transport.send(FRAME)
        return self.transport.receivers


@pytest.fixture
def phone() -> Iterator[Phone]:
    made = Phone()
    yield made
    made.transport.close()


def test_who_greets_gets_frames_at_the_one_port_from_the_port_that_heard_it(phone: Phone) -> None:
    with receiver_at("127.0.0.2", phone.theirs) as first, receiver_at("127.0.0.3", phone.theirs) as second:
        phone.send()
        phone.greet("127.0.0.2")
        phone.greet("127.0.0.3", HELLO + b"|sendDataVersion=v2")
        assert phone.send() == ("127.0.0.2", "127.0.0.3")
        assert first.recvfrom(2000) == (FRAME, ("127.0.0.1", phone.port))
        assert second.recv(2000) == FRAME.replace(b"jawOpen-25", b"jawOpen&25")
        phone.greet("127.0.0.2", GOOD_BYE)
        assert phone.send() == ("127.0.0.3",)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"hello", HELLO[:-1], HELLO + b"x", HELLO + b"|sendDataVersion=v9", b"FMV3" + bytes(44),
        b"iFacialMocap_UDPTCP_sahuasouryya9218sauhuiayeta91555dy3719", HELLO + b"|" * 200, FRAME,
    ],
    ids=["nothing", "a word", "cut", "longer", "unknown version", "version 3", "over TCP", "too long", "a frame"],
)  # fmt: skip
def test_what_is_no_hello_gets_nothing_at_all(phone: Phone, content: bytes) -> None:
    with receiver_at("127.0.0.2", phone.theirs) as stranger:
        stranger.settimeout(0.1)
        phone.greet("127.0.0.2", content)
        assert phone.send() == ()
        with pytest.raises(TimeoutError):
            stranger.recv(2000)


def test_there_are_so_many_receivers_and_no_more(phone: Phone) -> None:
    for last in range(MAX_RECEIVERS + 3):
        phone.greet(f"127.0.0.{10 + last}")
    assert len(phone.send()) == MAX_RECEIVERS
    assert phone.transport.ignored == 3


def test_a_flood_of_hellos_costs_a_frame_no_more_than_a_few() -> None:
    phone = Phone()
    with receiver_at("127.0.0.2", 0) as stranger:
        for _ in range(200):
            stranger.sendto(b"flood", ("127.0.0.1", phone.port))
    phone.greet("127.0.0.3")
    assert phone.send() == (), "two hundred datagrams were read for one frame"
    for _ in range(40):
        phone.send()
    assert phone.transport.receivers == ("127.0.0.3",)
    phone.transport.close()


def test_a_lease_ends_unless_it_is_renewed() -> None:
    phone = Phone(lease_s=60.0)
    phone.greet("127.0.0.2")
    phone.greet("127.0.0.3")
    assert len(phone.send()) == 2
    phone.clock.now_s += 50
    phone.greet("127.0.0.3")
    assert len(phone.send()) == 2
    phone.clock.now_s += 20
    assert phone.send() == ("127.0.0.3",)
    phone.transport.close()


def test_who_is_gone_is_forgotten_and_who_comes_back_in_time_is_not() -> None:
    phone = Phone()
    phone.greet("127.0.0.2")
    phone.greet("127.0.0.3")

    def frames_for(seconds: float) -> None:
        for _ in range(round(seconds * 10)):
            phone.clock.now_s += 0.1
            phone.send()
            time.sleep(0.005)

    with receiver_at("127.0.0.3", phone.theirs):
        frames_for(GONE_AFTER_S / 2)
    assert phone.transport.refused > 5
    with receiver_at("127.0.0.2", phone.theirs), receiver_at("127.0.0.3", phone.theirs):
        frames_for(GONE_AFTER_S + 1)
    assert phone.transport.receivers == ("127.0.0.2", "127.0.0.3"), "a restart of a second and a half"
    with receiver_at("127.0.0.3", phone.theirs):
        frames_for(GONE_AFTER_S + 1)
    assert phone.transport.receivers == ("127.0.0.3",)
    phone.transport.close()


def test_a_hello_from_outside_of_local_networks_counts_only_where_that_is_asked_for() -> None:
    for is_local_only, expected in ((True, 0), (False, 1)):
        transport = GreetedTransport(None, FakeClock(), 1, read_hello, in_version, is_local_only=is_local_only)
        transport._take("8.8.8.8", 1, 0.0)
        assert (len(transport.receivers), transport.ignored) == (expected, 1 - expected)
        transport._take("192.168.1.20", 1, 0.0)
        assert "192.168.1.20" in transport.receivers


def test_receivers_outlive_an_outage_of_the_configured_one() -> None:
    with receiver() as bound:
        phone = Phone(UdpTransport("127.0.0.1", bound.getsockname()[1]))
        with receiver_at("127.0.0.2", phone.theirs) as greeted:
            phone.greet("127.0.0.2")
            phone.send()
            assert bound.recv(2000) == greeted.recv(2000) == FRAME
            phone.transport.close()
            phone.transport.open()
            phone.send()
            assert bound.recv(2000) == greeted.recv(2000) == FRAME
        phone.transport.close()


def test_a_reload_forgets_nobody_and_takes_the_new_delay() -> None:
    phone = Phone()

    def output(transport: Transport, delay_ms: float) -> Output:
        return Output(
            "face", IFacialMocapCodec(manifest_with(["jawOpen"]), {}), transport, phone.clock, delay_ms=delay_ms
        )

    old = output(phone.transport, 0.0)
    old._is_open = True
    with receiver_at("127.0.0.2", phone.theirs) as greeted:
        phone.greet("127.0.0.2")
        old.send(frame_with([0.5]))
        assert b"jawOpen-50" in greeted.recv(2000)
        newer = GreetedTransport(None, phone.clock, phone.port, read_hello, in_version, reply_port=phone.theirs)
        assert old.adopt(output(newer, 100.0))
        old.send(frame_with([0.25]))
        phone.clock.now_s += 0.11
        old.pump()
        assert b"jawOpen-25" in greeted.recv(2000)
    elsewhere = GreetedTransport(None, phone.clock, phone.port + 1, read_hello, in_version)
    assert not old.adopt(output(elsewhere, 0.0))
    assert not old.adopt(output(UdpTransport("127.0.0.1", 9), 0.0))
    assert not output(UdpTransport("127.0.0.1", 9), 0.0).adopt(old)
    old.close()


def test_a_port_that_is_taken_says_what_to_do() -> None:
    port = free_udp_port()
    with receiver_at("", port), pytest.raises(DeviceError, match="reach = push"):
        GreetedTransport(None, FakeClock(), port, read_hello, in_version).open()


@pytest.mark.parametrize(
    ("host", "reach", "listens"),
    [
        ("127.0.0.1", "both", False), ("localhost", "both", False), ("192.0.2.1", "both", True),
        ("192.0.2.1", "push", False), ("127.0.0.1", "hello", True),
    ],
)  # fmt: skip
def test_the_configuration_says_who_is_reached(host: str, reach: str, listens: bool) -> None:
    """A receiver on this machine needs the port for itself."""
    output = OutputSettings(name="face", protocol="ifacialmocap", host=host, options={"reach": reach})
    made = make_output(output, manifest_with(), SystemClock())
    assert ("who greets" in made.description) == listens


def test_version_2_differs_between_name_and_percent_only() -> None:
    (datagram,) = IFacialMocapCodec(manifest_with(["jawOpen", "mouthSmileLeft"]), {}).encode(
        frame_with([0.5, 1.0], [-1, -2, -3])
    )
    assert in_version(bytes(datagram), 2).split(b"=")[0] == b"jawOpen&50|mouthSmile_L&100|"
    assert in_version(bytes(datagram), 2).split(b"=")[1] == bytes(datagram).split(b"=")[1]
