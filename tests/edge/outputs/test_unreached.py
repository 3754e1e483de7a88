"""A receiver whose machine is switched off is not said to be up."""

from __future__ import annotations

import errno
import itertools
import shutil
import socket
import subprocess
import sys

import pytest

from edge.outputs.json_udp import JsonCodec
from edge.outputs.link_state import LinkState
from edge.outputs.sender import Output
from edge.outputs.udp import UNREACHED_S, UdpTransport
from tests.edge.outputs.faces import frame_with, manifest_with
from tests.edge.runtime.doubles import ManualClock
from tests.requirements import need
from tests.system.programs import ROOT, environment


class Way:
    """A socket whose kernel tells of an earlier datagram's fate when the next one is sent."""

    def __init__(self) -> None:
        self.pending: list[OSError] = []
        self.is_cut = False
        self.n_sent = 0

    def send(self, datagram: bytes) -> int:
        if self.pending:
            raise self.pending.pop()
        if self.is_cut:
            raise OSError(errno.ENETUNREACH, "Network is unreachable")
        self.n_sent += 1
        return len(datagram)

    def close(self) -> None: ...


def opened(monkeypatch: pytest.MonkeyPatch, *ways: Way) -> tuple[UdpTransport, ManualClock]:
    clock, each = ManualClock(), itertools.cycle(ways)
    addresses = [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", (f"192.0.2.{n}", 9000)) for n in range(1, len(ways) + 1)]
    monkeypatch.setattr("edge.outputs.udp.socket.getaddrinfo", lambda *_, **__: addresses)
    monkeypatch.setattr("edge.outputs.udp.connected_socket", lambda *_: next(each))
    transport = UdpTransport("192.0.2.1", 9000, monotonic_s=clock.monotonic_s)
    transport.open()
    return transport, clock


@pytest.mark.parametrize("number", [errno.EHOSTUNREACH, errno.ENETUNREACH])
def test_the_late_word_that_no_machine_answers_is_a_state_and_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    way = Way()
    transport, clock = opened(monkeypatch, way)
    transport.send(b"a")
    assert transport.state is LinkState.UP
    way.pending = [OSError(number, "")]
    transport.send(b"b")
    assert (transport.state, way.n_sent) == (LinkState.NO_ROUTE, 2)
    clock.now_s += UNREACHED_S + 0.1
    transport.send(b"c")
    assert (transport.state, way.n_sent) == (LinkState.UP, 3)
    way.pending = [OSError(number, "")]
    transport.send(b"d")
    way.pending = [ConnectionRefusedError()]
    transport.send(b"e")
    clock.now_s += UNREACHED_S - 0.1
    assert transport.state is LinkState.UP, "a machine that refuses is there"


def test_a_way_that_is_cut_here_is_a_fault_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    way = Way()
    transport, _ = opened(monkeypatch, way)
    way.is_cut = True
    with pytest.raises(OSError, match="unreachable"):
        transport.send(b"a")


def test_of_several_addresses_one_that_is_there_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Way(), Way()
    transport, _ = opened(monkeypatch, first, second)
    first.pending = [OSError(errno.EHOSTUNREACH, "")]
    transport.send(b"a")
    assert (transport.state, first.n_sent, second.n_sent) == (LinkState.UP, 0, 1)
    second.pending = [OSError(errno.EHOSTUNREACH, "")]
    transport.send(b"b")
    assert transport.state is LinkState.NO_ROUTE


def test_it_is_said_once_and_so_is_the_return(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    way = Way()
    transport, clock = opened(monkeypatch, way)
    output = Output("test", JsonCodec(manifest_with(["jawOpen"]), {}), transport, clock)
    output.open()
    caplog.set_level("INFO")
    for second in range(40):
        if second % 3 == 0 and second < 20:  # as Linux does: three questions, a second apart
            way.pending = [OSError(errno.EHOSTUNREACH, "")]
        output.send(frame_with([0.5]))
        clock.now_s += 1.0
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2, said
    assert "is not there: no machine of that address answers" in said[0]
    assert said[1].endswith("is there")


NEIGHBOUR = """
import pathlib, subprocess, sys, time
from edge.outputs.udp import UdpTransport
for words in ("link add eth7 type veth peer name far7", "addr add 10.7.7.1/24 dev eth7",
              "addr add fd77::1/64 dev eth7 nodad", "link set far7 up", "link set eth7 up",
              "link set lo up"):  # by which the kernel tells itself
    subprocess.run(["ip", *words.split()], check=True)
for version in ("ipv4", "ipv6"):
    pathlib.Path(f"/proc/sys/net/{version}/neigh/eth7/retrans_time_ms").write_text("20")
transport = UdpTransport(sys.argv[1], 9123)
transport.open()
ends_s = time.monotonic() + 20.0
while transport.state.value != "no route" and time.monotonic() < ends_s:
    transport.send(b"x")
    time.sleep(0.02)
print(transport.state.value)
"""


@pytest.mark.parametrize("host", ["10.7.7.9", "fd77::9"])
def test_linux_tells_of_a_machine_that_is_switched_off(host: str) -> None:
    own_network = ["unshare", "--user", "--map-root-user", "--net"]
    can = shutil.which("unshare") and shutil.which("ip") and subprocess.run([*own_network, "true"], check=False)
    need("namespaces", bool(can) and can.returncode == 0, "no network namespace of one's own here (unshare, ip)")
    done = subprocess.run(
        [*own_network, sys.executable, "-c", NEIGHBOUR, host], cwd=ROOT, env=environment(PYTHONPATH=str(ROOT)),
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.stdout == "no route\n", done.stderr
