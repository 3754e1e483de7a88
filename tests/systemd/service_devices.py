"""What hangs on the service, as `install.sh --robots --play` lets it: a servo board and a loudspeaker, neither is real.

The serial port is a pseudo-terminal by the name /dev/ttyUSB0, owned as udev owns one, behind which a Maestro answers;
the loudspeaker is the virtual one. systemd's filter of devices goes by major numbers, and a pseudo-terminal always
passes. So it is asked on its own: nodes with the numbers of such drivers, which own_systemd.sh tells this systemd the
kernel has. Where the filter lets one pass, the kernel answers that no such device is there; else EPERM.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np

from tests.system.test_robot_program import MAP, Maestro
from tests.systemd.service_life import CONFIGURATION, STATE, systemctl
from tests.virtual_loudspeaker.audience import Audience, write_configuration
from tests.virtual_microphone.air import Device

UNIT_D = Path("/etc/systemd/system/au-edge.service.d")
ROBOTS, GROUPS = UNIT_D / "20-robots.conf", UNIT_D / "10-groups.conf"
PROBE = UNIT_D / "30-probe.conf"
PORT = Path("/dev/ttyUSB0")
SPEAKER = Device("speaker", 48_000, 2)
SAFE_US, HIGHEST_US = 1120.0, 1700.0  # of MAP
NODES = {  # of own_systemd.sh: what each is, and whether the unit alone lets it pass
    "alsa": True,
    "ttyUSB": False,
    "ttyACM": False,
    "ttyS": False,
    "ttyAMA": False,
    "ttyTHS": False,
    "i2c": False,
    "input": False,
}
OF_ROBOTS = {"ttyUSB", "ttyACM", "ttyS", "ttyAMA", "ttyTHS", "i2c"}
OPEN = "import json, os, pathlib, sys\nfound = {}\nfor name in sys.argv[2:]:\n    try:\n" \
    "        found[name] = os.close(os.open('/dev/probe-' + name, os.O_RDWR | os.O_NONBLOCK)) or 0\n" \
    "    except OSError as err:\n        found[name] = err.errno\n" \
    "pathlib.Path(sys.argv[1]).write_text(json.dumps(found))\n"  # fmt: skip


class ServiceDevices:
    """The service, a servo board and a loudspeaker."""

    def __init__(self) -> None:
        systemctl("stop", "au-edge")
        systemctl("reset-failed", "au-edge")
        folder = STATE / "speaker"
        folder.mkdir(exist_ok=True)
        alsa = write_configuration(folder, [SPEAKER])
        self._audience = Audience(folder / "speaker.audience", SPEAKER)
        (UNIT_D / "mic.conf").unlink(missing_ok=True)
        (UNIT_D / "speaker.conf").write_text(f"[Service]\nEnvironment=ALSA_CONFIG_PATH={alsa}\n")
        self._board = Maestro()
        PORT.symlink_to(self._board.path)
        shutil.chown(self._board.path, "root", "dialout")
        os.chmod(self._board.path, 0o660)
        head = CONFIGURATION.parent / "head.ini"
        head.write_text(MAP.format(port=PORT))
        speech = next(Path("/opt/au-edge/venv").glob("lib/python3*/site-packages/edge/demo/speech.flac"))
        CONFIGURATION.write_text(
            f"[audio]\nsource = file\nfile = {speech}\nloop = yes\nplay = yes\n[play]\ndevice = speaker\n"
            f"[output.head]\nprotocol = robot\nmapping = {head}\n"
        )
        self._probed = STATE / "probed.json"
        (STATE / "probe.py").write_text(OPEN)
        PROBE.write_text(
            f"[Service]\nExecStartPre=/opt/au-edge/venv/bin/python {STATE}/probe.py {self._probed} {' '.join(NODES)}\n"
        )
        subprocess.run(["chown", "-R", "au-edge:au-edge", str(STATE)], check=True)
        self._drop_in = ROBOTS.read_text()
        self._groups = GROUPS.read_text()
        systemctl("daemon-reload")

    def lets_no_more_pass_than_the_robots_file_names(self) -> bool:
        return self._start() and self._passes() == {name for name, passes in NODES.items() if passes} | OF_ROBOTS

    def moves_a_servo_at_a_serial_port_with_speech(self) -> bool:
        self._board.targets.clear()
        time.sleep(5.0)
        targets = [target for _, target in self._board.targets]
        return len(set(targets)) > 20 and all(1080.0 <= target <= HIGHEST_US for target in targets)

    def plays_what_it_says_by_the_sound_card(self) -> bool:
        samples, times_s = self._audience.heard_at_once()
        newest = samples[-3 * SPEAKER.rate_hz :]
        is_now = time.monotonic() - times_s[-1] < 3.0
        return is_now and float(np.sqrt(np.mean(newest.astype(np.float64) ** 2))) > 0.003

    def is_exposed_by_no_more_than_2_with_its_robots(self) -> bool:
        return self._exposure() <= 2.0

    def leads_the_servo_to_rest_and_lets_it_go_at_its_stop(self) -> bool:
        systemctl("stop", "au-edge")
        time.sleep(0.3)
        targets = [target for _, target in self._board.targets]
        return SAFE_US in targets[-40:] and targets[-1] == 0.0

    def is_exposed_by_no_more_than_1_6_as_it_ships(self) -> bool:
        ROBOTS.unlink()
        GROUPS.write_text(re.sub(r"\b(dialout|i2c)\b", "", self._groups))
        systemctl("daemon-reload")
        return self._exposure() <= 1.6

    def lets_only_sound_cards_pass_as_it_ships(self) -> bool:
        return self._start() and self._passes() == {name for name, passes in NODES.items() if passes}

    def plays_without_robots_too_and_says_what_the_servos_lack(self) -> bool:
        time.sleep(4.0)
        said = subprocess.run(
            ["journalctl", "-u", "au-edge", "--no-pager", "-o", "cat"], capture_output=True, text=True, check=True
        ).stdout
        return "install.sh --robots" in said and self.plays_what_it_says_by_the_sound_card()

    def _start(self) -> bool:
        self._probed.unlink(missing_ok=True)
        return systemctl("start", "au-edge").returncode == 0

    def _passes(self) -> set[str]:
        """Return the kinds that the filter lets pass; say what else was found."""
        found = {
            name: errno.errorcode.get(number, "open") for name, number in json.loads(self._probed.read_text()).items()
        }
        print("    " + ", ".join(f"{name} {answer}" for name, answer in found.items()))
        return {name for name, answer in found.items() if answer in ("open", "ENXIO", "ENODEV")}

    def _exposure(self) -> float:
        told = subprocess.run(
            ["systemd-analyze", "security", "--no-pager", "au-edge"], capture_output=True, text=True, check=False
        ).stdout
        found = re.findall(r"Overall exposure level for \S+: ([\d.]+)", told)
        print(f"    systemd-analyze security: {', '.join(found)}")
        return float(found[0])
