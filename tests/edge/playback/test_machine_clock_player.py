"""The player without a loudspeaker keeps the contract by the machine's time alone."""

from __future__ import annotations

import numpy as np
import pytest

from edge.contracts import Player
from edge.errors import DeviceError
from edge.playback.machine_clock_player import MachineClockPlayer
from tests.edge.sources.manual_clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def player(clock: ManualClock) -> MachineClockPlayer:
    made = MachineClockPlayer(clock=clock)
    made.open(24_000)
    return made


def test_it_is_a_player(player: MachineClockPlayer) -> None:
    assert isinstance(player, Player)
    assert player.state == "playing"


def test_a_second_of_sound_lasts_a_second(clock: ManualClock, player: MachineClockPlayer) -> None:
    begin_s = clock.monotonic_s()
    assert player.write(np.zeros(24_000, np.float32)) == 24_000
    assert player.time_of(0) == pytest.approx(begin_s, abs=1e-4)
    assert player.time_of(24_000) == pytest.approx(begin_s + 1.0, abs=1e-4)
    clock.sleep_until(begin_s + 0.5)
    position = player.position()
    assert position.sample_index == pytest.approx(12_000, abs=2)
    assert position.at_s == pytest.approx(begin_s + 0.5, abs=1e-4)


def test_a_pause_moves_what_comes_after_it_and_nothing_before(clock: ManualClock, player: MachineClockPlayer) -> None:
    begin_s = clock.monotonic_s()
    player.write(np.zeros(2400, np.float32))
    clock.sleep_until(begin_s + 3.0)
    player.write(np.zeros(2400, np.float32))
    assert player.time_of(2400) == pytest.approx(begin_s + 3.0, abs=1e-4)
    clock.sleep_until(begin_s + 3.05)
    assert player.time_of(2400) == pytest.approx(begin_s + 3.0, abs=1e-4)
    assert player.time_of(1200) == pytest.approx(begin_s + 0.05, abs=1e-4)
    assert player.counters()["underruns"] == 0


def test_sound_that_comes_late_is_an_underrun(clock: ManualClock, player: MachineClockPlayer) -> None:
    begin_s = clock.monotonic_s()
    player.write(np.zeros(2400, np.float32))
    clock.sleep_until(begin_s + 0.2)
    player.write(np.zeros(2400, np.float32))
    clock.sleep_until(begin_s + 0.25)
    assert player.room() > 0
    assert player.counters()["underruns"] == 1


def test_a_clear_drops_what_has_not_left(clock: ManualClock, player: MachineClockPlayer) -> None:
    begin_s = clock.monotonic_s()
    player.write(np.zeros(24_000, np.float32))
    clock.sleep_until(begin_s + 0.5)
    dropped = player.clear()
    assert dropped == pytest.approx(12_000 - 120, abs=2)
    clock.sleep_until(begin_s + 0.6)
    assert player.position().sample_index == 24_000
    assert player.counters()["dropped_samples"] == dropped
    player.write(np.zeros(240, np.float32))
    assert player.time_of(24_000) == pytest.approx(begin_s + 0.6, abs=1e-4)


def test_closed_it_refuses_and_keeps_its_counts(clock: ManualClock, player: MachineClockPlayer) -> None:
    player.write(np.zeros(24_000, np.float32))
    player.clear()
    clock.sleep_until(clock.monotonic_s() + 0.1)
    player.room()
    dropped = player.counters()["dropped_samples"]
    assert dropped > 0
    player.close()
    player.close()
    assert player.state == "closed"
    assert player.counters()["dropped_samples"] == dropped
    with pytest.raises(DeviceError, match="closed"):
        player.write(np.zeros(1, np.float32))
