"""The page shows every frame a little after it came, moves evenly between frames, and never goes back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.edge.head.page_module import run_module

# Feeds arrivals [capture time, arrival at the server, arrival at the page, value] and asks at times of the screen.
SCRIPT = """
const { arrivals, screen } = given;
const playout = new module.Playout();
let next = 0;
const shown = screen.map((now) => {
  while (next < arrivals.length && arrivals[next][2] <= now) {
    const [capture, server, page, value] = arrivals[next++];
    playout.push({ sequence: next, captureUnixS: capture, arrivalUnixS: server, state: "live", head: [0, 0, 0],
      values: Float32Array.of(value) }, page);
  }
  const pose = playout.pose(now);
  return pose ? [pose.captureUnixS, pose.values[0], playout.delayS] : null;
});
console.log(JSON.stringify(shown));
"""


def played(arrivals: list[tuple[float, float, float, float]], screen: list[float]) -> list[list[float] | None]:
    shown: list[Any] = run_module("playout", SCRIPT, {"arrivals": arrivals, "screen": screen})
    return shown


def stream(
    seconds: float, jitter_s: float = 0.0, transit_s: float = 0.01, offset_s: float = 1e9, rate_hz: float = 30.0
) -> list[tuple[float, float, float, float]]:
    """Return a ramp of 1 a second, captured evenly, with jitter, for a page whose clock is another."""
    noise = np.random.default_rng(2)
    made, last = [], -1.0
    for i in range(int(seconds * rate_hz)):
        capture = i / rate_hz
        last = max(last, capture + transit_s + jitter_s * float(noise.random()))
        made.append((offset_s + capture, offset_s + last, last, capture))
    return made


SCREEN = [i / 60 for i in range(60 * 8)]


@pytest.mark.parametrize(("rate_hz", "jitter_s"), [(30.0, 0.0), (60.0, 0.0), (60.0, 0.02), (30.0, 0.06)])
def test_a_ramp_stays_a_ramp_at_the_screens_rate(rate_hz: float, jitter_s: float) -> None:
    shown = played(stream(8.0, jitter_s, rate_hz=rate_hz), SCREEN)
    late = [(now, pose) for now, pose in zip(SCREEN, shown, strict=True) if pose and now > 3.0]
    values = np.array([pose[1] for _, pose in late])
    steps = np.diff(values)
    assert steps.min() >= 0.0
    assert np.percentile(steps, 95) < 1.5 / 60
    # A frame interval and what the arrivals vary: no more delay than that is added to the 10 ms of the way.
    lag = np.array([now for now, _ in late]) - values
    assert lag.max() < 0.01 + 1 / rate_hz + jitter_s + 0.02


def test_the_delay_follows_the_arrivals_in_the_same_time_at_any_frame_rate() -> None:
    def delays_s(rate_hz: float) -> np.ndarray:
        calm, rough = stream(6.0, rate_hz=rate_hz), stream(8.0, 0.06, rate_hz=rate_hz)
        arrivals = [now if now[3] < 6.0 else late for now, late in zip(calm + rough[len(calm) :], rough, strict=True)]
        return np.array([pose[2] if pose else 0.0 for pose in played(arrivals, SCREEN)])

    slow, fast = delays_s(30.0), delays_s(60.0)
    # Less a period, which is what a frame waits for the next one, the delay is that of the jitter alone.
    difference = (slow - 1 / 30) - (fast - 1 / 60)
    assert np.abs(difference[300:]).max() < 0.015


def test_what_is_shown_never_goes_back() -> None:
    shown = [pose for pose in played(stream(8.0, 0.15), SCREEN) if pose]
    assert np.diff([pose[0] for pose in shown]).min() >= 0.0


def test_a_late_page_clock_or_a_restarted_sender_does_not_freeze_the_face() -> None:
    first = stream(3.0)
    again = [(c - 5e5, s - 5e5, p + 3.5, v) for c, s, p, v in stream(3.0)]
    shown = played(first + again, SCREEN)
    assert shown[int(5.0 * 60)] is not None
    assert shown[int(5.0 * 60)][1] == pytest.approx(1.5, abs=0.1)  # type: ignore[index]


def test_after_the_last_frame_it_is_held() -> None:
    shown = played(stream(1.0), SCREEN)
    assert shown[-1] is not None
    assert shown[-1][1] == pytest.approx(29 / 30)


def test_frames_without_a_clock_are_shown_as_they_come() -> None:
    shown = played([(0.0, 0.0, i / 30, i / 30) for i in range(90)], SCREEN)
    assert shown[120] is not None
    assert shown[120][1] == pytest.approx(2.0, abs=0.05)
