"""What is inside the release: a source distribution that tests itself, a wheel that runs without a checkout.

The wheel is made from the source distribution, so that what one lacks the other lacks too.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.system.programs import ROOT, environment


def run(*command: object, cwd: Path | None = None) -> str:
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment(PYTHONPATH=""),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stderr or done.stdout}"
    return done.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    clone = folder / "source"  # a build leaves files beside the source: not in the user's checkout
    run("git", "clone", "-q", ROOT, clone)
    run(sys.executable, "setup.py", "-q", "sdist", "-d", folder, cwd=clone)
    return next(folder.glob("au*edge-*.tar.gz"))


@pytest.fixture(scope="module")
def wheel_path(sdist: Path) -> Path:
    folder = sdist.parent
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, sdist)
    return next(folder.glob("au_edge-*.whl"))


@pytest.fixture(scope="module")
def wheel(wheel_path: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(wheel_path)


def test_the_source_distribution_has_what_the_repository_has(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        there = {name.partition("/")[2] for name in archive.getnames()}
    tracked = run("git", "-C", ROOT, "ls-tree", "-r", "--name-only", "HEAD").splitlines()
    assert [name for name in tracked if name not in there and name != ".gitignore"] == []


def test_the_wheel_runs_in_an_environment_of_its_own_without_the_checkout(wheel_path: Path, tmp_path: Path) -> None:
    python, command = tmp_path / "venv/bin/python", tmp_path / "venv/bin/au-edge"
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv")
    run(sys.executable, "-m", "pip", "-q", "--python", python, "install", "--no-deps", "--no-index", wheel_path)
    # What au-edge needs is taken from here, by its folder alone: a .pth that leads to a checkout is not followed.
    site = next((tmp_path / "venv/lib").glob("python*/site-packages"))
    (site / "needs.pth").write_text(sysconfig.get_path("purelib") + "\n")
    where = run(python, "-c", "import edge; print(edge.__file__)", cwd=tmp_path).strip()
    assert where.startswith(str(site))
    speech = site / "edge/demo/speech.flac"
    assert "au-edge" in run(command, "--version", cwd=tmp_path)
    run(command, "run", "--input", speech, "--duration", "1", "--no-view", cwd=tmp_path)
    run(command, "render", speech, "--out", tmp_path / "frames.csv", "--quiet", cwd=tmp_path)
    assert len((tmp_path / "frames.csv").read_text().splitlines()) > 14 * 30


def test_the_wheel_has_its_name_and_version(wheel: zipfile.ZipFile) -> None:
    from edge import __version__

    assert Path(wheel.filename or "").name.startswith(f"au_edge-{__version__}-")


EFFORT, PAGE, FACE = "edge/models/effort.weights", "edge/head/static/index.html", "edge/head/static/face.glb"


def test_the_wheel_has_what_runs(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    for needed in (
        "edge/default.conf",
        "edge/demo/speech.flac",
        "edge/models/stream.json",
        "edge/models/stream.md",
        EFFORT,
        PAGE,
        FACE,
    ):
        assert needed in names
    for manifest in [name for name in names if name.startswith("edge/models/") and name.endswith(".json")]:
        assert any(n.startswith(manifest.removesuffix(".json")) and n.endswith(".onnx") for n in names), manifest


def test_the_wheel_has_the_float_networks_that_int8_ones_are_made_from(wheel: zipfile.ZipFile) -> None:
    for needed in ("stream.json", "stream.float32.onnx", "stream-60.json", "stream-100ms.float32.onnx"):
        assert f"calibration/networks/{needed}" in wheel.namelist()


def test_the_wheel_has_nothing_that_only_builds_or_tests(wheel: zipfile.ZipFile) -> None:
    for name in wheel.namelist():
        assert not name.startswith(("tests/", "systemd/", "docs/")), name
        assert "/web/" not in name, name
        assert not name.endswith((".ts", ".mjs", ".pt", ".npy")), name


def test_the_wheel_stays_small(wheel: zipfile.ZipFile) -> None:
    assert sum(info.compress_size for info in wheel.infolist()) < 40 * 2**20
