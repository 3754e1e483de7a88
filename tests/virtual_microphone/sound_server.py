"""A private PulseAudio: its output is a null sink that plays into the air, its monitor a microphone.

It touches nothing of the user's: its own folders, its own socket, no D-Bus. `kill` is the death of a sound server.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

SINK = "robot_voice"
START_LIMIT_S = 60.0


def why_no_server() -> str:
    """Return what is missing for a private sound server, or nothing."""
    missing = [name for name in ("pulseaudio", "pactl", "pacat") if not shutil.which(name)]
    plugins = list(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so"))
    if not plugins:
        missing.append("libasound2-plugins")
    return f"install pulseaudio pulseaudio-utils libasound2-plugins ({', '.join(missing)})" if missing else ""


class SoundServer:
    """One daemon in a folder."""

    def __init__(self, folder: Path, rate_hz: int = 48_000) -> None:
        self._folder = folder
        self._socket = folder / "native"
        self._daemon: subprocess.Popen[bytes] | None = None
        for name in ("home", "run", "state"):
            (folder / name).mkdir(mode=0o700, exist_ok=True)
        (folder / "server.pa").write_text(
            f"load-module module-native-protocol-unix socket={self._socket} auth-anonymous=1 auth-cookie-enabled=0\n"
            # Without norewinds the sink delivers in bursts of seconds.
            f"load-module module-null-sink sink_name={SINK} rate={rate_hz} channels=1 norewinds=1\n"
            f"set-default-source {SINK}.monitor\n"
        )
        self.configuration = folder / "asound.conf"
        self.configuration.write_text(
            "</usr/share/alsa/alsa.conf>\npcm.!pulse { type pulse fallback none }\nctl.!pulse { type pulse }\n"
        )

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables by which programs find this server and no other."""
        return {
            "HOME": str(self._folder / "home"),
            "XDG_CONFIG_HOME": str(self._folder / "home"),
            "XDG_RUNTIME_DIR": str(self._folder / "run"),
            "PULSE_RUNTIME_PATH": str(self._folder / "run"),
            "PULSE_STATE_PATH": str(self._folder / "state"),
            "PULSE_SERVER": f"unix:{self._socket}",
            "ALSA_CONFIG_PATH": str(self.configuration),
            "DBUS_SESSION_BUS_ADDRESS": "disabled:",
        }

    def start(self) -> None:
        """Start the daemon and wait until it answers."""
        self._socket.unlink(missing_ok=True)
        environment = {**os.environ, **self.environment}
        daemon_environment = {key: value for key, value in environment.items() if key != "PULSE_SERVER"}
        self._daemon = subprocess.Popen(
            ["pulseaudio", "-n", "-F", str(self._folder / "server.pa"), "--daemonize=no", "--use-pid-file=no",
             "--exit-idle-time=-1", "--disable-shm=yes", "--high-priority=no", "--realtime=no", "--log-level=error"],
            env=daemon_environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline_s = time.monotonic() + START_LIMIT_S
        while subprocess.run(["pactl", "info"], env=environment, capture_output=True, check=False).returncode:
            if self._daemon.poll() is not None or time.monotonic() > deadline_s:
                raise RuntimeError("the private PulseAudio does not start")
            time.sleep(0.05)

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End the daemon (SIGKILL), freeze it (SIGSTOP) or let it go on (SIGCONT)."""
        if self._daemon is not None:
            self._daemon.send_signal(number)
            if number == signal.SIGKILL:
                self._daemon.wait(120.0)
                self._daemon = None

    def play_tone(self, seconds: float) -> subprocess.Popen[bytes]:
        """Play noise into the sink, in the background."""
        command = f"head -c {int(seconds * 48_000) * 2} /dev/urandom | pacat --raw --rate=48000 --channels=1 -d {SINK}"
        return subprocess.Popen(["sh", "-c", command], env={**os.environ, **self.environment})

    def stop(self) -> None:
        """End the daemon, whatever state it is in."""
        if self._daemon is not None:
            self._daemon.kill()
            self._daemon.wait(120.0)
            self._daemon = None
