"""What the program tells systemd: ready, what it is doing, that its loop still turns, that it stops.

The sd_notify protocol is one datagram of `NAME=value` lines to the socket in NOTIFY_SOCKET (man sd_notify, a stable
interface), so it needs no library. Away from systemd every call does nothing. A lost notification is counted and is
never an error: the frames matter more than the report about them.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping

BEATS_PER_LIMIT = 2  # man sd_watchdog_enabled: notify at half the limit
EXTENSION_S = 30.0  # asked for at a third of it, so that two may be lost


class ServiceNotifier:
    """The line to the service manager; made on any thread, used on the loop's.

    Args:
        address: Path of the datagram socket, `@name` for the abstract namespace, or empty for none.
        watchdog_limit_s: Time without a beat after which systemd kills the service; 0 for no watchdog.
        monotonic_s: Source of CLOCK_MONOTONIC seconds.
    """

    def __init__(
        self, address: str = "", watchdog_limit_s: float = 0.0, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._period_s = watchdog_limit_s / BEATS_PER_LIMIT
        self._monotonic_s = monotonic_s
        self._next_beat_s = -1.0
        self._next_extension_s = -1.0
        self._socket: socket.socket | None = None
        self.n_lost = 0

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> ServiceNotifier:
        """Return the notifier that systemd asks for, or one that does nothing.

        Args:
            environment: Variables to read; those of the process by default.
        """
        variables = os.environ if environment is None else environment
        address = variables.get("NOTIFY_SOCKET", "")
        if address[:1] not in ("/", "@"):
            address = ""
        limit_us = variables.get("WATCHDOG_USEC", "")
        watched_pid = variables.get("WATCHDOG_PID", "")
        is_watched = limit_us.isdecimal() and watched_pid in ("", str(os.getpid()))
        return cls(address, int(limit_us) / 1e6 if is_watched else 0.0)

    @property
    def is_active(self) -> bool:
        """Return whether somebody listens."""
        return bool(self._address)

    @property
    def watchdog_period_s(self) -> float:
        """Return the time between two beats, or 0 where there is no watchdog."""
        return self._period_s if self._address else 0.0

    def ready(self, text: str = "") -> None:
        """Say that the service does its work; also ends `reloading`."""
        self._send("READY=1", *_status(text))

    def starting(self, text: str) -> None:
        """Ask for more time to start, since something is waited for; to be called every frame until `ready`.

        Without it a service that waits for a microphone would be killed after TimeoutStartSec, again and again.

        Args:
            text: What is waited for.
        """
        now_s = self._monotonic_s()
        if self._address and now_s >= self._next_extension_s:
            self._next_extension_s = now_s + EXTENSION_S / 3
            self._send(f"EXTEND_TIMEOUT_USEC={int(EXTENSION_S * 1e6)}", *_status(text))

    def status(self, text: str) -> None:
        """Show one line in `systemctl status`."""
        self._send(*_status(text))

    def watchdog(self) -> None:
        """Say that the loop turns; to be called every frame, sends only when a beat is due."""
        if not self._address or self._period_s <= 0:
            return
        now_s = self._monotonic_s()
        if now_s >= self._next_beat_s:
            self._next_beat_s = now_s + self._period_s
            self._send("WATCHDOG=1")

    def reloading(self) -> None:
        """Say that a new configuration is being read; `ready` must follow, also where it was refused."""
        # MONOTONIC_USEC lets systemd 253 and later tell this answer from one to an earlier reload.
        self._send("RELOADING=1", f"MONOTONIC_USEC={int(self._monotonic_s() * 1e6)}")

    def stopping(self, text: str = "") -> None:
        """Say that the last frames are on their way."""
        self._send("STOPPING=1", *_status(text))

    def close(self) -> None:
        """Release the socket; may be called twice."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, *lines: str) -> None:
        if not self._address or not lines:
            return
        try:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
                self._socket.setblocking(False)  # a service manager that does not read must not hold a frame up
            # Addressed anew each time: a connected socket would stay dead after systemd re-made its own.
            self._socket.sendto("\n".join(lines).encode(), self._address)
        except (OSError, ValueError):
            self.n_lost += 1


def _status(text: str) -> tuple[str, ...]:
    """Return the STATUS line; a line break in it would be read as another variable."""
    return (f"STATUS={' '.join(text.split())}",) if text else ()
