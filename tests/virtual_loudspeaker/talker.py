"""Somebody who speaks through a player, in bursts that are found again in what was played, at any rate of the device.

Each burst stands at a known index of what was written; so what the player said of its time can be compared with when
it truly left.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from edge.contracts import Player
from tests.virtual_loudspeaker.audience import Audience

RATE_HZ = 24_000  # what synthesisers give
BURST_GAP_S = 0.1
LEAD_S = 0.25  # how far the writer is ahead


def burst(times_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a sound of 4 ms whose middle is at 0, at these times."""
    shaped = np.exp(-((times_s / 0.8e-3) ** 2)) * np.cos(2 * np.pi * 1500 * times_s)
    return np.where(np.abs(times_s) < 3e-3, shaped, 0.0)


class Talker:
    """Writes bursts at the pace of the loudspeaker, and asks for the time of each once it is written."""

    def __init__(self, player: Player, rate_hz: int = RATE_HZ) -> None:
        self.player = player
        self.rate_hz = rate_hz
        self.written = 0
        self.bursts: list[int] = []
        self.told_s: dict[int, float] = {}
        self.states: set[str] = set()

    def talk(self, seconds: float) -> None:
        gap, chunk = int(BURST_GAP_S * self.rate_hz), self.rate_hz // 50
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            while self.written - self.player.position().sample_index < LEAD_S * self.rate_hz:
                indices = np.arange(self.written, self.written + chunk)
                middle = np.round((indices - gap / 2) / gap) * gap + gap / 2
                sound = 0.8 * burst((indices - middle) / self.rate_hz).astype(np.float32)
                taken = self.player.write(sound)
                if taken == 0:
                    break
                self.written += taken
            while (middle := len(self.bursts) * gap + gap // 2) < self.written:
                self.bursts.append(middle)
            for index in self.bursts[-4:]:  # as a face does: shortly before it is heard
                if self.player.time_of(index) > time.monotonic():
                    self.told_s[index] = self.player.time_of(index)
            self.states.add(self.player.state)
            time.sleep(0.01)


def middles(audience: Audience, since_s: float = 0.0) -> NDArray[np.float64]:
    """Return the true times at which the middles of whole bursts were played."""
    found = []
    for run in audience.heard():
        sound, times = run.samples[:, 0].astype(np.float64), run.times()
        half = int(3e-3 / run.sample_s)
        template = burst(np.arange(-half, half + 1) * run.sample_s)
        match = np.convolve(sound, template[::-1], "same") / np.sum(template**2)
        for at in np.flatnonzero(match > 0.6):
            near = match[max(0, at - half) : at + half + 1]
            if match[at] == near.max() and half < at < len(match) - half:
                left, here, right = match[at - 1 : at + 2]
                shift = 0.5 * (left - right) / (left - 2 * here + right)
                found.append(times[at] + shift * run.sample_s)
    return np.array([time_s for time_s in found if time_s > since_s])


def errors_of(talker: Talker, audience: Audience, since_s: float) -> NDArray[np.float64]:
    """Return, for each burst that was played, what was told of its time less when it was, in seconds."""
    heard = middles(audience, since_s)
    told = np.array([told_s for index, told_s in talker.told_s.items() if told_s > since_s])
    return np.array([told[np.argmin(np.abs(told - time_s))] - time_s for time_s in heard])
