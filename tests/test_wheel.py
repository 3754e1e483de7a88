"""What is inside the wheel: everything that runs, nothing that only builds or tests."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.system.programs import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    clone = folder / "source"  # a build leaves files beside the source: not in the user's checkout
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    done = subprocess.run([*command, str(clone)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return zipfile.ZipFile(next(folder.glob("au_edge-*.whl")))


def test_the_wheel_has_its_name_and_version(wheel: zipfile.ZipFile) -> None:
    from edge import __version__

    assert Path(wheel.filename or "").name.startswith(f"au_edge-{__version__}-")


def test_the_wheel_has_what_runs(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    for needed in ("edge/default.conf", "edge/demo/speech.flac", "edge/models/stream.json", "edge/models/stream.md"):
        assert needed in names
    for manifest in [name for name in names if name.startswith("edge/models/") and name.endswith(".json")]:
        assert any(n.startswith(manifest.removesuffix(".json")) and n.endswith(".onnx") for n in names), manifest


def test_the_wheel_has_the_float_networks_that_int8_ones_are_made_from(wheel: zipfile.ZipFile) -> None:
    for needed in ("stream.json", "stream.float32.onnx", "stream-100ms.json", "stream-100ms.float32.onnx"):
        assert f"calibration/networks/{needed}" in wheel.namelist()


def test_the_wheel_has_nothing_that_only_builds_or_tests(wheel: zipfile.ZipFile) -> None:
    for name in wheel.namelist():
        assert not name.startswith(("tests/", "systemd/", "docs/")), name
        assert "/web/" not in name, name
        assert not name.endswith((".ts", ".mjs", ".pt", ".npy")), name


def test_the_wheel_stays_small(wheel: zipfile.ZipFile) -> None:
    assert sum(info.compress_size for info in wheel.infolist()) < 40 * 2**20
