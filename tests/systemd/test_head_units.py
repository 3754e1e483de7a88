"""The units of the display head: systemd accepts them, they are walled in, and they start what exists."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge.errors import EXIT_CONFIGURATION
from edge.settings import HeadSettings
from tests.requirements import need

UNITS = Path(__file__).parent.parent.parent / "systemd"
HEAD, KIOSK = UNITS / "au-edge-head.service", UNITS / "au-edge-kiosk.service"
HIGHEST_EXPOSURE = 2.0  # of 10; it needs two sockets and no device
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


@pytest.mark.parametrize("runnable", [HEAD], indirect=True, ids=["head"])  # the kiosk is a user's browser
def test_the_server_is_walled_in(runnable: Path) -> None:
    version = int(re.findall(r"systemd (\d+)", analyze("--version"))[0])
    need("systemd", version >= OFFLINE_SINCE, f"systemd {version} cannot judge a unit offline")
    said = analyze("security", "--offline=true", "--no-pager", str(runnable))
    assert float(re.findall(r"Overall exposure level for \S+: ([\d.]+)", said)[0]) <= HIGHEST_EXPOSURE


def test_both_come_back_for_ever_except_where_that_cannot_help() -> None:
    for unit in (HEAD, KIOSK):
        assert lines(unit, "Restart") == ["always"]
        assert lines(unit, "StartLimitIntervalSec") == ["0"]
    assert lines(HEAD, "RestartPreventExitStatus") == [str(EXIT_CONFIGURATION)]


def test_the_kiosk_opens_the_page_that_is_served() -> None:
    settings = HeadSettings()
    assert f'"http://{settings.host}:{settings.port}/?kiosk"' in KIOSK.read_text(encoding="utf-8")
    assert f"/dev/tcp/{settings.host}/{settings.port}" in lines(KIOSK, "ExecStartPre")[0]


def test_the_head_runs_its_own_command() -> None:
    from edge.cli import COMMANDS

    command = lines(HEAD, "ExecStart")[0].split()[-1]
    assert command == "head"
    assert command in COMMANDS
