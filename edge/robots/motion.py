"""Where an actuator is told to be, tick by tick: never outside its limits, never faster, never harder.

A tick is a fixed time. The step of one tick is what the velocity allows, changes from tick to tick by no more than the
acceleration allows, and is always small enough that braking ends before the limit. The last point is why no target, no
lost input and no new configuration can push a command beyond an end: the way to stop is always still there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from edge.errors import ConfigurationError


@dataclass(frozen=True)
class MotionLimits:
    """What an actuator may do, in its own unit (microseconds, degrees, level).

    Attributes:
        minimum: Lowest position.
        maximum: Highest position.
        velocity: Units a second.
        acceleration: Units a second, per second.
    """

    minimum: float
    maximum: float
    velocity: float
    acceleration: float

    def __post_init__(self) -> None:
        """Refuse limits that allow nothing.

        Raises:
            ConfigurationError: A number is not finite, the range is empty, or nothing may move.
        """
        numbers = (self.minimum, self.maximum, self.velocity, self.acceleration)
        if not all(map(math.isfinite, numbers)) or not self.minimum < self.maximum or min(numbers[2:]) <= 0:
            raise ConfigurationError(
                f"limits {self.minimum:g} to {self.maximum:g}, velocity {self.velocity:g}, "
                f"acceleration {self.acceleration:g}",
                "minimum is not below maximum, or velocity or acceleration is not above 0",
                "Correct the actuator map",
            )


class Motion:
    """The commanded position of one actuator.

    Args:
        limits: What it may do.
        position: Where it is; brought within the limits.
        tick_s: Time between two commands.

    Attributes:
        position: The last command.
        velocity: Of the last tick, units a second.
    """

    def __init__(self, limits: MotionLimits, position: float, tick_s: float) -> None:
        self._limits = limits
        self._next_limits: MotionLimits | None = None
        self._tick_s = tick_s
        self.position = min(max(position, limits.minimum), limits.maximum)
        self.velocity = 0.0

    @classmethod
    def begun_at(cls, limits: MotionLimits, position: float, tick_s: float) -> Motion:
        """Return a motion that begins where an actuator was found, also outside of its limits: it is led in from there.

        Args:
            limits: What it may do.
            position: Where it is; a jump to the nearest limit would break the velocity.
            tick_s: Time between two commands.
        """
        found = replace(limits, minimum=min(limits.minimum, position), maximum=max(limits.maximum, position))
        motion = cls(found, position, tick_s)
        motion.change(limits)
        return motion

    @property
    def limits(self) -> MotionLimits:
        """Return the limits in force."""
        return self._limits

    def change(self, limits: MotionLimits) -> None:
        """Take new limits; they are in force as soon as the present motion fits them, and it is led there at once.

        Args:
            limits: From a configuration that was read again.

        Raises:
            ConfigurationError: See `refuse`.
        """
        self.refuse(limits)
        self._next_limits = limits

    def refuse(self, limits: MotionLimits) -> None:
        """Raise where new limits cannot be reached without leaving the old.

        Args:
            limits: From a configuration that was read again.

        Raises:
            ConfigurationError: No position is within both: that needs a new start.
        """
        if limits.minimum > self._limits.maximum or limits.maximum < self._limits.minimum:
            raise ConfigurationError(
                f"limits {limits.minimum:g} to {limits.maximum:g} while it runs",
                f"they share no position with {self._limits.minimum:g} to {self._limits.maximum:g}",
                "Restart the program",
            )

    def advance(self, target: float, max_velocity: float = math.inf) -> float:
        """Go one tick towards a target.

        Args:
            target: Any number; a NaN brakes.
            max_velocity: A lower velocity than the limit, for a slow start.

        Returns:
            The new command.
        """
        if self._next_limits is not None and self._fits(self._next_limits):
            self._limits, self._next_limits = self._next_limits, None
        wanted = self._next_limits or self._limits
        tick_s, limits = self._tick_s, self._limits
        if math.isnan(target):
            velocity = 0.0
        else:
            target = min(max(target, wanted.minimum), wanted.maximum)
            target = min(max(target, limits.minimum), limits.maximum)  # last: these are in force
            distance = target - self.position
            step = _last_step(abs(distance), limits.acceleration * tick_s**2)
            velocity = math.copysign(min(step / tick_s, wanted.velocity, limits.velocity, max_velocity), distance)
        change = limits.acceleration * tick_s
        velocity = min(max(velocity, self.velocity - change), self.velocity + change)
        before = self.position
        self.position = min(max(before + velocity * tick_s, limits.minimum), limits.maximum)
        self.velocity = (self.position - before) / tick_s
        return self.position

    def _fits(self, limits: MotionLimits) -> bool:
        """Return whether the present position and velocity could be part of a motion within other limits."""
        if not limits.minimum <= self.position <= limits.maximum or abs(self.velocity) > limits.velocity:
            return False
        room = limits.maximum - self.position if self.velocity > 0 else self.position - limits.minimum
        unit = limits.acceleration * self._tick_s**2
        return max(0.0, abs(self.velocity) * self._tick_s - unit) <= _last_step(room, unit)


def _last_step(distance: float, unit: float) -> float:
    """Return the largest step of this tick from which braking still ends within a distance.

    Braking takes `unit` off the step at every tick. A step s followed by s - unit, s - 2 unit, ... down to nothing
    covers the distance exactly for s = distance / (n + 1) + n unit / 2, with n the number of steps that follow.

    Args:
        distance: To the point where it must stand.
        unit: Acceleration times the square of the tick.
    """
    n_more = math.floor((math.sqrt(1.0 + 8.0 * distance / unit) - 1.0) / 2.0)
    return distance / (n_more + 1) + n_more * unit / 2.0
