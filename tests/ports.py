"""Ports for programs that are told theirs: no other test that runs at the same time is given the same.

A port that the kernel chose is free again as soon as it is let go of, and may be the next one that it gives to somebody
else. These are taken in turn from a part of each worker's own, below those that the kernel gives away by itself.
"""

from __future__ import annotations

import itertools
import os
import random
import socket

FIRST, PER_WORKER, N_PARTS = 12_000, 1000, 20  # to 32000; Source: ip(7), ip_local_port_range, begins at 32768
_part = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % N_PARTS
_turns = itertools.count(random.randrange(PER_WORKER))  # another suite on this machine begins elsewhere


def _free_port(kind: socket.SocketKind) -> int:
    for turn in itertools.islice(_turns, PER_WORKER):
        port = FIRST + PER_WORKER * _part + turn % PER_WORKER
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
            return port
    raise OSError(f"none of {PER_WORKER} ports is free")


def free_udp_port() -> int:
    """Return a port that nobody is bound to right now."""
    return _free_port(socket.SOCK_DGRAM)


def free_tcp_port() -> int:
    """Return a TCP port that nobody listens at right now."""
    return _free_port(socket.SOCK_STREAM)
