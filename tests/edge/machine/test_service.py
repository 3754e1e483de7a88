"""The sd_notify client, read from a real socket as systemd reads it."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.machine.service import ServiceNotifier
from tests.pace import Pace


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(1.0)
        yield manager


def environment_of(listener: socket.socket, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": listener.getsockname(), **more}


def received(listener: socket.socket) -> list[str]:
    listener.setblocking(False)
    messages = []
    try:
        while True:
            messages.append(listener.recv(4096).decode())
    except BlockingIOError:
        return messages


def test_a_life_is_told_in_order(listener: socket.socket) -> None:
    notifier = ServiceNotifier.from_environment(environment_of(listener))
    notifier.ready("30 frames/s")
    notifier.status("30 frames/s, 0 lost")
    before_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notifier.reloading()
    after_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notifier.ready()
    notifier.stopping("SIGTERM")
    notifier.close()

    first, second, third, fourth, fifth = received(listener)
    assert first == "READY=1\nSTATUS=30 frames/s"
    assert second == "STATUS=30 frames/s, 0 lost"
    name, stamp = third.split("\n")
    assert name == "RELOADING=1"
    assert before_us - 1 <= int(stamp.removeprefix("MONOTONIC_USEC=")) <= after_us
    assert fourth == "READY=1"
    assert fifth == "STOPPING=1\nSTATUS=SIGTERM"
    assert notifier.n_lost == 0


def test_the_abstract_namespace_is_reached() -> None:
    name = f"au-edge-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name)
        manager.settimeout(1.0)
        notifier = ServiceNotifier.from_environment({"NOTIFY_SOCKET": "@" + name})
        notifier.ready()
        assert manager.recv(100) == b"READY=1"
        notifier.close()


def test_the_watchdog_beats_twice_per_limit_however_often_the_loop_turns(listener: socket.socket) -> None:
    now_s = 100.0
    notifier = ServiceNotifier(listener.getsockname(), watchdog_limit_s=10.0, monotonic_s=lambda: now_s)
    for _ in range(30 * 60):  # one minute of frames
        notifier.watchdog()
        now_s += 1 / 30
    beats = received(listener)
    assert set(beats) == {"WATCHDOG=1"}
    assert len(beats) == pytest.approx(60 / 5, abs=1)
    notifier.close()


def test_a_start_that_waits_asks_for_time_again_and_again_but_not_every_frame(listener: socket.socket) -> None:
    now_s = 100.0
    notifier = ServiceNotifier(listener.getsockname(), monotonic_s=lambda: now_s)
    for _ in range(30 * 60):  # one minute of frames
        notifier.starting("waiting for the microphone")
        now_s += 1 / 30
    asked = received(listener)
    assert set(asked) == {"EXTEND_TIMEOUT_USEC=30000000\nSTATUS=waiting for the microphone"}
    assert len(asked) == pytest.approx(60 / 10, abs=1)
    notifier.close()


def test_a_loop_that_stands_still_sends_no_beat(listener: socket.socket) -> None:
    notifier = ServiceNotifier.from_environment(environment_of(listener, WATCHDOG_USEC="100000"))
    notifier.watchdog()
    assert received(listener) == ["WATCHDOG=1"]
    time.sleep(0.15)
    assert received(listener) == []
    notifier.close()


@pytest.mark.parametrize(
    ("variables", "period_s"),
    [
        ({"WATCHDOG_USEC": "10000000"}, 5.0),
        ({"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": str(os.getpid())}, 5.0),
        ({"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": "1"}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
        ({}, 0.0),
    ],
    ids=["any", "mine", "of-another", "malformed", "none"],
)
def test_the_watchdog_is_kept_only_where_it_is_asked_of_this_process(
    listener: socket.socket, variables: dict[str, str], period_s: float
) -> None:
    notifier = ServiceNotifier.from_environment(environment_of(listener, **variables))
    assert notifier.watchdog_period_s == period_s


@pytest.mark.parametrize("address", ["", "vsock:2:1234", "relative"], ids=["unset", "vsock", "relative"])
def test_without_a_socket_nothing_is_said_and_nothing_fails(address: str) -> None:
    notifier = ServiceNotifier.from_environment({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"})
    notifier.ready()
    notifier.watchdog()
    notifier.stopping()
    assert not notifier.is_active
    assert notifier.n_lost == 0


def test_a_line_break_cannot_smuggle_a_variable(listener: socket.socket) -> None:
    notifier = ServiceNotifier.from_environment(environment_of(listener))
    notifier.status("device gone\nMAINPID=1")
    assert received(listener) == ["STATUS=device gone MAINPID=1"]
    notifier.close()


def test_a_manager_that_does_not_read_never_holds_the_loop_up(listener: socket.socket) -> None:
    notifier = ServiceNotifier.from_environment(environment_of(listener))
    with Pace() as pace:
        began_s = time.monotonic()
        for _ in range(5000):  # far beyond net.unix.max_dgram_qlen
            notifier.status("x" * 100)
        took_s = time.monotonic() - began_s
    assert took_s < pace.allowed(2.0)
    assert notifier.n_lost > 0
    received(listener)
    notifier.status("back")
    assert received(listener) == ["STATUS=back"]
    notifier.close()


def test_a_manager_that_dies_and_returns_is_found_again(tmp_path: Path) -> None:
    path = tmp_path / "notify"
    notifier = ServiceNotifier.from_environment({"NOTIFY_SOCKET": str(path)})
    notifier.ready()
    assert notifier.n_lost == 1
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        notifier.ready()
        assert received(manager) == ["READY=1"]
    notifier.close()
    notifier.close()
