"""UDP to one, to a network and to a group; to nobody; to what does not exist."""

from __future__ import annotations

import socket
import struct
import time
from pathlib import Path

import pytest

from edge.errors import ConfigurationError, DeviceError, InputError
from edge.outputs.datagram_file import DatagramFile, read_records
from edge.outputs.udp import UdpTransport
from tests.edge.outputs.faces import receiver
from tests.requirements import need

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
    start_s = time.monotonic()
    with pytest.raises(OSError, match=r"[Mm]essage too long"):
        transport.send(bytes(70_000))
    assert time.monotonic() - start_s < 0.5
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
def test_an_interface_that_does_not_exist_is_named_with_those_that_do(host: str) -> None:
    with pytest.raises(ConfigurationError, match=r"'eth77'.*there are .*lo"):
        UdpTransport(host, 9000, interface="eth77").open()


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
