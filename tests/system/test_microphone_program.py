"""The real program on a microphone that goes and comes: frames never stop, and say what they are."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.pace import Pace
from tests.system.programs import SPEECH, au_edge, bound_socket, running, stop
from tests.virtual_microphone.air import Device
from tests.virtual_microphone.studio import Studio, open_studio

RATE_HZ = 48_000


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    with open_studio(tmp_path, [Device("mic", RATE_HZ)]) as made:
        speech, rate_hz = soundfile.read(SPEECH, dtype="float64", always_2d=True)
        n_samples = min(int(len(speech) * RATE_HZ / rate_hz), 11 * RATE_HZ)
        at = np.arange(n_samples) * rate_hz / RATE_HZ
        resampled = np.interp(at, np.arange(len(speech)), speech[:, 0])
        made.airs["mic"].play(np.round(resampled.clip(-0.9, 0.9) * 2**31).astype(np.int32)[:, None])
        yield made


def frames_for(receiver: socket.socket, seconds: float) -> list[tuple[float, dict]]:
    found = []
    ends_s = time.monotonic() + seconds
    while (left_s := ends_s - time.monotonic()) > 0:
        receiver.settimeout(left_s)
        try:
            frame = json.loads(receiver.recv(65_536))
        except TimeoutError:
            break
        if "state" in frame:
            found.append((time.monotonic(), frame))
    return found


def wait_for(receiver: socket.socket, states: str, limit_s: float) -> float:
    """Return how long it took until a frame of one of these states came."""
    began_s = time.monotonic()
    while time.monotonic() - began_s < limit_s:
        for _, frame in frames_for(receiver, 0.04):
            if frame["state"] in states.split():
                return time.monotonic() - began_s
    pytest.fail(f"no frame in state {states} within {limit_s} s")


@pytest.mark.parametrize("fault", ["unplugged", "stalled"])
def test_frames_go_on_without_the_microphone_and_live_within_a_second_of_its_return(studio: Studio, fault: str) -> None:
    air = studio.airs["mic"]
    command = ("run", "--no-view", "--device", "mic")
    with bound_socket() as (receiver, port), running(*command, "-o", f"output.json.port={port}") as program:
        wait_for(receiver, "live", 60.0)
        for _ in range(2):
            with Pace() as pace:
                air.fault(fault)
                held_s = wait_for(receiver, "held neutral", 60.0)  # it may stand still as long as a face is held
                neutral_s = wait_for(receiver, "neutral", 60.0)
                away = [frame for _, frame in frames_for(receiver, 1.0)]
            assert held_s < pace.allowed(1.0)
            assert neutral_s < pace.allowed(2.0)
            assert {frame["state"] for frame in away} == {"neutral"}
            assert [frame["seq"] for frame in away] == list(range(away[0]["seq"], away[0]["seq"] + len(away)))
            assert pace.expected(28) <= len(away) <= 33
            with Pace() as pace:
                air.fault("none")
                live_s = wait_for(receiver, "live", 60.0)
            assert live_s < pace.allowed(1.5)
        status, _, _ = stop(program)
        assert status == 0


@pytest.mark.parametrize(
    ("device", "status", "words"),
    [("mic", 0, "is mic"), ("", 0, "is mic"), ("microfone", 78, "there is no such device")],
)
def test_check_says_whether_run_would_find_its_microphone(studio: Studio, device: str, status: int, words: str) -> None:
    assert studio.airs
    done = au_edge("check", "-o", f"audio.device={device}")
    assert done.returncode == status, done.stdout
    line = next(line for line in done.stdout.splitlines() if "microphone:" in line)
    assert words in line
    waiting = au_edge("check", "-o", f"audio.device={device}", "-o", "audio.wait=yes")
    assert waiting.returncode == 0


PROBE = (
    "import pyaudio\naudio = pyaudio.PyAudio()\ntry:\n"
    "    audio.is_format_supported(11_025, input_device=0, input_channels=7, input_format=pyaudio.paInt24)\n"
    "except ValueError:\n    print('refused')\n"
)


def test_a_device_of_another_rate_starts_without_a_word_of_portaudio(tmp_path: Path) -> None:
    with open_studio(tmp_path, [Device("mic16", 16_000)]):
        control = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=False)
        assert "refused" in control.stdout
        assert "Expression" in control.stderr  # it is what PortAudio prints here, unless it is kept from it
        with bound_socket() as (_, port):
            done = au_edge("run", "--no-view", "--device", "mic16", "--duration", "1", "-o", f"output.json.port={port}")
        assert done.returncode == 0, done.stderr
        assert "mic16, 16000 Hz" in done.stderr
        assert "Expression" not in done.stderr
        assert "pa_linux_alsa" not in au_edge("devices").stderr
