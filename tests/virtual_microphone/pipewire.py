"""A private PipeWire with its session manager and its PulseAudio protocol: its null sink is the robot's voice.

It touches nothing of the user's: its own folders, its own sockets, its own D-Bus, without which the session manager
ends.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from tests.virtual_microphone.sound_server import SINK

START_LIMIT_S = 20.0
ANSWER_LIMIT_S = 20.0
_NEEDED = ("pipewire", "wireplumber", "pipewire-pulse", "dbus-run-session", "pactl", "pacat", "pgrep")
# One shell is the session: the sound server goes with it, as when a user logs out.
_SESSION = """
pipewire & until [ -S "$XDG_RUNTIME_DIR/pipewire-0" ]; do sleep 0.01; done
wireplumber & pipewire-pulse & wait
"""


def why_no_pipewire() -> str:
    """Return what is missing for a private PipeWire, or nothing."""
    missing = [name for name in _NEEDED if not shutil.which(name)]
    if not list(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so")):
        missing.append("libasound2-plugins")
    packages = "pipewire wireplumber pipewire-pulse dbus pulseaudio-utils libasound2-plugins procps"
    return f"install {packages} ({', '.join(missing)})" if missing else ""


def _answers(command: list[str], environment: dict[str, str]) -> bool:
    """Return whether a command succeeds; one that hangs, as `pactl` does without a session manager, does not."""
    try:
        done = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=ANSWER_LIMIT_S)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


class PipeWire:
    """One session in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._session: subprocess.Popen[bytes] | None = None
        self._players: list[subprocess.Popen[bytes]] = []
        for name in ("home", "run"):
            (folder / name).mkdir(mode=0o700, exist_ok=True)
        self._configuration = folder / "asound.conf"
        self._configuration.write_text(
            "</usr/share/alsa/alsa.conf>\npcm.!pulse { type pulse fallback none }\nctl.!pulse { type pulse }\n"
        )

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables by which programs find this session and no other."""
        return {
            "HOME": str(self._folder / "home"),
            "XDG_CONFIG_HOME": str(self._folder / "home"),
            "XDG_STATE_HOME": str(self._folder / "home"),
            "XDG_RUNTIME_DIR": str(self._folder / "run"),
            "PULSE_SERVER": f"unix:{self._folder / 'run' / 'pulse' / 'native'}",
            "ALSA_CONFIG_PATH": str(self._configuration),
        }

    def start(self) -> None:
        """Start the session, wait until it answers, and make the sink."""
        environment = {**os.environ, **self.environment}
        environment.pop("DBUS_SESSION_BUS_ADDRESS", None)
        self._session = subprocess.Popen(
            ["dbus-run-session", "--", "sh", "-c", _SESSION],
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        deadline_s = time.monotonic() + START_LIMIT_S
        make_sink = ["pactl", "load-module", "module-null-sink", f"sink_name={SINK}", "channels=1", "rate=48000"]
        while not _answers(make_sink, environment):
            if self._session.poll() is not None or time.monotonic() > deadline_s:
                self.kill()
                raise RuntimeError(f"the private PipeWire does not start within {START_LIMIT_S:g} s")
            time.sleep(0.05)
        while not _answers(["pgrep", "-g", str(self._session.pid), "-x", "wireplumber"], environment):
            if self._session.poll() is not None or time.monotonic() > deadline_s:
                self.kill()
                raise RuntimeError("the session manager (wireplumber) of the private PipeWire does not run")
            time.sleep(0.05)

    def play_noise(self) -> subprocess.Popen[bytes]:
        """Play noise into the sink, in the background."""
        command = ["pacat", "--raw", "--rate=48000", "--channels=1", "-d", SINK]
        with open("/dev/urandom", "rb") as noise:
            environment = {**os.environ, **self.environment}
            player = subprocess.Popen(command, stdin=noise, env=environment, stderr=subprocess.DEVNULL)
        self._players.append(player)
        return player

    def close(self) -> None:
        """End the session and every player."""
        self.kill()
        for player in self._players:
            player.kill()
            player.wait(120.0)

    def kill(self) -> None:
        """End every process of the session, in whatever state it is."""
        if self._session is not None:
            os.killpg(self._session.pid, signal.SIGKILL)
            self._session.wait(120.0)
            self._session = None
            for socket in (*(self._folder / "run").glob("pipewire-*"), *(self._folder / "run" / "pulse").glob("*")):
                socket.unlink()
