"""The units of the display head: systemd accepts them, they are walled in, and they start what exists."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge.config.settings import HeadSettings
from edge.errors import EXIT_CONFIGURATION
from tests.requirements import need

UNITS = Path(__file__).parent.parent.parent / "systemd"
HEAD, KIOSK = UNITS / "au-edge-head.service", UNITS / "au-edge-kiosk.service"
KIOSK_USER = UNITS / "au-edge-kiosk.sysusers"
# Of 10. The server needs two sockets and no device; the kiosk a screen, keys, a terminal and the browser's own sandbox.
HIGHEST_EXPOSURE = {HEAD: 2.0, KIOSK: 6.6}
OFFLINE_SINCE = 250


def lines(unit: Path, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE)


def analyze(*arguments: str) -> str:
    need("systemd", shutil.which("systemd-analyze") is not None, "systemd-analyze; apt-get install systemd")
    done = subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.fixture(params=[HEAD, KIOSK], ids=["head", "kiosk"])
def runnable(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a unit whose programs and users are here; `verify` looks whether they are."""
    unit: Path = request.param
    text = unit.read_text(encoding="utf-8").replace("/opt/au-edge/venv/bin/python", sys.executable)
    text = text.replace("/usr/bin/cage", "/bin/true")
    path = tmp_path / unit.name
    path.write_text(text, encoding="utf-8")
    return path


def test_systemd_finds_nothing_to_say(runnable: Path) -> None:
    assert analyze("verify", str(runnable)) == ""


@pytest.mark.parametrize("unit", HIGHEST_EXPOSURE, ids=lambda unit: unit.stem)
def test_both_are_walled_in(unit: Path) -> None:
    version = int(re.findall(r"systemd (\d+)", analyze("--version"))[0])
    need("systemd", version >= OFFLINE_SINCE, f"systemd {version} cannot judge a unit offline")
    said = analyze("security", "--offline=true", "--no-pager", str(unit))
    assert float(re.findall(r"Overall exposure level for \S+: ([\d.]+)", said)[0]) <= HIGHEST_EXPOSURE[unit]


def test_both_come_back_for_ever_except_where_that_cannot_help() -> None:
    for unit in (HEAD, KIOSK):
        assert lines(unit, "Restart") == ["always"]
        assert lines(unit, "StartLimitIntervalSec") == ["0"]
    assert lines(HEAD, "RestartPreventExitStatus") == [str(EXIT_CONFIGURATION)]


def test_the_kiosk_opens_the_page_that_is_served() -> None:
    settings = HeadSettings()
    assert f'"http://{settings.host}:{settings.port}/?kiosk"' in KIOSK.read_text(encoding="utf-8")
    assert f"/dev/tcp/{settings.host}/{settings.port}" in lines(KIOSK, "ExecStartPre")[0]


def test_the_kiosk_is_nobody_special_and_talks_to_this_machine_alone() -> None:
    assert lines(KIOSK, "User") == ["kiosk"]
    assert (lines(KIOSK, "IPAddressDeny"), lines(KIOSK, "IPAddressAllow")) == (["any"], ["localhost"])
    assert lines(KIOSK, "ProtectSystem") == ["strict"]  # nothing is written but what is named, and the home
    assert lines(KIOSK, "ReadWritePaths") == ["-/run/user -/run/snapd -/var/lib/snapd"]
    assert (lines(KIOSK, "ProtectHome"), lines(KIOSK, "BindPaths")) == (["tmpfs"], ["/home/kiosk"])


def test_the_kiosk_finds_a_browser_under_each_of_its_names(tmp_path: Path) -> None:
    command = KIOSK.read_text(encoding="utf-8").split("-- /bin/sh -c '")[1].split("' /bin/sh")[0]
    for name in ("chromium", "chromium-browser", "google-chrome"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).write_text('#!/bin/sh\necho "$0 $*"\n')
        (folder / name).chmod(0o755)
        done = subprocess.run(
            ["/bin/sh", "-c", command.replace("$$", "$"), "/bin/sh", "--one", "http://page/?kiosk"],
            env={"PATH": str(folder)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.stdout == f"{folder / name} --one http://page/?kiosk\n", done.stderr


def test_the_kiosks_user_and_groups_are_made_by_sysusers(tmp_path: Path) -> None:
    need("systemd", shutil.which("systemd-sysusers") is not None, "systemd-sysusers; apt-get install systemd")
    (tmp_path / "etc").mkdir()
    done = subprocess.run(
        ["systemd-sysusers", f"--root={tmp_path}", str(KIOSK_USER)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (user,) = re.findall(r"^kiosk:.*$", (tmp_path / "etc" / "passwd").read_text(), re.MULTILINE)
    home = user.split(":")[5]
    assert user.split(":")[0] == lines(KIOSK, "User")[0]
    assert f"--user-data-dir={home}/" in KIOSK.read_text(encoding="utf-8")
    groups = (tmp_path / "etc" / "group").read_text()
    for name in ("video", "render", "input"):
        assert re.search(rf"^{name}:.*kiosk", groups, re.MULTILINE)


def test_the_head_runs_its_own_command() -> None:
    from edge.cli import COMMANDS

    command = lines(HEAD, "ExecStart")[0].split()[-1]
    assert command == "head"
    assert command in COMMANDS
