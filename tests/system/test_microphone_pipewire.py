"""Capture from PipeWire over its PulseAudio protocol: its monitors, its death and its return."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import numpy as np
import pytest

from edge.alsa.devices import list_devices
from edge.machine.clock import SystemClock
from edge.runtime.source_keeper import SourceKeeper
from edge.sources.microphone import Microphone
from tests.pace import Pace
from tests.requirements import need
from tests.virtual_microphone.air import why_not
from tests.virtual_microphone.pipewire import PipeWire, why_no_pipewire
from tests.virtual_microphone.sound_server import SINK

MONITOR = f"pulse:{SINK}.monitor"
READ_S = 1 / 30
LIMIT_S = 300  # of the whole; it takes a few seconds where all is well


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[PipeWire]:
    missing = why_not() or why_no_pipewire()
    need("pipewire", not missing, f"no private PipeWire: {missing}")
    made = PipeWire(tmp_path_factory.mktemp("pipewire"))
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PULSE_SOURCE", "")
    monkeypatch.delenv("PULSE_SOURCE")

    def give_up(*_: object) -> None:
        pytest.fail(f"not done within {LIMIT_S} s: is the private PipeWire hung?", pytrace=False)

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(LIMIT_S)
    try:
        try:
            made.start()
        except RuntimeError as err:
            need("pipewire", False, str(err))
        yield made
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        made.close()


def loudest(keeper: SourceKeeper, limit_s: float) -> float:
    """Read until something is heard and return how loud it was."""
    ends_s = time.monotonic() + limit_s
    while time.monotonic() < ends_s:
        chunk = keeper.read(READ_S)
        if chunk is not None and (level := float(np.abs(chunk.samples).max())) > 0.1:
            assert time.monotonic() - 1.0 < chunk.end_time_s <= time.monotonic()
            return level
    return 0.0


def test_what_is_played_is_listed_as_a_monitor_heard_and_heard_again_after_the_servers_death(server: PipeWire) -> None:
    monitor = next(device for device in list_devices() if device.name == MONITOR)
    assert (monitor.is_monitor, monitor.rates_hz) == (True, (48_000,))
    source = Microphone(MONITOR, clock=SystemClock())
    keeper = SourceKeeper(source, SystemClock())
    keeper.open()
    player = server.play_noise()
    assert loudest(keeper, 60.0) > 0.1
    with Pace() as pace:
        server.kill()
        player.wait(60.0)
        dead_s = time.monotonic()
        while keeper.is_open and time.monotonic() - dead_s < 60.0:
            keeper.read(READ_S)
        noticed_s = time.monotonic() - dead_s
    assert noticed_s < pace.allowed(2.0)
    server.start()
    player = server.play_noise()
    assert loudest(keeper, 60.0) > 0.1
    assert source.counters()["reopened"] >= 1
    player.kill()
    player.wait(60.0)
    keeper.close()
