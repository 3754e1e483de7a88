"""Sound out through the real PyAudio, PortAudio and ALSA, to loudspeakers that keep what they played and when."""

from __future__ import annotations

import ctypes
import io
import os
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from edge.alsa.devices import list_devices
from edge.alsa.portaudio import Direction
from edge.commands.sync import ByEye
from edge.contracts import Player
from edge.errors import ConfigurationError, DeviceError
from edge.features.resampler import Resampler
from edge.frames import AUFrame
from edge.machine.clock import SystemClock
from edge.machine.realtime import ENGINE_PRIORITY, make_thread_realtime
from edge.playback.portaudio_player import PortAudioPlayer
from edge.playback.ticks import Ticks
from tests.pace import Pace
from tests.requirements import need
from tests.virtual_loudspeaker.audience import Audience, open_hall
from tests.virtual_loudspeaker.talker import RATE_HZ, Talker, errors_of, middles
from tests.virtual_microphone.air import Device

pytestmark = pytest.mark.realtime

DEVICES = [
    Device("stereo_48", 48_000, 2),
    Device("mono_44", 44_100, 1),
    Device("fine_24", 24_000, 1, "S32_LE"),
    Device("array_16", 16_000, 6),
]
Make = Callable[..., PortAudioPlayer]


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Audience]]:
    with open_hall(tmp_path_factory.mktemp("hall"), DEVICES) as made:
        yield made


@pytest.fixture(autouse=True)
def _as_urgent_as_the_engine() -> Iterator[None]:
    """Run as the engine's thread does, so that other programs of this machine do not decide what is late."""
    make_thread_realtime(ENGINE_PRIORITY, "test")
    yield
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@pytest.fixture
def make(hall: dict[str, Audience]) -> Iterator[Make]:
    made: list[PortAudioPlayer] = []

    def player(device: str, **options: object) -> PortAudioPlayer:
        one = PortAudioPlayer(device, clock=SystemClock(), make_resampler=Resampler, **options)  # type: ignore[arg-type]
        made.append(one)
        return one

    yield player
    for one in made:
        one.close()
    for audience in hall.values():
        audience.fault("none")
        audience.run_fast(0)
        audience.move_in_steps(0)


def hold_the_interpreter(seconds: float) -> None:
    """Keep every other Python thread from running, as a long call in C does."""
    ctypes.PyDLL(None).usleep(int(seconds * 1e6))


def wait_for(what: Callable[[], bool], limit_s: float = 60.0) -> float:
    """Return how long it took until something was so."""
    began_s = time.monotonic()
    while not what():
        assert time.monotonic() - began_s < limit_s, "it never was"
        time.sleep(0.005)
    return time.monotonic() - began_s


def talk_until(talker: Talker, state: str, limit_s: float = 60.0) -> None:
    """Go on talking until the player is in a state."""
    ends_s = time.monotonic() + limit_s
    while talker.player.state != state:
        assert time.monotonic() < ends_s, f"never {state}"
        talker.talk(0.1)


@pytest.mark.parametrize(
    ("device", "ppm", "step_frames"),
    [*((device.name, 200, 0) for device in DEVICES), ("mono_44", -200, 0), ("stereo_48", 200, 48)],
)
def test_each_sample_leaves_when_the_player_says(
    hall: dict[str, Audience], make: Make, device: str, ppm: int, step_frames: int
) -> None:
    audience = hall[device]
    audience.run_fast(ppm)
    audience.move_in_steps(step_frames)  # the driver's word is then up to 3 ms old
    player = make(device)
    began_s = time.monotonic()
    player.open(RATE_HZ)
    assert isinstance(player, Player)
    talker = Talker(player)
    talker.talk(3.0)
    errors_s = errors_of(talker, audience, began_s)
    assert len(errors_s) > 20
    assert abs(np.median(errors_s)) < 0.002 + step_frames / 16_000
    assert np.quantile(np.abs(errors_s), 0.99) < 0.020


def test_what_is_written_is_what_is_heard_on_every_channel(hall: dict[str, Audience], make: Make) -> None:
    audience = hall["stereo_48"]
    player = make("stereo_48")
    player.open(48_000)
    began_s = time.monotonic()
    sound = np.random.default_rng(1).uniform(-0.9, 0.9, 24_000).astype(np.float32)
    assert player.write(sound) == len(sound)
    wait_for(lambda: player.position().sample_index >= len(sound))
    time.sleep(0.1)
    heard = [run for run in audience.heard() if run.start_s > began_s - 1.0]
    samples = np.concatenate([run.samples for run in heard])
    first = np.flatnonzero(np.abs(samples[:, 0]) > 1e-3)[0]
    for channel in range(2):  # PortAudio dithers and rounds down to 16 bits
        np.testing.assert_allclose(samples[first : first + len(sound), channel], sound, atol=4 / 32768)
    assert player.counters() == {"underruns": 0, "dropped_samples": 0, "reopened": 0}


def test_the_volume_is_in_db(hall: dict[str, Audience], make: Make) -> None:
    player = make("fine_24", volume_db=-20.0)
    player.open(RATE_HZ)
    began_s = time.monotonic()
    player.write(np.full(4800, 0.5, np.float32))
    wait_for(lambda: player.position().sample_index >= 4800)
    time.sleep(0.1)
    heard = np.concatenate([run.samples[:, 0] for run in hall["fine_24"].heard() if run.start_s > began_s - 1.0])
    assert heard.max() == pytest.approx(0.05, rel=1e-3)


@pytest.mark.parametrize("device", ["stereo_48", "mono_44"])
def test_after_a_clear_the_loudspeaker_is_silent_within_100_ms(
    hall: dict[str, Audience], make: Make, device: str
) -> None:
    audience, player = hall[device], make(device)
    player.open(RATE_HZ)
    for _ in range(5):
        first = player.position().sample_index
        player.write(np.full(RATE_HZ, 0.5, np.float32))
        due_s = player.time_of(first) + 0.2
        while time.monotonic() < due_s:
            time.sleep(0.005)
        cleared_s = time.monotonic()
        dropped = player.clear()
        time.sleep(0.15)
        sound, times_s = audience.heard_at_once()
        loud = np.flatnonzero(np.abs(sound) > 1e-3)
        assert 0.0 < times_s[loud[-1]] - cleared_s < 0.100
        assert np.max(np.abs(np.diff(sound[loud[-1] - 200 : loud[-1] + 5]))) < 0.02  # no click at the end
        assert dropped == pytest.approx(RATE_HZ * 0.75, abs=RATE_HZ * 0.05)
        assert player.time_of(first + RATE_HZ - 2) < time.monotonic()  # dropped: nobody waits for it
    assert player.counters()["underruns"] == 0


def test_a_card_that_runs_dry_is_counted_and_the_times_stay_true(hall: dict[str, Audience], make: Make) -> None:
    audience, player = hall["stereo_48"], make("stereo_48")
    began_s = time.monotonic()
    player.open(RATE_HZ)
    talker = Talker(player)
    for _ in range(4):
        talker.talk(0.7)
        audience.fault("underrun")
        wait_for(lambda: audience["fault"] == 0)
    talker.talk(0.7)
    errors_s = errors_of(talker, audience, began_s)
    assert len(errors_s) > 20
    assert np.median(np.abs(errors_s)) < 0.002
    # A burst that was told before the underrun and came after it was told too early: at most one each.
    assert np.sum(np.abs(errors_s) > 0.010) <= 4
    assert player.counters()["underruns"] >= 4


def test_a_hold_of_40_ms_is_not_heard_and_a_long_one_is_counted(hall: dict[str, Audience], make: Make) -> None:
    audience, player = hall["stereo_48"], make("stereo_48")
    player.open(RATE_HZ)
    talker = Talker(player)
    talker.talk(0.5)
    before = audience["n_underruns"]
    hold_the_interpreter(0.035)
    talker.talk(0.3)
    control = audience["n_underruns"]
    hold_the_interpreter(0.2)
    talker.talk(0.3)
    assert audience["n_underruns"] > control
    assert player.counters()["underruns"] > 0
    if control > before:
        need("steady machine", False, "this one stood still for longer than was asked for")


@pytest.mark.parametrize("fault", ["unplugged", "hung", "stalled"])
def test_a_card_that_vanishes_comes_back_and_the_sound_goes_by_meanwhile(
    hall: dict[str, Audience], make: Make, fault: str
) -> None:
    audience, player = hall["stereo_48"], make("stereo_48")
    player.open(RATE_HZ)
    talker = Talker(player)
    talker.talk(0.6)
    with Pace() as pace:
        audience.fault(fault)
        broken_s, at_break = time.monotonic(), player.position().sample_index
        talk_until(talker, "held")
        talker.talk(0.8)
        gone, elapsed_s = player.position().sample_index - at_break, time.monotonic() - broken_s
    # Until the player sees that the card is gone, its sound stands still.
    assert gone == pytest.approx(RATE_HZ * elapsed_s, abs=RATE_HZ * pace.allowed(0.15))
    audience.fault("none")
    talk_until(talker, "playing")
    talker.talk(1.5)
    assert player.state == "playing"
    assert player.counters()["reopened"] >= 1
    back = [time_s for time_s in middles(audience) if time_s > broken_s + 1.0]
    assert len(back) > 5
    told = np.array(list(talker.told_s.values()))
    late = np.array([told[np.argmin(np.abs(told - time_s))] - time_s for time_s in back[2:]])
    assert np.max(np.abs(late)) < 0.010


def test_a_busy_card_is_said_and_had_when_it_is_free(hall: dict[str, Audience], make: Make) -> None:
    audience, player = hall["mono_44"], make("mono_44")
    audience.fault("busy")
    with pytest.raises((DeviceError, ConfigurationError), match="mono_44"):
        player.open(RATE_HZ)
    assert player.state == "closed"
    audience.fault("none")
    player.open(RATE_HZ)
    assert player.state == "playing"


def test_a_card_that_is_not_there_yet_is_waited_for_where_that_is_asked(hall: dict[str, Audience], make: Make) -> None:
    audience, player = hall["mono_44"], make("mono_44", wait_for_device=True)
    audience.fault("unplugged")
    player.open(RATE_HZ)
    assert player.state == "held"
    talker = Talker(player)
    talker.talk(0.5)
    audience.fault("none")
    wait_for(lambda: player.state == "playing")
    began_s = time.monotonic()
    talker.talk(1.5)
    errors_s = errors_of(talker, audience, began_s + 0.2)  # at its own rate, with the indices going on
    assert len(errors_s) > 5
    assert np.max(np.abs(errors_s)) < 0.010


def test_an_unknown_card_and_one_that_cannot_are_answered_with_what_there_is(make: Make) -> None:
    with pytest.raises(ConfigurationError, match="stereo_48") as caught:
        make("carrier pigeon").open(RATE_HZ)
    assert "loudspeaker" in str(caught.value)
    with pytest.raises(ConfigurationError, match=r"play\.channels"):
        make("mono_44", channels=2).open(RATE_HZ)


def test_outputs_are_listed_and_inputs_are_not_among_them(hall: dict[str, Audience]) -> None:
    listed = {device.name: device for device in list_devices(Direction.OUTPUT)}
    assert listed["stereo_48"].rates_hz == (48_000,)
    assert listed["stereo_48"].n_channels == 2
    assert listed["array_16"].direction == "output"
    assert "stereo_48" not in {device.name for device in list_devices(Direction.INPUT)}


def test_opened_and_closed_again_and_again_it_counts_from_zero(make: Make) -> None:
    player = make("fine_24")
    for rate_hz in (24_000, 16_000, 48_000):
        player.open(rate_hz)
        assert player.position().sample_index == 0
        player.write(np.zeros(rate_hz // 10, np.float32))
        wait_for(lambda rate_hz=rate_hz: player.position().sample_index == rate_hz // 10)  # type: ignore[misc]
        player.close()
        player.close()
    assert player.state == "closed"


class Face:
    """A receiver that keeps when its mouth opened."""

    delay_ms = 0.0

    def __init__(self) -> None:
        self.opened_s: list[float] = []
        self._was_open = False

    def open(self) -> None: ...

    def pump(self) -> None: ...

    def close(self) -> None: ...

    def send(self, frame: AUFrame) -> None:
        is_open = bool(frame.activations[0] > 0.5)
        if is_open and not self._was_open:
            self.opened_s.append(time.monotonic())
        self._was_open = is_open


def test_a_tick_of_sync_opens_the_mouth_when_it_leaves_the_loudspeaker(hall: dict[str, Audience], make: Make) -> None:
    audience, face = hall["mono_44"], Face()
    began_s = time.monotonic()
    ticks = Ticks(make("mono_44"), SystemClock())
    by_eye = ByEye(ticks, [face], ["jawOpen"], 1 / 30, 0.0, SystemClock())  # type: ignore[list-item]
    by_eye.run(lambda: "q" if time.monotonic() - began_s > 5.0 else "", io.StringIO())
    sound, times_s = audience.heard_at_once()
    loud_s = times_s[(np.abs(sound) > 0.1) & (times_s > began_s)]
    true_s = loud_s[np.flatnonzero(np.diff(loud_s, prepend=0.0) > 0.5)]
    true_s = true_s[true_s < began_s + 4.8]  # the face of a later one may be left out by the end
    assert len(true_s) >= 3
    late_s = np.array([face.opened_s[np.argmin(np.abs(np.array(face.opened_s) - t))] - t for t in true_s])
    assert np.all(np.abs(late_s) < 0.030)  # of a clap the loudest part is what is found, a few milliseconds in


def test_losing_the_card_again_and_again_leaves_nothing_behind(hall: dict[str, Audience], make: Make) -> None:
    audience, player = hall["fine_24"], make("fine_24")
    player.open(RATE_HZ)
    counts = []
    for _ in range(8):
        audience.fault("unplugged")
        wait_for(lambda: player.state == "held")
        audience.fault("none")
        wait_for(lambda: player.state == "playing")
        time.sleep(0.1)  # what was given up is closed beside us
        counts.append((len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))))
    assert counts[-1] <= counts[1]  # ALSA's caches fill in the first
    assert player.counters()["reopened"] == 8
