"""Capture over a sound server: its clock domain, its monitors, its death and its return."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import numpy as np
import pytest

from edge.alsa.devices import list_devices
from edge.errors import DeviceError
from edge.machine.clock import SystemClock
from edge.runtime.source_keeper import SourceKeeper
from edge.sources.microphone import Microphone
from tests.pace import Pace
from tests.requirements import need
from tests.virtual_microphone.air import why_not
from tests.virtual_microphone.sound_server import SINK, SoundServer, why_no_server

pytestmark = pytest.mark.realtime

READ_S = 1 / 30


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[SoundServer]:
    missing = why_not() or why_no_server()
    need("pulseaudio", not missing, f"no private PulseAudio: {missing}")
    made = SoundServer(tmp_path_factory.mktemp("server"))
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PULSE_SOURCE", raising=False)
    made.start()
    yield made
    made.stop()


def hear(keeper: SourceKeeper, limit_s: float, n_samples: int = 1) -> float:
    """Read until so many samples came; return how long it took."""
    n_heard, oldest_s = 0, 0.0
    with Pace() as pace:
        began_s = time.monotonic()
        while n_heard < n_samples:
            assert time.monotonic() - began_s < limit_s, f"only {n_heard} samples within {limit_s} s"
            chunk = keeper.read(READ_S)
            if chunk is not None:
                n_heard += len(chunk.samples)
                assert chunk.end_time_s <= time.monotonic()
                oldest_s = max(oldest_s, time.monotonic() - chunk.end_time_s)
    assert oldest_s < pace.allowed(1.0)
    return time.monotonic() - began_s


def test_its_stamps_are_of_the_real_time_clock_and_are_brought_to_ours(server: SoundServer) -> None:
    source = Microphone("pulse", clock=SystemClock())
    keeper = SourceKeeper(source, SystemClock())
    keeper.open()
    with Pace() as pace:
        hear(keeper, 60.0, source.rate_hz)
    assert source.clock_domain in ("CLOCK_REALTIME", "CLOCK_MONOTONIC")
    # A server that starts may stamp wildly at first.
    assert source.counters()["lost_samples"] < pace.allowed(0.1) * source.rate_hz
    keeper.close()


def test_what_the_machine_plays_is_listed_as_a_monitor_and_is_heard(server: SoundServer) -> None:
    monitors = [device for device in list_devices() if device.is_monitor]
    assert [device.name for device in monitors] == [f"pulse:{SINK}.monitor"]
    assert monitors[0].rates_hz == (48_000,)
    player = server.play_tone(6.0)
    source = Microphone(monitors[0].name, clock=SystemClock())
    source.open()
    loudest = 0.0
    end_s = time.monotonic() + 60.0
    while loudest < 0.1 and time.monotonic() < end_s:
        chunk = source.read(READ_S)
        if chunk is not None:
            loudest = max(loudest, float(np.abs(chunk.samples).max()))
    source.close()
    player.kill()
    player.wait()
    assert loudest > 0.1


def test_its_death_is_noticed_and_its_return_brings_the_sound_back(server: SoundServer) -> None:
    source = Microphone("pulse", clock=SystemClock())
    keeper = SourceKeeper(source, SystemClock())
    keeper.open()
    hear(keeper, 60.0, 4800)
    for number in range(2):
        longest_s = 0.0
        with Pace() as pace:
            server.kill()
            dead_s = time.monotonic()
            while keeper.is_open and time.monotonic() - dead_s < 60.0:
                began_s = time.monotonic()
                keeper.read(READ_S)
                longest_s = max(longest_s, time.monotonic() - began_s)
            noticed_s = time.monotonic() - dead_s
        assert longest_s < READ_S + pace.allowed(0.3)
        assert noticed_s < pace.allowed(2.0)
        for _ in range(10):
            assert keeper.read(READ_S) is None
        server.start()
        hear(keeper, 60.0, 4800)
        assert source.counters()["reopened"] == number + 1
    keeper.close()


def test_a_server_that_freezes_holds_nothing_up(server: SoundServer) -> None:
    source = Microphone("pulse", clock=SystemClock())
    keeper = SourceKeeper(source, SystemClock())
    keeper.open()
    hear(keeper, 60.0, 4800)
    server.kill(signal.SIGSTOP)
    longest_s = 0.0
    with Pace() as pace:
        began_s = time.monotonic()
        while time.monotonic() - began_s < 2.0:
            read_s = time.monotonic()
            keeper.read(READ_S)
            longest_s = max(longest_s, time.monotonic() - read_s)
    assert not keeper.is_open
    assert longest_s < READ_S + pace.allowed(0.3)
    server.kill(signal.SIGCONT)
    hear(keeper, 60.0, 4800)
    keeper.close()


def test_without_a_server_the_device_may_be_tried_again(server: SoundServer) -> None:
    server.stop()
    with Pace() as pace:
        began_s = time.monotonic()
        with pytest.raises(DeviceError):
            Microphone("pulse", clock=SystemClock()).open()
        took_s = time.monotonic() - began_s
    assert took_s < pace.allowed(9.0)
