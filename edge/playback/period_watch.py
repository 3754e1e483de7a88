"""Whether a running output still takes its periods."""

from __future__ import annotations

import threading
from typing import Protocol

from edge.alsa.first_period import FirstPeriodWait
from edge.contracts import Clock

WATCHDOG_S = 0.25  # without a callback; the device holds 50 ms
WATCHDOG_PERIODS = 8


class Mortal(Protocol):
    """A stream that may have ended by itself.

    Attributes:
        n_periods: How many it has taken.
    """

    n_periods: int

    def is_dead(self) -> bool:
        """Return whether the audio library says that it stopped."""
        ...


class PeriodWatch:
    """Looks at one stream after the other.

    Args:
        clock: The time.
        look_s: Between two looks.
    """

    def __init__(self, clock: Clock, look_s: float) -> None:
        self._clock = clock
        self._look_s = look_s
        self._watched: Mortal | None = None
        self._n_periods = 0
        self._silent_s = self._looked_s = 0.0

    def fault_of(self, stream: Mortal, period_s: float) -> str:
        """Return why a stream must be given up, or nothing.

        Args:
            stream: The stream of now.
            period_s: How long one lasts.
        """
        now_s = self._clock.monotonic_s()
        if stream is not self._watched or stream.n_periods != self._n_periods:
            self._watched, self._n_periods, self._silent_s = stream, stream.n_periods, 0.0
        else:
            # Only time in which others could run counts: a program that stood still does not accuse the device.
            self._silent_s += min(now_s - self._looked_s, 2 * self._look_s)
        self._looked_s = now_s
        if self._silent_s < self._look_s:
            return ""
        if stream.is_dead():
            return "its stream has ended (is the sound server gone?)"
        if self._silent_s > max(WATCHDOG_S, WATCHDOG_PERIODS * period_s):
            return f"it has taken no sound for {self._silent_s:.2f} s (unplugged or stalled?)"
        return ""


def wait_for_first_period(stream: Mortal, stop: threading.Event, clock: Clock, first_period: FirstPeriodWait) -> str:
    """Wait until a new stream takes sound.

    Args:
        stream: Just opened.
        stop: Set where nobody waits any more.
        clock: The time.
        first_period: Knows how long that may take, and learns it.

    Returns:
        What is wrong, or nothing.
    """
    opened_s, limit_s = clock.monotonic_s(), first_period.limit_s
    while not stream.n_periods:
        waited_s = clock.monotonic_s() - opened_s
        if stop.is_set():
            return "the loudspeaker was closed"
        if waited_s > limit_s:
            first_period.missed()
            return f"it has taken no sound for {waited_s:.2f} s (stalled?)"
        stop.wait(0.002)
    first_period.came(clock.monotonic_s() - opened_s)
    return ""
