"""Sound out through a private PulseAudio: heard at its monitor, cleared in time, and back after the server's death."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge.features.resampler import Resampler
from edge.machine.clock import SystemClock
from edge.playback.portaudio_player import PortAudioPlayer
from tests.pace import Pace
from tests.requirements import need
from tests.virtual_microphone.air import why_not
from tests.virtual_microphone.sound_server import SINK, SoundServer, why_no_server
from tests.virtual_microphone.studio import let_go_of_portaudio

pytestmark = pytest.mark.realtime

RATE_HZ = 24_000
RECORDED_HZ = 48_000
HIGHEST_SLOWDOWN = 4.0  # two busy programs beside the suite make two


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SoundServer]:
    missing = why_not() or why_no_server()
    need("pulseaudio", not missing, f"no private PulseAudio: {missing}")
    let_go_of_portaudio()
    made = SoundServer(tmp_path)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def player(server: SoundServer) -> Iterator[PortAudioPlayer]:
    made = PortAudioPlayer("pulse", clock=SystemClock(), make_resampler=Resampler)
    made.open(RATE_HZ)
    yield made
    made.close()


def until(what: object, limit_s: float = 60.0) -> None:
    ends_s = time.monotonic() + limit_s
    while not what():  # type: ignore[operator]
        assert time.monotonic() < ends_s, "it never was"
        time.sleep(0.01)


def test_sound_is_heard_as_long_as_it_was_said_to_be_and_no_longer_after_a_clear(
    player: PortAudioPlayer, tmp_path: Path
) -> None:
    recording = tmp_path / "monitor.raw"
    command = ["pacat", "-r", "--raw", f"--rate={RECORDED_HZ}", "--channels=1", "-d", f"{SINK}.monitor"]
    wanted_s = []
    with Pace() as pace, recording.open("wb") as file, subprocess.Popen(command, stdout=file) as recorder:
        until(lambda: recording.stat().st_size > 0)
        started_s = []
        for _ in range(4):
            index, began_s = player.position().sample_index, time.monotonic()
            player.write(np.full(RATE_HZ, 0.5, np.float32))
            first_s = player.time_of(index)
            started_s.append(first_s - began_s)
            time.sleep(0.4)
            wanted_s.append(time.monotonic() - first_s)
            player.clear()
            time.sleep(0.6)
        recorder.terminate()
    # It may stand still between asking where the sound is and writing.
    pace.skip_if_late(min(started_s) > -pace.latest_s)
    assert min(started_s) > -pace.latest_s
    assert np.median(started_s) < pace.allowed(0.3)
    heard = np.abs(np.fromfile(recording, "<i2").astype(np.float32) / 32768)
    loud = np.flatnonzero(heard > 0.01)
    parts = np.split(loud, np.flatnonzero(np.diff(loud) > 0.2 * RECORDED_HZ) + 1)
    if len(parts) != len(wanted_s) and pace.slowdown > HIGHEST_SLOWDOWN:
        need(
            "quiet machine",
            False,
            f"all took {pace.slowdown:.0f} times as long: the server, which records too, lost sound",
        )
    assert len(parts) == len(wanted_s)
    longer_s = [(part[-1] - part[0]) / RECORDED_HZ - wanted for part, wanted in zip(parts, wanted_s, strict=True)]
    # A server without real time holds sound up on a busy machine; the least of four is what the player adds.
    assert -pace.allowed(0.02) < min(longer_s) < pace.allowed(0.100)


def test_the_death_of_the_server_is_survived(server: SoundServer, player: PortAudioPlayer) -> None:
    player.write(np.zeros(RATE_HZ, np.float32))
    server.kill()
    until(lambda: player.state == "held")
    before = player.position().sample_index
    until(lambda: player.position().sample_index > before)  # it goes by unheard
    server.start()
    until(lambda: player.state == "playing")
    index = player.position().sample_index
    player.write(np.zeros(RATE_HZ, np.float32))
    until(lambda: player.position().sample_index > index)
    assert player.counters()["reopened"] == 1
