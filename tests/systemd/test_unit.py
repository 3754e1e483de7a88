"""The unit as systemd itself judges it, and as the program needs it."""

from __future__ import annotations

import configparser
import ipaddress
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge.errors import EXIT_CONFIGURATION
from edge.machine.realtime import CAPTURE_PRIORITY, ENGINE_PRIORITY
from tests.requirements import need

FOLDER = Path(__file__).parent.parent.parent / "systemd"
UNIT = FOLDER / "au-edge.service"
ROBOTS = FOLDER / "au-edge-robots.conf"
HIGHEST_EXPOSURE = 1.6
HIGHEST_WITH_ROBOTS = 2.0
KIOSK = FOLDER / "au-edge-kiosk.service"
HIGHEST_KIOSK = 6.6  # a compositor and a browser with its own sandbox; 8.7 without walls
OFFLINE_SINCE = 250  # of systemd: `security --offline`


def unit_lines(name: str) -> list[str]:
    """Return every value of a key, in order."""
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.fixture
def systemd_version() -> int:
    has_it = shutil.which("systemd-analyze") is not None
    need("systemd", has_it, "systemd-analyze is missing; apt-get install systemd")
    text = subprocess.run(["systemd-analyze", "--version"], capture_output=True, text=True, check=True).stdout
    return int(re.findall(r"systemd (\d+)", text)[0])


@pytest.fixture
def runnable_unit(tmp_path: Path) -> Path:
    """Return the unit with a Python that is installed here; `verify` looks whether the command exists."""
    path = tmp_path / "au-edge.service"
    path.write_text(UNIT.read_text(encoding="utf-8").replace("/opt/au-edge/venv/bin/python", sys.executable))
    return path


def test_systemd_finds_nothing_to_say_about_the_unit(systemd_version: int, runnable_unit: Path) -> None:
    result = subprocess.run(
        ["systemd-analyze", "verify", str(runnable_unit)], capture_output=True, text=True, check=False
    )
    assert result.stdout + result.stderr == ""
    assert result.returncode == 0


def test_a_mistake_in_the_unit_would_be_found(systemd_version: int, runnable_unit: Path) -> None:
    runnable_unit.write_text(runnable_unit.read_text().replace("ProtectSystem=strict", "ProtectSystem=very"))
    result = subprocess.run(
        ["systemd-analyze", "verify", str(runnable_unit)], capture_output=True, text=True, check=False
    )
    assert "very" in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("unit", "added", "highest"),
    [(UNIT, None, HIGHEST_EXPOSURE), (UNIT, ROBOTS, HIGHEST_WITH_ROBOTS), (KIOSK, None, HIGHEST_KIOSK)],
    ids=["as it ships", "with robots", "kiosk"],
)
def test_the_exposure_is_low(
    systemd_version: int, tmp_path: Path, unit: Path, added: Path | None, highest: float
) -> None:
    need("systemd", systemd_version >= OFFLINE_SINCE, f"systemd {systemd_version} cannot judge a unit offline")
    text = unit.read_text(encoding="utf-8").replace("/opt/au-edge/venv/bin/python", sys.executable)
    service, install, rest = text.partition("[Install]")
    if added is not None:  # a list of a drop-in goes on where the unit's ends
        service += added.read_text(encoding="utf-8").replace("[Service]", "") + "\n"
    path = tmp_path / unit.name
    path.write_text(service + install + rest)
    result = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    exposure = re.findall(r"Overall exposure level for \S+: ([\d.]+)", result.stdout)
    assert exposure, result.stdout + result.stderr
    assert float(exposure[0]) <= highest


def test_every_local_network_is_allowed_and_no_other() -> None:
    allowed = " ".join(unit_lines("IPAddressAllow")).split()
    assert unit_lines("IPAddressDeny") == ["any"]
    networks = [ipaddress.ip_network(entry) for entry in allowed if entry[0].isdigit() or ":" in entry]
    for address in ("10.1.2.3", "172.20.0.1", "192.168.1.255", "100.100.1.2", "fd00::1", "255.255.255.255"):
        assert any(ipaddress.ip_address(address) in network for network in networks), address
    for address in ("8.8.8.8", "172.33.0.1", "100.128.0.1", "2001:db8::1"):
        assert not any(ipaddress.ip_address(address) in network for network in networks), address
    assert {"localhost", "link-local", "multicast"} <= set(allowed)


def test_robots_get_every_kind_of_serial_port_and_i2c() -> None:
    allowed = re.findall(r"^DeviceAllow=char-(\S+) rw$", ROBOTS.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(allowed) == {"ttyUSB", "ttyACM", "ttyS", "ttyAMA", "ttyTHS", "i2c"}  # as /proc/devices names them


def test_it_is_started_again_except_where_that_cannot_help() -> None:
    assert unit_lines("Restart") == ["always"]
    assert unit_lines("RestartPreventExitStatus") == [str(EXIT_CONFIGURATION)]
    assert unit_lines("StartLimitIntervalSec") == ["0"]


def test_it_may_take_the_priorities_that_the_program_asks_for() -> None:
    assert int(unit_lines("LimitRTPRIO")[0]) >= max(CAPTURE_PRIORITY, ENGINE_PRIORITY)
    assert unit_lines("RestrictRealtime") == []


def test_the_program_is_told_of_and_stopped_as_it_expects() -> None:
    assert unit_lines("Type") == ["notify"]
    assert unit_lines("WatchdogSec") == ["10s"]
    assert unit_lines("ExecReload") == ["/bin/kill -HUP $MAINPID"]
    assert "-X faulthandler" in unit_lines("ExecStart")[0]
    assert unit_lines("LogRateLimitBurst")


def test_the_sound_cards_list_stays_visible() -> None:
    assert unit_lines("ProcSubset") == ["all"]  # /proc/asound/cards
    assert "char-alsa rw" in unit_lines("DeviceAllow")


def test_every_group_of_the_unit_is_made_by_sysusers() -> None:
    made = re.findall(r"^g (\S+)", (FOLDER / "au-edge.sysusers").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(unit_lines("SupplementaryGroups")[0].split()) <= set(made)  # one that is missing: status 216/GROUP
    assert re.search(r"^u au-edge ", (FOLDER / "au-edge.sysusers").read_text(encoding="utf-8"), re.MULTILINE)


def test_sysusers_reads_the_user_file(systemd_version: int, tmp_path: Path) -> None:
    need("systemd", shutil.which("systemd-sysusers") is not None, "systemd-sysusers is missing")
    (tmp_path / "etc").mkdir()
    result = subprocess.run(
        ["systemd-sysusers", f"--root={tmp_path}", str(FOLDER / "au-edge.sysusers")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "au-edge" in (tmp_path / "etc" / "passwd").read_text()
    assert re.search(r"^audio:.*au-edge", (tmp_path / "etc" / "group").read_text(), re.MULTILINE)


def test_the_example_configuration_is_one_that_the_program_takes(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "edge", "config", "--config", str(FOLDER / "au-edge.conf")],
        capture_output=True, text=True, check=False, cwd=FOLDER.parent,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    example = configparser.ConfigParser(allow_no_value=True)
    example.read(FOLDER / "au-edge.conf")
    assert example["audio"]["wait"] == "yes"
