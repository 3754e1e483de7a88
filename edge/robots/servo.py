"""`au-edge servo`: move one actuator by hand to find its limits, slowly, and only while a key is held.

A terminal says when a key is pressed and, while it is held, again and again; it does not say when it is let go. So
every press moves for a short time only, and no press means stand still: that is the dead man's key.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TextIO

from edge.config.options import did_you_mean
from edge.contracts import Clock
from edge.errors import ConfigurationError, DeviceError
from edge.robots.actuator_map import Actuator, ActuatorMap
from edge.robots.driver import Driver
from edge.robots.motion import Motion, MotionLimits

HOLD_S = 0.3  # motion that one press allows; shorter than the 0.5 s that a keyboard waits before it repeats: no runaway
SLOW_PART = 0.1  # of the actuator's velocity
ReadKey = Callable[[], str]  # returns a key at once, or "" where none was pressed
HELP = "hold + or - to move, 0 for neutral; n x c note minimum, maximum, neutral; q ends"


@dataclass(frozen=True)
class Calibration:
    """What was found by hand.

    Attributes:
        minimum: Lowest position.
        maximum: Highest position.
        neutral: Where it rests.
    """

    minimum: float
    maximum: float
    neutral: float

    def section(self, actuator: Actuator) -> str:
        """Return the lines for the actuator map."""
        return (
            f"[actuator.{actuator.name}]\nminimum = {self.minimum:g}\nmaximum = {self.maximum:g}\n"
            f"neutral = {self.neutral:g}\n"
        )


class HandControl:
    """One actuator under a hand.

    Args:
        actuator_map: The robot.
        name: Of the actuator.
        make_driver: Makes the driver for this actuator alone: the others are not touched.
        clock: Time.
        limits: Wider or narrower limits than the map's; None for the map's.

    Attributes:
        is_known: Whether the device has said where the actuator stands.

    Raises:
        ConfigurationError: There is no such actuator.
    """

    def __init__(
        self,
        actuator_map: ActuatorMap,
        name: str,
        make_driver: Callable[[Actuator], Driver],
        clock: Clock,
        limits: MotionLimits | None = None,
    ) -> None:
        names = [actuator.name for actuator in actuator_map.actuators]
        if name not in names:
            remedy = did_you_mean(name, names) or f"There are {', '.join(names)}"
            raise ConfigurationError(f"actuator {name!r} of {actuator_map.path}", "there is none", remedy)
        self.actuator = actuator_map.actuators[names.index(name)]
        self._driver = make_driver(self.actuator)
        self._clock = clock
        self._tick_s = actuator_map.tick_s
        self.limits = limits or self.actuator.limits
        self._slow = min(SLOW_PART * self.limits.velocity, self.actuator.start_velocity)
        self._motion = Motion(self.limits, self.actuator.safe, self._tick_s)
        self._target = self._motion.position
        self._may_move_until_s = -1.0
        self._is_touched = False
        self.is_known = False

    @property
    def position(self) -> float:
        """Return the last command, or where it will begin."""
        return self._motion.position

    def open(self) -> None:
        """Open the device and ask where the actuator is; it gets no command before the first key.

        Raises:
            DeviceError: It cannot be had.
        """
        self._driver.open()
        try:
            positions = self._driver.read_positions()
        except OSError as err:
            self._driver.close()
            raise DeviceError(
                self._driver.description, f"it does not answer ({err})", "Check power and wiring"
            ) from err
        self.is_known = positions is not None and math.isfinite(positions[0])
        start = positions[0] if positions and self.is_known else self.actuator.safe
        self._motion = Motion.begun_at(self.limits, start, self._tick_s)
        self._target = self._motion.position

    def press(self, target: float) -> None:
        """Allow motion towards a target for a short time.

        Args:
            target: Position; brought within the limits.
        """
        self._target = target
        self._is_touched = True
        self._may_move_until_s = self._clock.monotonic_s() + HOLD_S

    def tick(self) -> float:
        """Command once (from the first key on), wait for the next tick, and return the position."""
        now_s = self._clock.monotonic_s()
        if self._is_touched:
            target = self._target if now_s < self._may_move_until_s else math.nan
            self._driver.write([self._motion.advance(target, self._slow)])
        self._clock.sleep_until(now_s + self._tick_s)
        return self._motion.position

    def close(self) -> None:
        """Switch off and release."""
        try:
            self._driver.release()
        except OSError:
            pass  # it is gone, and so is its torque control
        self._driver.close()


def jog(control: HandControl, read_key: ReadKey, stream: TextIO) -> Calibration | None:
    """Move an actuator by keys and note positions; see HELP.

    Args:
        control: Opened here, closed at the end.
        read_key: The keyboard.
        stream: Where the position is shown.

    Returns:
        What was noted, if minimum, maximum and neutral were.
    """
    limits = control.limits
    noted: dict[str, float] = {}
    control.open()
    stream.write(f"{control.actuator.name}: {HELP}\n{_warning(control)}")
    try:
        while (key := read_key()) != "q":
            target = {"+": limits.maximum, "=": limits.maximum, "-": limits.minimum, "0": control.actuator.neutral}.get(
                key
            )
            if target is not None:
                control.press(target)
            elif key in ("n", "x", "c"):
                noted[key] = control.position
                stream.write(f"\n{ {'n': 'minimum', 'x': 'maximum', 'c': 'neutral'}[key] } {control.position:.1f}\n")
            stream.write(f"\r{control.tick():10.1f} ")
            stream.flush()
    finally:
        control.close()
    if len(noted) < 3:
        return None
    found = Calibration(min(noted["n"], noted["x"]), max(noted["n"], noted["x"]), noted["c"])
    if not found.minimum <= found.neutral <= found.maximum or found.minimum == found.maximum:
        stream.write("\nthe neutral position is not between minimum and maximum: nothing is written\n")
        return None
    stream.write("\n" + found.section(control.actuator))
    return found


def sweep(control: HandControl, read_key: ReadKey, stream: TextIO) -> int:
    """Move an actuator between its limits while the space bar is held.

    Args:
        control: Opened here, closed at the end.
        read_key: The keyboard; q ends.
        stream: Where the position is shown.

    Returns:
        How many ends were reached.
    """
    limits = control.limits
    ends: Sequence[float] = (limits.maximum, limits.minimum)
    n_reached = 0
    control.open()
    stream.write(f"{control.actuator.name}: hold the space bar to move, q ends\n{_warning(control)}")
    try:
        while (key := read_key()) != "q":
            if key == " ":
                control.press(ends[n_reached % 2])
            position = control.tick()
            n_reached += abs(position - ends[n_reached % 2]) < 1e-6
            stream.write(f"\r{position:10.1f} ")
            stream.flush()
    finally:
        control.close()
    return n_reached


def _warning(control: HandControl) -> str:
    """Return what the first key will do where it is not known where the actuator stands."""
    if control.is_known:
        return ""
    return f"where it stands is not known: the first key takes it to {control.position:g} as fast as it can go\n"


def calibration_limits(actuator: Actuator, lowest: float, highest: float) -> MotionLimits:
    """Return limits for finding limits: the range that the device can do, at the actuator's own velocity.

    Args:
        actuator: To be calibrated.
        lowest: Of the device, for example 500 microseconds.
        highest: Of the device, for example 2500 microseconds.
    """
    return replace(actuator.limits, minimum=lowest, maximum=highest)
