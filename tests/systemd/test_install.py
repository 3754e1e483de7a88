"""The scripts, run for real below a folder: idempotent, offline, and never over a configuration that is there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.requirements import need

ROOT = Path(__file__).parent.parent.parent
CONF = "etc/au-edge/au-edge.conf"
UNIT = "etc/systemd/system/au-edge.service"
HEAD = "etc/systemd/system/au-edge-head.service"
KIOSK = "etc/systemd/system/au-edge-kiosk.service"
KIOSK_USER = "etc/sysusers.d/au-edge-kiosk.conf"


def script(name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / "systemd" / name), *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.fixture(scope="module")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with our own wheel, built from a copy so that the tree stays clean."""
    folder = tmp_path_factory.mktemp("build")
    copy = folder / "source"
    copy.mkdir()
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    for package in ("edge", "engine_build", "calibration"):
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-q"]
    result = subprocess.run(
        [*command, "-w", str(folder / "wheels"), str(copy)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return folder / "wheels"


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "opt/au-edge/venv" not in str(path)
    }


def test_it_installs_offline_twice_keeps_the_configuration_and_leaves_nothing(wheelhouse: Path, tmp_path: Path) -> None:
    has_venv = subprocess.run([sys.executable, "-c", "import venv, ensurepip"], check=False).returncode == 0
    need("venv", has_venv, "python3-venv is missing; apt-get install python3-venv")
    target = tmp_path / "machine"
    # The dependencies are not in this wheelhouse; with them it would weigh a hundred megabytes.
    arguments = ("--destination", str(target), "--wheelhouse", str(wheelhouse), "--python", sys.executable)
    before = os.umask(0o077)  # as careful administrators have it: the service's user must read it all the same
    first = script("install.sh", *arguments, PIP_NO_DEPS="1")
    os.umask(before)
    assert first.returncode == 0, first.stdout + first.stderr
    installed = contents(target)
    assert {CONF, f"{CONF}.example", UNIT, "etc/sysusers.d/au-edge.conf"} <= set(installed)
    python = target / "opt/au-edge/venv/bin/python"
    found = subprocess.run(
        [str(python), "-I", "-c", "import edge; print(edge.__file__)"],
        capture_output=True,
        text=True,
        cwd="/",
        check=True,
    )
    assert found.stdout.startswith(str(target))
    assert (target / "opt/au-edge/venv/bin/au-edge").exists()
    assert not {HEAD, KIOSK, KIOSK_USER} & set(installed)  # not asked for

    closed = [path for path in target.rglob("*") if not path.is_symlink() and not path.stat().st_mode & 0o004]
    assert closed == []

    (target / CONF).write_text("[audio]\ndevice = mine\n")
    (target / f"{UNIT}.d/override.conf").write_text("[Service]\nNice=0\n")
    second = script("install.sh", *arguments, "--kiosk", PIP_NO_DEPS="1")
    assert second.returncode == 0, second.stdout + second.stderr
    assert (target / CONF).read_text() == "[audio]\ndevice = mine\n"
    assert "keeping" in second.stdout
    assert installed.keys() <= contents(target).keys()
    added = contents(target).keys() - installed.keys() - {f"{UNIT}.d/override.conf"}
    assert added == {HEAD, KIOSK, KIOSK_USER, "opt/au-edge/doc/head.md"}
    assert (target / HEAD).read_bytes() == (ROOT / "systemd" / "au-edge-head.service").read_bytes()

    removed = script("uninstall.sh", "--destination", str(target))
    assert removed.returncode == 0, removed.stderr
    assert (target / CONF).read_text() == "[audio]\ndevice = mine\n"
    assert (target / f"{UNIT}.d/override.conf").exists()
    assert not any((target / unit).exists() for unit in (UNIT, HEAD, KIOSK))
    assert not (target / "opt/au-edge").exists()
    purged = script("uninstall.sh", "--destination", str(target), "--purge")
    assert purged.returncode == 0, purged.stderr
    assert contents(target) == {}
    assert script("uninstall.sh", "--destination", str(target), "--purge").returncode == 0


@pytest.mark.parametrize("name", ["install.sh", "uninstall.sh"])
def test_a_dry_run_says_everything_and_does_nothing(name: str, tmp_path: Path) -> None:
    result = script(name, "--dry-run", "--destination", str(tmp_path / "machine"))
    assert result.returncode == 0, result.stderr
    assert "au-edge.service" in result.stdout
    assert not (tmp_path / "machine").exists()


def test_a_first_configuration_with_the_head_sends_it_frames(tmp_path: Path) -> None:
    from edge.app import protocol_options
    from edge.config.reading import load_settings

    source = (ROOT / "systemd" / "install.sh").read_text(encoding="utf-8")
    (command,) = [line.strip() for line in source.splitlines() if "run sed" in line and "output.json" in line]
    shutil.copy(ROOT / "systemd" / "au-edge.conf", tmp_path / "au-edge.conf")
    line = f'run() {{ "$@"; }}; configuration={tmp_path}; {command}'
    subprocess.run(["bash", "-c", line], check=True)
    settings = load_settings(protocol_options(), config=tmp_path / "au-edge.conf", system_file=tmp_path / "none")
    (json_output,) = [output for output in settings.outputs if output.name == "json"]
    assert json_output.enabled
    assert (json_output.host, json_output.port or 9001) == ("127.0.0.1", settings.head.frames_port)


@pytest.mark.parametrize(
    ("option", "there", "absent"),
    [
        ("--head", ["restart au-edge-head.service", "pins/head.txt"], ["au-edge-kiosk", "chromium"]),
        (
            "--kiosk",
            ["restart au-edge-head.service", "restart au-edge-kiosk.service", "chromium", "cage", "pins/head.txt"],
            [],
        ),
    ],
)
def test_the_head_and_the_kiosk_are_installed_where_they_are_asked_for(
    option: str, there: list[str], absent: list[str], tmp_path: Path
) -> None:
    # Shadows of the system's own tools, so that a dry run sees a machine with systemd and without the packages.
    (tmp_path / "dpkg").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "dpkg").chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    result = script("install.sh", "--dry-run", option, PATH=path)
    assert result.returncode == 0, result.stderr
    assert [word for word in there if word not in result.stdout] == []
    assert [word for word in absent if word in result.stdout] == []


def test_without_being_asked_neither_head_nor_kiosk_is_named() -> None:
    result = script("install.sh", "--dry-run")
    assert "au-edge-head" not in result.stdout
    assert "kiosk" not in result.stdout


def test_uninstalling_names_the_head_and_the_kiosk_too(tmp_path: Path) -> None:
    for unit in (HEAD, KIOSK):
        (tmp_path / unit).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / unit).write_text("")
    result = script("uninstall.sh", "--dry-run", "--destination", str(tmp_path), "--purge")
    for name in (HEAD, KIOSK, KIOSK_USER):
        assert name in result.stdout
    assert (tmp_path / HEAD).exists()


def test_a_dry_run_of_the_real_thing_names_every_step() -> None:
    result = script("install.sh", "--dry-run")
    assert result.returncode == 0, result.stderr
    for step in ("/opt/au-edge/venv", "pip install", "/etc/au-edge", "systemd-sysusers", "/etc/systemd/system"):
        assert step in result.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "found"),
    [
        (("--sideways",), 64, "unknown option"),
        (("--wheelhouse",), 64, "needs a value"),
        (("--wheelhouse", "/nowhere"), 66, "no folder"),
        (("--python", "/bin/false"), 69, "python3-venv"),
    ],
    ids=["unknown", "no-value", "no-wheelhouse", "no-python"],
)
def test_what_cannot_be_done_is_said_before_anything_is_touched(
    arguments: tuple[str, ...], status: int, found: str, tmp_path: Path
) -> None:
    result = script("install.sh", "--destination", str(tmp_path / "machine"), *arguments)
    assert result.returncode == status
    assert found in result.stderr
    assert not (tmp_path / "machine").exists()


def test_a_python_that_the_service_could_not_see_is_refused(tmp_path: Path) -> None:
    hidden = tmp_path / "python"
    home = os.path.expanduser("~root")  # of a user, not of a path
    hidden.write_text(f"#!/bin/sh\ncase $2 in *base_prefix*) echo {home}/.pyenv/versions/3.12;; esac\n")
    hidden.chmod(0o755)
    result = script("install.sh", "--dry-run", "--python", str(hidden))
    assert result.returncode == 69
    assert "cannot see" in result.stderr


def test_a_wheelhouse_without_our_wheel_is_refused(tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    result = script("install.sh", "--destination", str(tmp_path / "m"), "--wheelhouse", str(tmp_path / "wheels"))
    assert result.returncode == 66
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("name", ["install.sh", "uninstall.sh"])
def test_help_is_complete_and_touches_nothing(name: str) -> None:
    result = script(name, "--help")
    assert result.returncode == 0
    source = (ROOT / "systemd" / name).read_text(encoding="utf-8")
    for option in ("--destination", "--dry-run", "--help"):
        assert option in result.stdout
        assert option in source


def test_robots_and_sound_out_are_laid_beside_the_unit_where_they_are_asked_for(tmp_path: Path) -> None:
    done = script("install.sh", "--dry-run", "--robots", "--play", "--destination", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "au-edge.service.d/20-robots.conf" in done.stdout
    assert "play = yes" in done.stdout
    assert "pins/robots.txt" in done.stdout
    plain = script("install.sh", "--dry-run", "--destination", str(tmp_path)).stdout
    assert "20-robots" not in plain
    assert "play = yes" not in plain
    assert "20-robots.conf" in script("uninstall.sh", "--dry-run", "--destination", str(tmp_path)).stdout
