"""UDP to one, to a network and to a group; to nobody; to what does not exist."""

from __future__ import annotations

import shutil
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge.errors import ConfigurationError, DeviceError, InputError
from edge.outputs.datagram_file import DatagramFile, read_records
from edge.outputs.link_state import LinkError, LinkState
from edge.outputs.udp import REFUSED_RESOLVE_S, REFUSING_S, UdpTransport
from tests.edge.outputs.faces import receiver
from tests.pace import Pace
from tests.requirements import need
from tests.system.programs import ROOT, environment

GROUP = "239.255.41.7"


def test_nobody_listening_is_counted_and_the_receiver_that_starts_later_gets_every_frame() -> None:
    with receiver() as bound:
        address = bound.getsockname()
    transport = UdpTransport("127.0.0.1", address[1])
    transport.open()
    for _ in range(4):
        transport.send(b"lost")
        time.sleep(0.01)
    assert transport.refused >= 3
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as late:
        late.bind(address)
        late.settimeout(1)
        transport.send(b"first")
        transport.send(b"second")
        assert [late.recv(100), late.recv(100)] == [b"first", b"second"]
    transport.close()


def test_a_group_on_a_named_interface_hears() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as member:
        member.bind(("", 0))
        member.settimeout(1)
        try:
            request = socket.inet_aton(GROUP) + socket.inet_aton("127.0.0.1")
            member.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
        except OSError as err:
            need("multicast", False, f"the loopback interface cannot join a group ({err})")
        for interface in ("lo", "127.0.0.1"):
            transport = UdpTransport(GROUP, member.getsockname()[1], interface=interface, ttl=0)
            transport.open()
            transport.send(interface.encode())
            assert member.recv(100) == interface.encode()
            transport.close()


def link_local() -> tuple[str, str]:
    """Return an interface of this machine and its IPv6 link-local address."""
    table = Path("/proc/net/if_inet6")
    for line in table.read_text().splitlines() if table.exists() else ():
        digits, _, _, scope, _, name = line.split()
        if scope == "20":
            return name, ":".join(digits[i : i + 4] for i in range(0, 32, 4))
    need("ipv6", False, "no interface has an IPv6 link-local address")
    raise AssertionError


def test_an_ipv6_group_and_a_link_local_address_are_reached_through_the_named_interface() -> None:
    interface, own = link_local()
    group = "ff02::a5"
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as member:
        member.bind(("::", 0))
        member.settimeout(1)
        request = socket.inet_pton(socket.AF_INET6, group) + struct.pack("@I", socket.if_nametoindex(interface))
        member.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)
        for host in (group, own, f"{own}%{interface}"):
            transport = UdpTransport(host, member.getsockname()[1], interface=interface, ttl=1)
            transport.open()
            transport.send(host.encode())
            assert member.recv(100) == host.encode()
            transport.close()


def test_a_whole_network_hears() -> None:
    with receiver("127.255.255.255") as bound:  # the broadcast address of the loopback network
        transport = UdpTransport("127.255.255.255", bound.getsockname()[1])
        transport.open()
        transport.send(b"all")
        assert bound.recv(100) == b"all"
        transport.close()


def test_a_full_buffer_loses_the_datagram_without_waiting() -> None:
    transport = UdpTransport("127.0.0.1", 9)
    transport.open()
    with Pace() as pace:
        start_s = time.monotonic()
        with pytest.raises(OSError, match=r"[Mm]essage too long"):
            transport.send(bytes(70_000))
        took_s = time.monotonic() - start_s
    assert took_s < pace.allowed(0.5)
    transport.close()


def test_a_name_that_does_not_exist_is_an_error_that_may_pass() -> None:
    with pytest.raises(DeviceError, match="cannot be resolved"):
        UdpTransport("no-such-host.invalid", 9000).open()


def test_a_single_receiver_is_sent_to_from_the_interface_with_the_named_address() -> None:
    with receiver() as bound:
        transport = UdpTransport("127.0.0.1", bound.getsockname()[1], interface="127.0.0.7")
        transport.open()
        transport.send(b"face")
        assert bound.recvfrom(100)[1][0] == "127.0.0.7"
        transport.close()


def test_an_address_that_is_not_here_may_come_back() -> None:
    with pytest.raises(DeviceError, match="cannot be reached"):
        UdpTransport("127.0.0.1", 9000, interface="192.0.2.77").open()


@pytest.mark.parametrize("host", ["127.0.0.1", GROUP])
def test_an_interface_that_does_not_exist_is_named_with_those_that_do_and_may_come(host: str) -> None:
    with pytest.raises(LinkError, match=r"'eth77'.*there are .*lo"):
        UdpTransport(host, 9000, interface="eth77").open()


class Directory:
    """A name server that is told what to answer; everything behind it is real."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
        self.addresses = addresses
        self.n_asked = 0
        monkeypatch.setattr("edge.outputs.udp.socket.getaddrinfo", self._answer)

    def _answer(self, host: str, port: int, *_: object, **__: object) -> list[tuple]:
        self.n_asked += 1
        if not self.addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [
            (socket.AF_INET6 if ":" in a else socket.AF_INET, socket.SOCK_DGRAM, 17, "",
             (a, port, 0, 0) if ":" in a else (a, port))
            for a in self.addresses
        ]  # fmt: skip


def heard_within(bound: socket.socket, transport: UdpTransport, n: int) -> bool:
    """Send up to n datagrams, each given a moment; return whether one is heard."""
    bound.settimeout(0.05)
    for _ in range(n):
        transport.send(b"face")
        try:
            return bound.recv(100) == b"face"
        except TimeoutError:
            continue
    return False


@pytest.mark.parametrize("listening", ["127.0.0.1", "::1"])
def test_a_receiver_hears_whichever_address_of_its_name_it_listens_at(
    monkeypatch: pytest.MonkeyPatch, listening: str
) -> None:
    Directory(monkeypatch, "::1", "127.0.0.1")
    family = socket.AF_INET6 if ":" in listening else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as bound:
        bound.bind((listening, 0))
        transport = UdpTransport("both.test", bound.getsockname()[1])
        transport.open()
        assert heard_within(bound, transport, 5)
        bound.settimeout(1)
        for n in range(10):
            transport.send(bytes([n]))
        assert [bound.recv(100) for _ in range(10)] == [bytes([n]) for n in range(10)]
        transport.close()


def test_the_name_localhost_reaches_an_ipv4_receiver() -> None:
    with receiver() as bound:
        transport = UdpTransport("localhost", bound.getsockname()[1])
        transport.open()
        assert heard_within(bound, transport, 5)
        transport.close()


def test_a_refusal_is_a_state_until_none_has_come_for_a_while() -> None:
    now_s = [100.0]
    with receiver() as bound:
        port = bound.getsockname()[1]
    transport = UdpTransport("127.0.0.1", port, monotonic_s=lambda: now_s[0])
    transport.open()
    assert transport.state is LinkState.UP
    for _ in range(3):
        transport.send(b"lost")
        time.sleep(0.01)
    assert transport.state is LinkState.REFUSED
    now_s[0] += REFUSING_S
    assert transport.state is LinkState.UP
    transport.close()


def test_a_name_that_gets_another_address_is_followed_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [100.0]
    directory = Directory(monkeypatch, "127.0.0.3")
    with receiver("127.0.0.4") as moved, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        port = moved.getsockname()[1]
        deaf.bind(("127.0.0.3", port))  # its old address does not refuse: some other machine has it
        transport = UdpTransport("robot.test", port, resolve_s=60.0, monotonic_s=lambda: now_s[0])
        transport.open()
        directory.addresses = ("127.0.0.4",)
        now_s[0] += 59.9
        assert not heard_within(moved, transport, 3)
        now_s[0] += 0.2
        assert heard_within(moved, transport, 40)
        assert directory.n_asked == 2
        transport.close()


def test_a_name_whose_address_refuses_is_looked_up_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [100.0]
    directory = Directory(monkeypatch, "127.0.0.3")
    with receiver("127.0.0.4") as moved:
        transport = UdpTransport("robot.test", moved.getsockname()[1], resolve_s=0.0, monotonic_s=lambda: now_s[0])
        transport.open()
        directory.addresses = ("127.0.0.4",)
        now_s[0] += REFUSED_RESOLVE_S - 0.1
        assert not heard_within(moved, transport, 3)
        assert transport.state is LinkState.REFUSED
        assert directory.n_asked == 1
        now_s[0] += 0.2
        assert heard_within(moved, transport, 40)
        assert directory.n_asked == 2
        transport.close()


def test_a_name_that_is_lost_for_a_while_keeps_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [100.0]
    directory = Directory(monkeypatch, "127.0.0.1")
    with receiver() as bound:
        transport = UdpTransport("robot.test", bound.getsockname()[1], resolve_s=10.0, monotonic_s=lambda: now_s[0])
        transport.open()
        directory.addresses = ()
        for _ in range(5):
            now_s[0] += 10.0
            assert heard_within(bound, transport, 1)
            time.sleep(0.02)
        assert directory.n_asked >= 3
        transport.close()
    with pytest.raises(LinkError) as caught:
        UdpTransport("robot.test", 9000).open()
    assert caught.value.state is LinkState.NO_NAME


INTERFACES = """
import socket, struct, subprocess, sys, time
from edge.outputs.json_udp import JsonCodec
from edge.outputs.sender import Output
from edge.outputs.udp import UdpTransport
from edge.machine.clock import SystemClock
from tests.edge.outputs.faces import frame_with, manifest_with

GROUP = "239.255.41.7"

def ip(*words):
    subprocess.run(["ip", *words], check=True)

def come():
    ip("link", "add", "eth7", "type", "veth", "peer", "name", "far7")
    ip("addr", "add", "10.7.7.1/24", "brd", "+", "dev", "eth7")
    ip("link", "set", "far7", "up")
    ip("link", "set", "eth7", "up")
    ip("neigh", "add", "10.7.7.9", "lladdr", "02:00:00:00:00:09", "dev", "eth7")

def hear():
    member = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    member.bind(("", 9123))
    request = socket.inet_aton(GROUP) + struct.pack("@4si", bytes(4), socket.if_nametoindex("eth7"))
    member.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
    member.setblocking(False)
    return member

def until(state, heard=None):
    ends_s = time.monotonic() + 60.0
    while time.monotonic() < ends_s:
        output.send(frame_with([0.5]))
        time.sleep(0.03)
        try:
            is_heard = heard is None or bool(heard.recv(65536))
        except BlockingIOError:
            is_heard = False
        if output.state == state and is_heard:
            return print(state)
    sys.exit(f"{output.state}, not {state}")

transport = UdpTransport(sys.argv[1] if sys.argv[1] != "group" else GROUP, 9123, interface=sys.argv[2])
output = Output("test", JsonCodec(manifest_with(["jawOpen"]), {}), transport, SystemClock())
output.open()
until(sys.argv[3])
for _ in range(2):
    come()
    until("up", hear() if sys.argv[1] == "group" else None)
    ip("link", "del", "eth7")
    until(sys.argv[3])
output.close()
"""


@pytest.mark.parametrize(
    ("host", "interface", "away"),
    [
        ("group", "eth7", "no such interface yet"),
        ("10.7.7.9", "eth7", "no such interface yet"),
        ("10.7.7.9", "10.7.7.1", "no route"),
        ("10.7.7.255", "", "no route"),
    ],
)
def test_an_interface_that_comes_late_and_goes_and_comes_again_is_waited_for(
    host: str, interface: str, away: str
) -> None:
    own_network = ["unshare", "--user", "--map-root-user", "--net"]
    can = shutil.which("unshare") and shutil.which("ip") and subprocess.run([*own_network, "true"], check=False)
    need("namespaces", bool(can) and can.returncode == 0, "no network namespace of one's own here (unshare, ip)")
    done = subprocess.run(
        [*own_network, sys.executable, "-c", INTERFACES, host, interface, away], cwd=ROOT,
        env=environment(PYTHONPATH=str(ROOT)), capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(done.stderr.splitlines()) == 3, "each outage is said once"
    assert [line.split()[0] for line in done.stdout.splitlines()].count("up") == 2


@pytest.mark.parametrize(("host", "port", "ttl"), [("", 9000, 1), ("a", 0, 1), ("a", 65536, 1), ("a", 1, 256)])
def test_an_impossible_address_is_refused_at_once(host: str, port: int, ttl: int) -> None:
    with pytest.raises(ConfigurationError):
        UdpTransport(host, port, ttl=ttl)


def test_an_ipv6_address_is_written_in_brackets() -> None:
    assert UdpTransport("::1", 9000).description == "udp://[::1]:9000"


def test_a_full_disk_loses_the_record_and_leaves_no_part_of_it() -> None:
    need("/dev/full", Path("/dev/full").exists(), "a device that is always full")
    full = DatagramFile(Path("/dev/full"))
    full.open()
    with pytest.raises(OSError, match="No space"):
        full.send(b"{}")
    full.close()


def test_a_line_file_takes_no_binary(tmp_path: Path) -> None:
    lines = DatagramFile(tmp_path / "a.jsonl")
    lines.open()
    with pytest.raises(OSError, match="JSON datagrams only"):
        lines.send(b"AU\x01")
    lines.close()


@pytest.mark.parametrize("content", [b"\x05\0\0\0ab", b"\x05\0", struct.pack("<I", 2**31) + b"x"])
def test_a_cut_recording_says_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "cut"
    path.write_bytes(struct.pack("<I", 2) + b"ok" + content)
    records = read_records(path)
    assert next(records) == b"ok"
    with pytest.raises(InputError, match="ends within a record"):
        list(records)
