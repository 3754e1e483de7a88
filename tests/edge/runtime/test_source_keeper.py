"""A source that opens and gives nothing is one loss, said once, tried again no more often than one that is away."""

from __future__ import annotations

import logging
import threading
import time

import pytest

from edge.errors import DeviceError
from edge.runtime.source_keeper import LONGEST_WAIT_S, SourceKeeper
from tests.edge.runtime.doubles import ManualClock, ScriptedSource
from tests.pace import Pace

PERIOD_S = 1 / 30


def read_for(keeper: SourceKeeper, clock: ManualClock, seconds: float) -> int:
    """Read for some of the clock's time and return how many chunks came."""
    ends_s = clock.now_s + seconds
    n_chunks = 0
    while clock.now_s < ends_s:
        n_chunks += keeper.read(PERIOD_S) is not None
        opener = keeper._opener
        if opener is not None:
            opener.join(1.0)
    return n_chunks


def test_a_device_that_opens_and_gives_nothing_is_one_loss_said_once(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    script = [("sound", 1470), ("lost",), *[("wait",), ("lost",)] * 20, *[("sound", 1470)] * 5]
    source = ScriptedSource(clock, script)
    keeper = SourceKeeper(source, clock)
    keeper.open()
    with caplog.at_level(logging.WARNING, "au-edge.source"):
        while len(source.script) > 3:
            read_for(keeper, clock, PERIOD_S)
    assert keeper.losses == 1
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert "frames go on without sound" in said[0]
    assert said[1].startswith("sound is back")


def test_a_device_that_opens_and_dies_at_once_is_not_opened_again_and_again() -> None:
    clock = ManualClock()
    source = ScriptedSource(clock, [("sound", 1470), *[("lost",)] * 1000])
    keeper = SourceKeeper(source, clock)
    keeper.open()
    read_for(keeper, clock, 10.0)
    assert 10.0 / (LONGEST_WAIT_S + 3 * PERIOD_S) <= source.n_opened <= 10.0 / LONGEST_WAIT_S + 5


def test_the_time_in_which_an_open_device_gave_nothing_counts_as_waited() -> None:
    clock = ManualClock()
    # About half a second of silence, then given up: the next try follows at once or nearly so.
    silent = [*[("wait",)] * 15, ("lost",)]
    source = ScriptedSource(clock, [("sound", 1470), ("lost",), *silent * 40])
    keeper = SourceKeeper(source, clock)
    keeper.open()
    read_for(keeper, clock, 10.0)
    assert source.n_opened >= 10.0 / (LONGEST_WAIT_S + 3 * PERIOD_S)


def test_a_source_that_was_away_at_the_start_is_no_loss_and_its_sound_is_announced(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = ManualClock()
    source = ScriptedSource(clock, [("sound", 1470)] * 3)
    opened = source.open
    source.open = lambda: (_ for _ in ()).throw(source.open_error)  # type: ignore[method-assign]
    keeper = SourceKeeper(source, clock)
    with caplog.at_level(logging.WARNING, "au-edge.source"):
        keeper.open(wait=True)
        read_for(keeper, clock, 1.0)
        source.open = opened  # type: ignore[method-assign]
        began_s = time.monotonic()
        while not read_for(keeper, clock, PERIOD_S) and time.monotonic() - began_s < 60.0:
            pass
    assert keeper.losses == 0
    assert [record.getMessage()[:13] for record in caplog.records] == ["microphone: a", "sound is back"]


class HangingSource(ScriptedSource):
    """Its opening hangs until it is let go."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock, [("sound", 1470)])
        self.is_free = threading.Event()

    def open(self) -> None:
        super().open()
        self.is_free.wait(60.0)


@pytest.mark.parametrize("wait", [False, True])
def test_a_stop_is_not_held_up_by_an_opening_that_hangs(wait: bool) -> None:
    source = HangingSource(ManualClock())
    keeper = SourceKeeper(source, source.clock)
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    with Pace() as pace:
        began_s = time.monotonic()
        keeper.open(wait, stop)
        keeper.close()
        took_s = time.monotonic() - began_s
    assert took_s < pace.allowed(0.3)
    assert not keeper.is_open
    source.is_free.set()


def test_who_waits_for_a_device_goes_on_while_its_opening_hangs() -> None:
    source = HangingSource(ManualClock())
    keeper = SourceKeeper(source, source.clock)
    with Pace() as pace:
        began_s = time.monotonic()
        keeper.open(wait=True)
        took_s = time.monotonic() - began_s
    assert took_s < pace.allowed(1.0)
    assert keeper.read(PERIOD_S) is None
    source.is_free.set()
    assert keeper._opener is not None
    keeper._opener.join(60.0)
    assert read_for(keeper, source.clock, PERIOD_S) == 1
    assert source.n_opened == 1


def test_a_device_that_cannot_be_had_at_the_start_is_an_error_where_it_is_not_waited_for() -> None:
    source = ScriptedSource(ManualClock(), [])
    source.n_opened, source.open_failures = 1, 1
    with pytest.raises(DeviceError):
        SourceKeeper(source, source.clock).open(stop=threading.Event())
