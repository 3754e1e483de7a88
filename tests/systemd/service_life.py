"""The installed unit under the systemd that runs here, as root: own_systemd.sh makes such a place.

What is done to the service, and what systemd and the frames say, is compared with what docs/service.md promises. The
microphone is the virtual one; `service_devices` then adds a serial port and a sound card. Prints a line for each; the
status is the number that were not so, and what the journal says of the service follows where there is one.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.virtual_microphone.air import Device
from tests.virtual_microphone.studio import Studio

STATE = Path("/var/lib/au-edge")
CONFIGURATION = Path("/etc/au-edge/au-edge.conf")
PORT = 9001
GOOD = (
    "[audio]\nsource = microphone\ndevice = mic\nwait = yes\n[output.osc]\nenabled = no\n"
    f"[output.json]\nenabled = yes\nport = {PORT}\n"
)
BETTER = GOOD + "[gain]\njawOpen = 0\n"
BAD = GOOD + "[gain]\njawopen = 0\n"


def systemctl(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemctl", *arguments], capture_output=True, text=True, check=False)


class Life:
    """The service, its microphone and its frames."""

    def __init__(self) -> None:
        folder = STATE / "mic"
        folder.mkdir(parents=True, exist_ok=True)
        self._studio = Studio(folder, [Device("mic")])
        self.air = self._studio.airs["mic"]
        subprocess.run(["chown", "-R", "au-edge:au-edge", str(STATE)], check=True)
        own = Path("/etc/systemd/system/au-edge.service.d/mic.conf")
        own.write_text(f"[Service]\nEnvironment=ALSA_CONFIG_PATH={self._studio.configuration}\n")
        systemctl("daemon-reload")
        self._receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._receiver.bind(("127.0.0.1", PORT))

    def __getitem__(self, name: str) -> str:
        """Return a property of the unit."""
        return systemctl("show", "au-edge", "--value", "-p", name).stdout.strip()

    def frames(self, seconds: float) -> list[dict[str, object]]:
        """Return the frames that come within a time, those that wait included."""
        found = []
        ends_s = time.monotonic() + seconds
        while (left_s := ends_s - time.monotonic()) > 0:
            self._receiver.settimeout(left_s)
            try:
                found.append(json.loads(self._receiver.recv(65_536)))
            except TimeoutError:
                break
        return [frame for frame in found if "state" in frame]

    def until(self, is_so: Callable[[], bool], limit_s: float = 30.0) -> bool:
        ends_s = time.monotonic() + limit_s
        while time.monotonic() < ends_s:
            if is_so():
                return True
            time.sleep(0.1)
        return False

    # --- what is done ---------------------------------------------------------------------------------------------

    def starts_and_is_ready_with_its_walls_up(self) -> bool:
        CONFIGURATION.write_text(GOOD)
        done = systemctl("start", "au-edge")
        status = Path(f"/proc/{self['MainPID']}/status").read_text()
        walls = ("CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2")
        return done.returncode == 0 and self["ActiveState"] == "active" and all(wall in status for wall in walls)

    def says_what_it_does(self) -> bool:
        return self.until(lambda: "p99" in self["StatusText"], 5.0)

    def waits_for_a_microphone_and_is_ready_when_it_comes(self) -> bool:
        systemctl("stop", "au-edge")
        self.air.fault("unplugged")
        systemctl("start", "--no-block", "au-edge")
        is_waiting = self.until(lambda: self["StatusText"] == "waiting for sound")
        is_starting = self["ActiveState"] == "activating"
        self.air.fault("none")
        return is_waiting and is_starting and self.until(lambda: self["ActiveState"] == "active", 5.0)

    def takes_a_new_configuration_without_losing_a_frame(self) -> bool:
        self.frames(0.2)
        CONFIGURATION.write_text(BETTER)
        done, pid = systemctl("reload", "au-edge"), self["MainPID"]
        numbers = [int(str(frame["seq"])) for frame in self.frames(1.0)]
        return done.returncode == 0 and pid == self["MainPID"] and numbers == list(range(numbers[0], numbers[-1] + 1))

    def goes_on_where_a_new_configuration_is_refused(self) -> bool:
        CONFIGURATION.write_text(BAD)
        pid = self["MainPID"]
        systemctl("reload", "au-edge")
        time.sleep(1.0)
        self.frames(0.1)
        CONFIGURATION.write_text(GOOD)
        return (self["ActiveState"], self["MainPID"]) == ("active", pid) and len(self.frames(1.0)) > 10

    def is_started_again_when_it_is_killed(self) -> bool:
        os.kill(int(self["MainPID"]), signal.SIGKILL)
        return self.until(lambda: self["NRestarts"] == "1" and self["ActiveState"] == "active")

    def is_started_again_by_the_watchdog_when_it_stands_still(self) -> bool:
        os.kill(int(self["MainPID"]), signal.SIGSTOP)
        return self.until(lambda: self["NRestarts"] == "2" and self["ActiveState"] == "active")

    def restarts(self) -> bool:
        self.frames(0.2)
        done = systemctl("restart", "au-edge")
        states = [frame["state"] for frame in self.frames(1.0)]
        return done.returncode == 0 and states.count("stopping") == 6 and states[-1] != "stopping"

    def stops_within_a_second_with_neutral_frames_and_status_0(self) -> bool:
        self.frames(0.2)
        began_s = time.monotonic()
        systemctl("stop", "au-edge")
        took_s = time.monotonic() - began_s
        ended = (self["ActiveState"], self["ExecMainStatus"], self.frames(0.2)[-1]["state"])
        return took_s < 1.0 and ended == ("inactive", "0", "stopping")

    def is_not_started_again_with_a_configuration_that_is_wrong(self) -> bool:
        CONFIGURATION.write_text(BAD)
        done = systemctl("start", "au-edge")
        time.sleep(3.0)
        return done.returncode != 0 and (self["ActiveState"], self["ExecMainStatus"]) == ("failed", "78")


def main() -> int:
    """Do it all, in this order, and return how much was not as promised."""
    from tests.systemd.service_devices import ServiceDevices

    n_wrong = 0
    for make in (Life, ServiceDevices):
        place = make()
        for name, do in vars(make).items():
            if name[0] == "_" or name in ("frames", "until"):
                continue
            began_s = time.monotonic()
            try:
                is_so, why = bool(do(place)), ""
            except Exception as err:  # what it fails by is as good an answer
                is_so, why = False, f" ({type(err).__name__}: {err})"
            n_wrong += not is_so
            print(
                f"{'yes' if is_so else 'NO '} {time.monotonic() - began_s:5.1f} s  it {name.replace('_', ' ')}{why}",
                flush=True,
            )
    if n_wrong:
        journal = ["journalctl", "-u", "au-edge", "--no-pager", "-o", "cat"]
        print(subprocess.run(journal, capture_output=True, text=True, check=False).stdout[-20_000:])
    return n_wrong


if __name__ == "__main__":
    sys.exit(main())
