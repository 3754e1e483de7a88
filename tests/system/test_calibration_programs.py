"""The way of a robotics team: record with the device's own microphone, quantise on it, build; as programs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.backends.tensorrt_library import find_library
from edge.manifest import load_manifest
from tests.calibration.small_network import write_small_network
from tests.requirements import need
from tests.virtual_microphone.air import Device
from tests.virtual_microphone.studio import open_studio

ROOT = Path(__file__).parent.parent.parent


def program(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
    )


def test_a_recording_of_the_microphone_is_its_sound_and_makes_a_network_that_builds(tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    with open_studio(tmp_path, [Device("mic", 48_000)]) as studio:
        found = program("calibration", "record", "--out", str(folder), "--seconds", "2", "--device", "mic")
        assert found.returncode == 0, found.stderr
        (path,) = folder.glob("*.wav")
        samples, rate_hz = soundfile.read(str(path), dtype="float32")
        assert (rate_hz, len(samples)) in ((48_000, 96_000), (44_100, 88_200))
        if rate_hz == 48_000:
            truth = studio.truth("mic").samples
            begin = samples[:64]
            starts = [
                start
                for start in np.flatnonzero(np.abs(truth - begin[0]) < 1e-6)
                if np.allclose(truth[np.arange(start, start + 64) % len(truth)], begin, atol=2e-7)
            ]
            assert len(starts) == 1
            there = truth[np.arange(starts[0], starts[0] + len(samples)) % len(truth)]
            heard = samples != 0  # what a busy machine lost is silence, at its place
            np.testing.assert_allclose(samples[heard], there[heard], atol=2e-7)
            assert heard.mean() > 0.9
    network = write_small_network(tmp_path)
    out = tmp_path / "small.json"
    found = program("calibration", "quantize", str(network), "--speech", str(folder), "--out", str(out))
    assert found.returncode == 0, found.stderr
    assert load_manifest(out).precision == "int8"
    report = json.loads((tmp_path / "reports" / "small.calibration.json").read_text())
    assert report["speech"]["n_files"] == 1
    library = find_library("tensorrt_rtx")
    need("tensorrt_rtx", not isinstance(library, str), str(library))
    engine = tmp_path / "small.engine"
    found = program("engine_build", "build", str(out), "--library", "tensorrt_rtx", "--out", str(engine))
    assert found.returncode == 0, found.stderr
    assert engine.stat().st_size > 10_000


@pytest.mark.parametrize(
    "command",
    [
        ("calibration", "quantize"),
        ("calibration", "record"),
        ("calibration", "ship"),
        ("engine_build", "build"),
        ("engine_build", "quantize"),
        ("engine_build", "verify"),
    ],
    ids=" ".join,
)
def test_every_command_explains_itself(command: tuple[str, str]) -> None:
    found = program(*command, "--help")
    assert found.returncode == 0
    assert f"python -m {command[0]} {command[1]}" in found.stdout.replace("usage: ", "")
    assert found.stdout.count(f"python -m {command[0]} {command[1]}") >= 2  # the usage and an example
