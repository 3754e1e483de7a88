"""What install.sh installs as root is pinned: version and SHA-256, for every Python and dependency of setup.py."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.systemd.test_install import ROOT, script

PINS = ROOT / "systemd" / "pins"
EXTRAS = sorted(path.stem for path in PINS.glob("*.txt") if path.stem not in ("build", "base"))
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
BLOCK = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)([^\n]*)\n((?: +--hash.*\n)*)", re.MULTILINE)


def pins(name: str) -> list[tuple[str, str, str, str]]:
    """Return name, version, marker and hashes of each pin of a file."""
    return BLOCK.findall((PINS / f"{name}.txt").read_text(encoding="utf-8"))


def wanted() -> dict[str, list[str]]:
    """Return the dependencies of setup.py: of the package itself under "base", and by extra."""
    from packaging.requirements import Requirement

    source = (ROOT / "setup.py").read_text(encoding="utf-8")
    found: dict[str, object] = {"__file__": str(ROOT / "setup.py")}
    code = source.replace("from setuptools import find_packages, setup", "find_packages = lambda **_: []\nsetup = dict")
    exec(code.replace("setup(\n", "told = setup(\n"), found)
    told = found["told"]
    assert isinstance(told, dict)
    every = {"base": told["install_requires"], **told["extras_require"]}
    assert all(Requirement(text) for texts in every.values() for text in texts)
    return every


@pytest.mark.parametrize("name", ["build", "base", *EXTRAS])
def test_every_pin_has_a_version_and_hashes_and_nothing_else_is_in_the_file(name: str) -> None:
    found = pins(name)
    assert found
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", hashes) for *_, hashes in found)
    rest = BLOCK.sub("", (PINS / f"{name}.txt").read_text(encoding="utf-8"))
    assert re.sub(r"#[^\n]*|\s", "", rest) == ""


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", ["base", *EXTRAS])
def test_what_setup_asks_for_is_pinned_once_for_each_python(name: str, python: str) -> None:
    from packaging.markers import Marker
    from packaging.requirements import Requirement

    here = {"python_version": python, "python_full_version": f"{python}.1", "sys_platform": "linux"}
    versions: dict[str, list[str]] = {}
    for package, version, rest, _ in (*pins("base"), *(pins(name) if name != "base" else [])):
        marker = rest.strip(" ;\\")
        if not marker or Marker(marker).evaluate(here):
            versions.setdefault(package.lower(), []).append(version)
    assert all(len(found) == 1 for found in versions.values())
    for text in wanted()[name]:
        requirement = Requirement(text)
        assert requirement.specifier.contains(versions[requirement.name.lower()][0]), text


def test_every_package_is_installed_by_its_hash_and_nothing_is_fetched_to_build_with(tmp_path: Path) -> None:
    result = script("install.sh", "--dry-run", "--extras", "head,metrics", "--destination", str(tmp_path / "m"))
    lines = [line for line in result.stdout.splitlines() if "pip install" in line]
    assert len(lines) == 5  # build, base, head, metrics, and our own
    assert all("--no-deps" in line and "--no-build-isolation" in line for line in lines)
    assert all("--require-hashes" in line for line in lines[:-1])
    assert "--no-index" in lines[-1]


def test_an_extra_without_pins_is_refused_before_anything_is_touched(tmp_path: Path) -> None:
    result = script("install.sh", "--extras", "metrics,train", "--destination", str(tmp_path / "m"))
    assert result.returncode == 66
    assert "train" in result.stderr
    assert all(extra in result.stderr for extra in EXTRAS)
    assert not (tmp_path / "m").exists()


def test_a_pickle_is_never_loaded_as_code() -> None:
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    calls = {
        name: re.findall(r"torch\.load\([^\n]*", (ROOT / name).read_text(encoding="utf-8"))
        for name in listed.split()
        if name.startswith(("edge/", "engine_build/", "calibration/"))
    }
    assert [call for found in calls.values() for call in found if "weights_only=True" not in call] == []
