"""Faces of the whole program against what a loudspeaker truly played: when each came, and when its sound left.

An agent says one sentence again and again. Where each saying began in what was played is found by correlation; a
frame's place in its saying by the time that it bears, and by its mouth, which is the same in every saying.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.edge.sources.agents.rig import Agent
from tests.system.talking import Seen, Watcher
from tests.virtual_loudspeaker.audience import Audience

FRAME_S = 1 / 30
HALL_RATE_HZ = 48_000


@dataclass(frozen=True)
class Round:
    """Some sayings of a sentence.

    Attributes:
        begins_s: When the first sample of each truly left, CLOCK_MONOTONIC.
        told_s: Of each frame, the time that it bears less when the sound of its end truly left.
        came_s: Of each frame, when it arrived less that.
        places: Of each frame, the place in its saying, in frames.
        mouths: Of each frame.
    """

    begins_s: list[float]
    told_s: NDArray[np.float64]
    came_s: NDArray[np.float64]
    places: NDArray[np.int64]
    mouths: NDArray[np.float64]


def talk_options(port: int, *more: str) -> tuple[str, ...]:
    """Return the options of a program that plays what agents say through the loudspeaker `speaker_48`."""
    return ("audio.source=websocket", f"audio.address=127.0.0.1:{port}", "audio.play=yes", "play.device=speaker_48",
            "life.enabled=no", *more)  # fmt: skip


def played_at(hall: Audience, sound: NDArray[np.float64], rate_hz: int, after_s: float) -> list[float]:
    """Return when each playing of a sound began, by the loudspeaker's own truth: by correlation."""
    heard, times_s = hall.heard_at_once()
    heard, times_s = heard[times_s > after_s], times_s[times_s > after_s]
    n_wanted = int(len(sound) / rate_hz * HALL_RATE_HZ)
    wanted = np.interp(np.arange(n_wanted) / HALL_RATE_HZ, np.arange(len(sound)) / rate_hz, sound)[:24_000]
    n = 1 << (len(heard) + len(wanted)).bit_length()
    match = np.fft.irfft(np.fft.rfft(heard, n) * np.conj(np.fft.rfft(wanted, n)), n)[: len(heard)]
    begins = []
    while (best := int(match.argmax())) and match[best] > 0.5 * float(wanted @ wanted):
        begins.append(float(times_s[best]))
        match[max(0, best - 12_000) : best + 12_000] = 0.0
    return sorted(begins)


def say_again_and_again(
    agent: Agent, hall: Audience, watcher: Watcher, sound: NDArray[np.int16], rate_hz: int, name: str, n: int = 6
) -> Round:
    """Have a sentence said some times and return what was seen of it; an utterance that is cleared is an error."""
    began_s = time.monotonic()
    for i in range(n):
        agent.utter(sound, f"{name}{i}", rate_hz)
    for i in range(n):
        assert agent.wait("finished", id=f"{name}{i}", limit_s=60.0)["cleared"] is False
    time.sleep(0.3)
    clock_s = time.time() - time.monotonic()
    begins_s = played_at(hall, sound / 32768, rate_hz, began_s)
    live = [seen for seen in list(watcher.seen) if seen.state == "live" and seen.at_s > began_s]
    return _compare(live, begins_s, clock_s)


def _compare(live: list[Seen], begins_s: list[float], clock_s: float) -> Round:
    begins = np.array(begins_s)
    heard_s = np.array([seen.heard_unix_s - clock_s for seen in live])
    saying = np.searchsorted(begins, heard_s) - 1
    inside = saying >= 0
    since_s = heard_s[inside] - begins[saying[inside]]
    places = np.round(since_s / FRAME_S).astype(np.int64)
    told_s = since_s - places * FRAME_S
    at_s = np.array([seen.at_s for seen in live])[inside]
    came_s = at_s - begins[saying[inside]] - places * FRAME_S
    mouths = np.array([seen.mouth for seen in live])[inside]
    return Round(begins_s, told_s, came_s, places, mouths)


def likeness_by_place(rounds: list[Round], shift: int = 0) -> float:
    """Return r between each frame's mouth and the mean mouth of its place, moved by some frames.

    Where places are right it is all but 1 without a shift, and less with one.
    """
    places = np.concatenate([one.places for one in rounds])
    mouths = np.concatenate([one.mouths for one in rounds])
    n = int(places.max()) + 1
    counts = np.bincount(places, minlength=n)
    mean = np.stack([np.bincount(places, curve, n) for curve in mouths.T], axis=1) / np.maximum(counts, 1)[:, None]
    moved = places + shift
    known = (moved >= 0) & (moved < n)
    return float(np.corrcoef(mean[moved[known]].ravel(), mouths[known].ravel())[0, 1])
