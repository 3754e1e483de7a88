"""Restarts from anywhere, reloads to any limits, jumps of the clock, faces that are none: the laws hold at each tick.

Seeded, not hypothesis: what breaks such a thing is a long history, and there a counterexample is shrunk by reading it.
"""

from __future__ import annotations

import contextlib
import math
import random
from pathlib import Path

import pytest

from edge.errors import ConfigurationError
from edge.frames import AUFrame, State
from edge.robots.actuator_map import Actuator, ActuatorMap
from edge.robots.controller import Controller
from edge.robots.motion import MotionLimits

N_ACTUATORS = 2
SEEDS = 80


def random_limits(chance: random.Random, near: MotionLimits | None = None) -> MotionLimits:
    """Return any limits, or ones whose range lies within another's, with any velocity and acceleration."""
    if near is None or near.maximum - near.minimum < 1e-3:
        low, span = chance.uniform(-2000, 2000), 10 ** chance.uniform(-3, 4)
        velocity = span * 10 ** chance.uniform(-3, 3)
        return MotionLimits(low, low + span, velocity, velocity * 10 ** chance.uniform(-3, 4))
    width = near.maximum - near.minimum
    low = near.minimum + chance.choice([0.0, 0.9 * chance.random()]) * width
    high = low + chance.uniform(0.05, 1) * (near.maximum - low)
    faster, harder = 10 ** chance.uniform(-2, 2), 10 ** chance.uniform(-3, 3)
    return MotionLimits(low, high, near.velocity * faster, near.acceleration * harder)


def random_map(chance: random.Random, tick_s: float, limits: list[MotionLimits]) -> ActuatorMap:
    actuators = []
    for index, allowed in enumerate(limits):
        neutral, safe = (chance.uniform(allowed.minimum, allowed.maximum) for _ in range(2))
        mix = {"jawOpen": chance.uniform(-3, 3), "head_yaw": chance.uniform(-1, 1)}
        dead_band = chance.choice([0, 0.01]) * (allowed.maximum - allowed.minimum)
        slow = allowed.velocity * 10 ** chance.uniform(-2, 1)
        actuators.append(
            Actuator(f"a{index}", index, mix, neutral, allowed, chance.random() < 0.3, dead_band, slow, safe)
        )
    return ActuatorMap(
        Path("robot.ini"), "test", {}, tick_s, chance.uniform(0.05, 1), chance.random() < 0.2, 0.7, True,
        tuple(actuators), chance.choice([0.0, 0.3, 2.0]), chance.random() < 0.2,
    )  # fmt: skip


class Watched:
    """A controller and what it has commanded."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.tick_s = 1 / chance.choice([10, 50, 200])
        self.now_s = chance.choice([0.0, 1e9])
        self.map = random_map(chance, self.tick_s, [random_limits(chance) for _ in range(N_ACTUATORS)])
        self.controller = Controller(self.map, ("jawOpen",))
        self.begin([chance.choice([chance.uniform(-5000, 5000), math.nan, math.inf]) for _ in range(N_ACTUATORS)])

    def begin(self, positions: list[float] | None) -> None:
        before = [motion.position for motion in self.controller._motions]
        self.controller.begin(positions)
        self.last = before if positions is None else positions
        self.speeds = [0.0] * N_ACTUATORS

    def face(self) -> None:
        frame = AUFrame.neutral(1)
        frame.activations[:] = self.chance.choice([self.chance.uniform(-5, 5), 0.0, 1.0, math.nan, math.inf])
        frame.head_deg[:] = self.chance.choice([self.chance.uniform(-90, 90), math.nan, 1e30])
        frame.state = self.chance.choice(list(State))
        self.controller.take(frame, self.now_s + self.chance.choice([0.0, -1.0, 1e-5, 0.01]))

    def reload(self) -> None:
        limits = [
            random_limits(self.chance, a.limits if self.chance.random() < 0.7 else None) for a in self.map.actuators
        ]
        newer = random_map(self.chance, self.tick_s, limits)
        with contextlib.suppress(ConfigurationError):  # limits that share no position need a new start
            self.controller.change(newer)
            self.map = newer

    def tick(self) -> None:
        for index, position in enumerate(self.controller.advance(self.now_s)):
            if math.isnan(position):
                continue  # it is off
            allowed, last = self.controller._motions[index].limits, self.last[index]
            slack = 1e-9 * (abs(allowed.minimum) + abs(allowed.maximum) + 1)
            assert allowed.minimum - slack <= position <= allowed.maximum + slack
            if math.isfinite(last):
                speed = (position - last) / self.tick_s
                assert abs(speed) <= allowed.velocity + slack / self.tick_s
                change = abs(speed - self.speeds[index])
                assert change <= allowed.acceleration * self.tick_s + 2 * slack / self.tick_s
                self.speeds[index] = speed
            self.last = [*self.last[:index], position, *self.last[index + 1 :]]
        self.now_s += self.chance.choice([self.tick_s, self.tick_s, self.tick_s, 0.0, 10.0, self.tick_s / 10])


@pytest.mark.parametrize("first", range(0, SEEDS, 20))
def test_whatever_the_history_every_command_keeps_the_limits_in_force(first: int) -> None:
    for seed in range(first, first + 20):
        chance = random.Random(seed)
        watched = Watched(chance)
        for _ in range(200):
            event = chance.random()
            if event < 0.35:
                watched.face()
            elif event < 0.45:
                watched.now_s += chance.choice([0.0, 10.0, -5.0, 1e6, -1e6])
            elif event < 0.55:
                watched.reload()
            elif event < 0.60:
                watched.controller.is_stopping = chance.random() < 0.5
            elif event < 0.63:
                places = [motion.position for motion in watched.controller._motions]
                found = [chance.choice([place, chance.uniform(-5000, 5000), math.nan]) for place in places]
                watched.begin(None if chance.random() < 0.3 else found)
            for _ in range(chance.randint(1, 6)):
                watched.tick()
