"""What every transport keeps, and what an output makes of it when it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.contracts import Transport
from edge.outputs.datagram_file import DatagramFile, read_records
from edge.outputs.udp import UdpTransport
from tests.edge.outputs.faces import receiver

Made = tuple[Transport, Callable[[int], list[bytes]]]


@pytest.fixture(params=["udp over IPv4", "udp over IPv6", "record file", "line file"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Made]:
    """Yield a transport and what arrives at its other end."""
    if request.param.startswith("udp"):
        host = "::1" if request.param.endswith("6") else "127.0.0.1"
        with receiver(host) as bound:
            yield UdpTransport(host, bound.getsockname()[1]), lambda n: [bound.recv(65535) for _ in range(n)]
    else:
        path = tmp_path / ("frames.jsonl" if request.param == "line file" else "frames.records")
        yield DatagramFile(path), lambda n: list(read_records(path))


def test_it_is_a_transport_with_an_address_before_it_is_open(made: Made) -> None:
    assert isinstance(made[0], Transport)
    assert ":" in made[0].description


def test_datagrams_arrive_whole_and_in_order_whatever_buffer_they_are_in(made: Made) -> None:
    transport, arrived = made
    transport.open()
    sent = [b'{"n":0}', bytearray(b'{"n":1}'), memoryview(b'{"n":2}')]
    for datagram in sent:
        transport.send(datagram)
    assert arrived(3) == [b'{"n":0}', b'{"n":1}', b'{"n":2}']
    transport.close()


def test_sending_while_closed_is_a_lost_datagram(made: Made) -> None:
    with pytest.raises(OSError, match="closed"):
        made[0].send(b"{}")


def test_closing_twice_and_opening_again_works(made: Made) -> None:
    transport, arrived = made
    transport.close()
    transport.open()
    transport.send(b'{"n":0}')
    transport.close()
    transport.close()
    transport.open()
    transport.send(b'{"n":1}')
    assert arrived(2) == [b'{"n":0}', b'{"n":1}']
    transport.close()
