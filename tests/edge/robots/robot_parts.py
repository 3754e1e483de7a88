"""A map, a driver that remembers and breaks, for the tests of robots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge.robots.actuator_map import Actuator, ActuatorMap
from edge.robots.motion import MotionLimits

CHANNELS = ("jawOpen", "browInnerUp")
JAW_LIMITS = MotionLimits(1000.0, 2000.0, 2000.0, 40_000.0)
BROW_LIMITS = MotionLimits(1200.0, 1800.0, 600.0, 3000.0)
TICK_S = 0.02


def jaw_and_brow(jaw: MotionLimits = JAW_LIMITS, brow: MotionLimits = BROW_LIMITS, **keys: bool) -> ActuatorMap:
    return ActuatorMap(
        path=Path("robot.ini"),
        driver="test",
        driver_keys={},
        tick_s=TICK_S,
        lost_after_s=0.3,
        safe_in_silence=keys.get("safe_in_silence", False),
        stop_s=0.7,
        release=keys.get("release", True),
        actuators=(
            Actuator("jaw", 0, {"jawOpen": 1.0}, 1100.0, jaw, False, 0.0, 150.0, 1120.0),
            Actuator("brow", 1, {"browInnerUp": 1.0, "head_yaw": 0.02}, 1500.0, brow, False, 2.0, 100.0, 1500.0),
        ),
    )


class BreakableDriver:
    """Remembers every command; fails when told."""

    def __init__(self, is_readable: bool = True) -> None:
        self.commands: list[list[float]] = []
        self.n_opened = self.n_closed = self.n_released = 0
        self.failure: Exception | None = None
        self.is_readable = is_readable
        self.device_positions: list[float] | None = None

    @property
    def description(self) -> str:
        return "test driver"

    def open(self) -> None:
        if self.failure is not None:
            raise self.failure
        self.n_opened += 1

    def read_positions(self) -> Sequence[float] | None:
        return self.device_positions if self.is_readable else None

    def write(self, positions: Sequence[float]) -> None:
        if isinstance(self.failure, OSError):
            raise self.failure
        self.commands.append(list(positions))
        self.device_positions = list(positions)

    def release(self) -> None:
        self.n_released += 1

    def close(self) -> None:
        self.n_closed += 1
