"""The loudspeaker, on ALSA devices that need no hardware."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.requirements import need
from tests.virtual_microphone.air import why_not

CONFIGURATION = """</usr/share/alsa/alsa.conf>
pcm.bench_speaker { type null }
"""
PROGRAM = """
import sys, time
import numpy as np
from edge.bench.loudspeaker import Loudspeaker
from edge.errors import AuEdgeError
try:
    with Loudspeaker(sys.argv[1]) as speaker:
        began_s = time.monotonic()
        print(speaker.play(np.zeros(4800, np.float32)) - began_s)
except AuEdgeError as err:
    print(err)
"""


def play(tmp_path: Path, name: str, configuration: str = CONFIGURATION) -> subprocess.CompletedProcess[str]:
    missing = why_not()
    need("microphone", not missing, f"PortAudio cannot be tried; {missing}")
    path = tmp_path / "asound.conf"
    path.write_text(configuration)
    environment = os.environ | {"ALSA_CONFIG_PATH": str(path)}
    command = [sys.executable, "-c", PROGRAM, name]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, env=environment)


def test_the_time_of_the_first_sample_is_a_time_of_now(tmp_path: Path) -> None:
    done = play(tmp_path, "bench_speak")
    assert done.returncode == 0, done.stderr
    assert -0.5 < float(done.stdout.splitlines()[-1]) < 2.0


def test_an_unknown_loudspeaker_is_answered_with_those_that_there_are(tmp_path: Path) -> None:
    done = play(tmp_path, "nothing of this name")
    assert "outputs are" in done.stdout
    assert "bench_speaker" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_machine_without_a_sound_output_lacks_a_device() -> None:
    from edge.bench.loudspeaker import Loudspeaker
    from edge.errors import DeviceError

    class NoOutputs:
        def get_device_count(self) -> int:
            return 1

        def get_device_info_by_index(self, index: int) -> dict[str, object]:
            return {"name": "a microphone", "maxOutputChannels": 0}

    speaker = Loudspeaker("")
    speaker._portaudio = NoOutputs()
    with pytest.raises(DeviceError, match="no sound output"):
        speaker._find()


def test_the_callback_gives_the_sound_once_and_then_silence() -> None:
    from edge.bench.loudspeaker import Loudspeaker

    speaker = Loudspeaker("")
    sound = np.arange(1, 601, dtype=np.float32) / 1000
    speaker._sound = sound
    times = {"output_buffer_dac_time": time.monotonic() + 0.02}
    heard = np.concatenate([np.frombuffer(speaker._fill(None, 256, times, 0)[0], np.float32) for _ in range(4)])
    np.testing.assert_array_equal(heard[:600], sound)
    assert not heard[600:].any()
    assert speaker._begin_s == pytest.approx(times["output_buffer_dac_time"])
