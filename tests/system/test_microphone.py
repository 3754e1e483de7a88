"""Capture through the real PyAudio, PortAudio and ALSA, from microphones whose every sample and its time are known."""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import threading
import time
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from edge.alsa import finding
from edge.alsa.devices import DeviceIdentity, list_devices
from edge.alsa.portaudio import Direction, PortAudio
from edge.errors import ConfigurationError, DeviceError
from edge.frames import AudioChunk
from edge.machine.clock import SystemClock
from edge.runtime.source_keeper import SourceKeeper
from edge.sources import microphone as microphone_module
from edge.sources.microphone import Microphone
from tests.pace import Pace
from tests.requirements import need
from tests.virtual_microphone.air import Device
from tests.virtual_microphone.studio import Studio, Truth, open_studio

pytestmark = pytest.mark.realtime

DEVICES = [
    Device("mono_44", 44_100),
    Device("mono_48", 48_000),
    Device("six_44", 44_100, 6),
    Device("six_48", 48_000, 6, "S32_LE"),
    Device("fine_48", 48_000, 1, "S24_3LE"),
    Device("array_16", 16_000, 4),
]


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with open_studio(tmp_path_factory.mktemp("studio"), DEVICES) as made:
        yield made


@pytest.fixture(autouse=True)
def _as_urgent_as_the_engine() -> Iterator[None]:
    """Run as the engine's thread does, so that other programs of this machine do not decide what is lost."""
    yield
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@pytest.fixture
def make(studio: Studio) -> Iterator[object]:
    made: list[Microphone] = []

    def microphone(device: str, **options: object) -> Microphone:
        source = Microphone(device, clock=SystemClock(), **options)  # type: ignore[arg-type]
        made.append(source)
        return source

    yield microphone
    for source in made:
        source.close()
    for air in studio.airs.values():
        air.fault("none")
        air.run_fast(0)


def until_heard(keeper: SourceKeeper) -> float:
    """Return how long it took until sound came."""
    began_s = time.monotonic()
    while keeper.read(0.02) is None and time.monotonic() - began_s < 60.0:
        pass
    return time.monotonic() - began_s


def listen(source: Microphone, seconds: float) -> list[AudioChunk]:
    """Return what is heard, copied."""
    chunks = []
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        chunk = source.read(0.05)
        if chunk is not None:
            chunks.append(AudioChunk(chunk.samples.copy(), chunk.start_index, chunk.end_time_s))
    return chunks


def offsets(chunks: list[AudioChunk], truth: Truth) -> set[int | None]:
    """Return by how much axis and sound differ, over all chunks: one number where the axis is right."""
    found = set()
    for chunk in chunks:
        index = truth.index_of(chunk)
        found.add(None if index is None else index - chunk.start_index)
    return found


def until_lost(source: Microphone, limit_s: float) -> tuple[DeviceError, float]:
    """Read until the device is given up; return the error and how long it took."""
    began_s = time.monotonic()
    while time.monotonic() - began_s < limit_s:
        try:
            source.read(0.02)
        except DeviceError as err:
            return err, time.monotonic() - began_s
    pytest.fail(f"no DeviceError within {limit_s} s")


def hold_the_interpreter(seconds: float) -> float:
    """Keep every other Python thread from running, as a long call in C does; return for how long."""
    began_s = time.perf_counter()
    ctypes.PyDLL(None).usleep(int(seconds * 1e6))
    return time.perf_counter() - began_s


def collect_garbage(seconds: float) -> float:
    """Let the collector hold the interpreter for so long, and not for much longer."""
    n_cycles = 10_000
    while True:
        gc.disable()
        rubbish = []
        for _ in range(n_cycles):
            cycle: list[object] = []
            cycle.append(cycle)
            rubbish.append(cycle)
        del rubbish, cycle
        began_s = time.perf_counter()
        gc.collect()
        held_s = time.perf_counter() - began_s
        gc.enable()
        if held_s >= seconds:
            return held_s
        # In small steps: beyond the processor's cache the time grows faster than the number, and a hold three times
        # as long as was asked for loses samples by right.
        n_cycles = int(n_cycles * min(2.0, max(1.2, 0.7 * seconds / held_s)))


@pytest.mark.parametrize(
    ("device", "channel", "column"),
    [
        ("mono_44", "1", 0),
        ("mono_48", "1", 0),
        ("fine_48", "1", 0),
        ("six_44", "1", 0),
        ("six_44", "6", 5),
        ("six_44", "mix", None),
        ("six_48", "4", 3),
        ("array_16", "2", 1),
    ],
)
def test_every_sample_is_the_airs_own_at_its_place_and_time(
    make, studio: Studio, device: str, channel: str, column: int | None
) -> None:
    source = make(device, channel=channel)
    source.open()
    chunks = listen(source, 0.6)
    truth = studio.truth(device, column)
    assert source.rate_hz == studio.devices[device].rate_hz
    assert sum(len(chunk.samples) for chunk in chunks) > 0.5 * source.rate_hz
    assert None not in offsets(chunks, truth)
    assert len(offsets(chunks, truth)) == 1
    for before, after in pairwise(chunks):
        assert after.start_index == before.end_index
    for chunk in chunks:
        index = truth.index_of(chunk)
        assert index is not None
        # The plug-in's delay counts whole samples and PortAudio reads the clock beside it: some tens of microseconds.
        assert chunk.end_time_s == pytest.approx(truth.air.time_of(index + len(chunk.samples)), abs=5e-4)
    assert source.counters()["lost_samples"] == 0
    assert source.clock_domain == "CLOCK_MONOTONIC"


@pytest.mark.parametrize("period_samples", [64, 128, 512, 1024])
def test_every_period_is_captured_without_loss(make, studio: Studio, period_samples: int) -> None:
    source = make("mono_48", period_samples=period_samples)
    source.open()
    chunks = listen(source, 0.4)
    assert len(offsets(chunks, studio.truth("mono_48"))) == 1
    assert {len(chunk.samples) for chunk in chunks} == {period_samples}
    assert source.counters()["lost_samples"] == 0


def test_a_sound_is_in_the_programs_hands_a_period_later(make) -> None:
    source = make("mono_48", period_samples=256)
    source.open()
    ages_s = []
    with Pace() as pace:
        listen(source, 0.1)
        for _ in range(100):
            chunk = source.read(0.1)
            if chunk is not None:
                ages_s.append(time.monotonic() - chunk.end_time_s)
    assert min(ages_s) > 0
    assert np.median(ages_s) < pace.allowed(256 / 48_000)  # the large ring must not delay


MOST_ROUNDS = 10
LONGEST_HOLD_S, HIGHEST_SLOWDOWN = 0.13, 1.3  # beyond these a loss is the machine's, whose card is a program too


@pytest.fixture
def frozen_heap() -> Iterator[None]:
    """As the program does after its warm-up: what other tests have left behind is not collected again."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize("hold", [hold_the_interpreter, collect_garbage])
def test_a_hold_of_100_ms_loses_no_sample(make, studio: Studio, hold, frozen_heap: None) -> None:
    """Where the machine itself stood still, or made a hold longer, in the same second, that round tells nothing."""
    for _ in range(MOST_ROUNDS):
        source = make("mono_48")
        source.open()
        with Pace() as pace:
            chunks = listen(source, 0.2)
            holds_s = []
            for _ in range(3):
                holds_s.append(hold(0.1))
                chunks += listen(source, 0.2)
        losses = source.counters()["lost_samples"], source.counters()["overruns"]
        source.close()
        assert min(holds_s) >= 0.099
        if losses == (0, 0):
            break
        if max(holds_s) <= LONGEST_HOLD_S and pace.slowdown <= HIGHEST_SLOWDOWN:
            pytest.fail(f"lost {losses} in holds of {max(holds_s):.3f} s, bystander slowed {pace.slowdown:.2f} times")
    else:
        need("quiet machine", False, f"in {MOST_ROUNDS} rounds this machine held everything up for longer than 0.1 s")
    assert len(offsets(chunks, studio.truth("mono_48"))) == 1
    for before, after in pairwise(chunks):
        assert after.start_index == before.end_index


def test_an_engine_that_stood_still_does_not_accuse_the_device(make) -> None:
    source = make("mono_48")
    source.open()
    listen(source, 0.1)
    hold_the_interpreter(0.6)  # longer than the watchdog's limit
    assert listen(source, 0.2)
    time.sleep(0.6)
    assert listen(source, 0.2)
    assert source.counters()["reopened"] == 0


def test_an_overrun_is_counted_to_the_sample_and_the_axis_jumps_ahead(make, studio: Studio) -> None:
    source = make("six_44")
    source.open()
    chunks = listen(source, 0.2)
    for _ in range(3):
        studio.airs["six_44"].fault("overrun")
        chunks += listen(source, 0.2)
    found = [offset for offset in offsets(chunks, studio.truth("six_44")) if offset is not None]
    assert max(found) - min(found) <= 1  # what the axis leaves out is what is missing: a driver stamps whole samples
    gaps = [after.start_index - before.end_index for before, after in pairwise(chunks)]
    assert min(gaps) == 0
    assert len([gap for gap in gaps if gap]) == 3
    assert source.counters()["lost_samples"] == sum(gaps)
    assert source.counters()["overruns"] == 3


def test_an_engine_that_is_too_slow_loses_the_oldest_and_knows_how_many(make, studio: Studio) -> None:
    source = make("mono_48")
    source.open()
    chunks = listen(source, 0.1)
    time.sleep(2.6)  # longer than the ring
    chunks += listen(source, 0.3)
    assert len(offsets(chunks, studio.truth("mono_48"))) == 1
    lost = sum(after.start_index - before.end_index for before, after in pairwise(chunks))
    assert lost == source.counters()["lost_samples"]
    assert 0.3 * 48_000 < lost < 1.0 * 48_000


@pytest.mark.parametrize("ppm", [-300, 300])
def test_a_device_whose_clock_is_wrong_keeps_its_times(make, studio: Studio, ppm: int) -> None:
    air = studio.airs["mono_48"]
    air.run_fast(ppm)
    source = make("mono_48")
    source.open()
    chunks = listen(source, 2.0)
    start_s, rate_hz = air["stream_start_ns"] / 1e9, 48_000 * (1 + ppm * 1e-6)
    first = air["stream_first_index"]
    truth = studio.truth("mono_48")
    for chunk in chunks:
        index = truth.index_of(chunk)
        assert index is not None
        true_s = start_s + (index - first + len(chunk.samples)) / rate_hz
        assert chunk.end_time_s == pytest.approx(true_s, abs=5e-4)
    assert source.counters()["lost_samples"] == 0


@pytest.mark.parametrize("fault", ["unplugged", "stalled", "hung"])
def test_a_device_that_goes_and_comes_is_heard_again_on_the_same_axis(make, studio: Studio, fault: str) -> None:
    air = studio.airs["mono_48"]
    source = make("mono_48")
    source.open()
    chunks = listen(source, 0.2)
    with Pace() as pace:
        air.fault(fault)
        error, took_s = until_lost(source, 60.0)
    assert took_s < pace.allowed(0.6)
    assert "mono_48" in str(error)
    with pytest.raises(DeviceError):
        source.read(0.01)
    if fault == "unplugged":
        with pytest.raises(DeviceError, match="not there any more"):
            source.open()
    air.fault("none")
    with Pace() as pace:
        back_s = time.monotonic()
        source.open()
        while source.read(0.05) is None and time.monotonic() - back_s < 60.0:
            pass
        took_s = time.monotonic() - back_s
    assert took_s < pace.allowed(1.0)
    chunks += listen(source, 0.3)
    assert len(offsets(chunks, studio.truth("mono_48"))) <= 2
    found = sorted(offset for offset in offsets(chunks, studio.truth("mono_48")) if offset is not None)
    assert found[-1] - found[0] <= 2  # the axis went on by the time that passed, as well as two stamps tell it
    assert source.counters()["reopened"] == 1
    assert source.counters()["lost_samples"] > 0.2 * 48_000


@pytest.mark.parametrize("fault", ["stalled", "hung"])
def test_a_device_that_is_opened_while_it_gives_nothing_is_heard_within_a_second_of_its_return(
    studio: Studio, fault: str
) -> None:
    air = studio.airs["mono_48"]
    source = Microphone("mono_48", clock=SystemClock())
    keeper = SourceKeeper(source, SystemClock())
    keeper.open()
    until_heard(keeper)
    for away_s in (0.3, 1.1):
        air.fault(fault)
        began_s = time.monotonic()
        while time.monotonic() < began_s + 0.4 + away_s:  # noticed and opened again after 0.3 s
            keeper.read(0.02)
        assert air["n_starts"] >= 2
        with Pace() as pace:
            air.fault("none")
            returned_s = until_heard(keeper)
        assert returned_s < pace.allowed(1.0)
    keeper.close()


def test_a_card_that_is_away_is_not_asked_for_again_and_again(make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "card_numbers", lambda: {"Mic": 1})
    source = make("mono_48")
    source.open()
    source.close()
    source._identity = DeviceIdentity("Mic: Audio (hw:1,0)", "Mic: Audio", "Mic")  # as of a real card
    monkeypatch.setattr(finding, "card_numbers", dict)
    monkeypatch.setattr(finding, "PortAudio", lambda: pytest.fail("PortAudio was started"))
    with pytest.raises(DeviceError, match="not there any more"):
        source.open()


def test_a_device_in_use_can_be_tried_again(make, studio: Studio) -> None:
    air = studio.airs["mono_48"]
    air.fault("busy")
    source = make("mono_48", wait_for_device=True)
    for _ in range(3):
        with pytest.raises(DeviceError):
            source.open()
    air.fault("none")
    source.open()
    assert listen(source, 0.2)


def test_read_keeps_its_timeout_also_while_the_device_is_silent(make, studio: Studio) -> None:
    source = make("mono_48")
    source.open()
    listen(source, 0.1)
    over_s = []
    with Pace() as pace:
        studio.airs["mono_48"].fault("stalled")
        listen(source, 0.03)
        for timeout_s in (0.0, 0.01, 0.05):
            began_s = time.monotonic()
            assert source.read(timeout_s) is None
            over_s.append(time.monotonic() - began_s - timeout_s)
    assert max(over_s) < pace.allowed(0.05)


def test_close_from_another_thread_ends_the_reading_and_may_be_repeated(make) -> None:
    source = make("mono_48")
    source.open()
    listen(source, 0.1)
    closer = threading.Timer(0.1, source.close)
    closer.start()
    with pytest.raises(DeviceError, match="closed"):
        listen(source, 2.0)
    closer.join()
    source.close()
    source.open()
    assert listen(source, 0.1)


def test_the_model_rate_is_taken_where_the_device_has_it_else_the_devices_own(make) -> None:
    for device, preferred_hz, rate_hz in [
        ("mono_44", 44_100, 44_100),
        ("mono_48", 44_100, 48_000),
        ("array_16", 48_000, 16_000),
    ]:
        source = make(device, preferred_rate_hz=preferred_hz)
        source.open()
        assert source.rate_hz == rate_hz
        source.close()


def test_a_rate_or_channel_that_the_device_lacks_is_refused_with_what_it_has(make) -> None:
    with pytest.raises(ConfigurationError, match="48000 Hz"):
        make("mono_48", rate_hz=44_100).open()
    with pytest.raises(ConfigurationError, match="6 channels"):
        make("six_44", channels=7).open()
    with pytest.raises(ConfigurationError, match="it has 1 channel"):
        make("mono_48", channel="2").open()


def test_devices_are_found_by_name_then_by_a_unique_part(make) -> None:
    for wanted, device in [("six_44", "six_44"), ("ARRAY", "array_16"), ("fine", "fine_48")]:
        source = make(wanted)
        source.open()
        assert f"microphone {device}," in source.description
        source.close()
    with pytest.raises(ConfigurationError, match=r"2 devices.*'mono_44', 'mono_48'"):
        make("mono").open()
    with pytest.raises(ConfigurationError, match=r"no such device.*'mono_44'"):
        make("nothing like it").open()
    source = make("")
    source.open()
    assert listen(source, 0.1)


def test_the_list_of_devices_tells_what_each_can_do(studio: Studio) -> None:
    listed = {device.name: device for device in list_devices()}
    for name, device in studio.devices.items():
        assert listed[name].n_channels == device.n_channels
        assert listed[name].rates_hz == (device.rate_hz,)
        assert not listed[name].is_monitor
    assert [device.is_default for device in listed.values()].count(True) == 1


def test_listing_the_devices_again_and_again_costs_no_memory(studio: Studio) -> None:
    def resident_kb() -> int:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize() // 1024

    def list_once() -> None:
        portaudio = PortAudio()
        assert portaudio.devices(Direction.INPUT)
        portaudio.terminate()

    for _ in range(20):
        list_once()
    before_kb = resident_kb()
    for _ in range(60):
        list_once()
    assert resident_kb() - before_kb < 60 * 5  # it was 13 KB each, without alsa_plugins


def test_an_audio_system_that_hangs_never_holds_the_program(make, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    real = finding.PortAudio

    class Hanging(real):  # type: ignore[misc, valid-type]
        def __init__(self) -> None:
            release.wait(120.0)
            super().__init__()

    monkeypatch.setattr(finding, "PortAudio", Hanging)
    monkeypatch.setattr(microphone_module, "OPEN_LIMIT_S", 0.2)
    source = make("mono_48")
    before = set(threading.enumerate())
    for _ in range(5):
        with Pace() as pace:
            began_s = time.monotonic()
            with pytest.raises(DeviceError, match="does not answer"):
                source.open()
            took_s = time.monotonic() - began_s
        assert took_s < pace.allowed(0.6)
        assert len(set(threading.enumerate()) - before) <= 1  # one thread is stuck, not one more at every attempt
    release.set()
    monkeypatch.undo()
    deadline_s = time.monotonic() + 60.0
    while set(threading.enumerate()) - before and time.monotonic() < deadline_s:
        time.sleep(0.02)
    assert not set(threading.enumerate()) - before  # the late stream was closed by itself
    source.open()
    assert listen(source, 0.1)
