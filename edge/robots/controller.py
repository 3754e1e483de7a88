"""From faces to the positions of all actuators, tick by tick; knows no device and no clock.

Where no face has come for too long, at the end of the program and (if asked) in silence, every actuator goes to its
safe position; the limits of its motion hold on the way there as everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edge.frames import AUFrame, State
from edge.robots.actuator_map import ActuatorMap, Mixer
from edge.robots.motion import Motion

_ARRIVED_TICKS = 1.0  # of full velocity: so near, the slow start is over


class Controller:
    """The motions of a robot.

    Args:
        actuator_map: What there is and what it may do.
        channels: Of the manifest.

    Attributes:
        is_stopping: Set it to lead everything to the safe pose.
        is_lost: Whether the last tick found no fresh face.

    Raises:
        ConfigurationMistakesError: A mix names what is no channel.
    """

    def __init__(self, actuator_map: ActuatorMap, channels: Sequence[str]) -> None:
        self.is_stopping = False
        self.is_lost = True
        self._map = actuator_map
        self._channels = tuple(channels)
        self._mixer = Mixer(actuator_map.actuators, channels)
        self._activations = np.zeros(len(channels), np.float32)
        self._head_deg = np.zeros(3, np.float32)
        self._state = State.NEUTRAL
        self._taken_at_s = -math.inf
        self._motions: list[Motion] = []
        self._followed: list[float] = []
        self._has_started: list[bool] = []
        self._is_off: list[bool] = []
        self._stands_until_s: list[float] = []
        self._next_first_s = -math.inf
        self._has_spoken = False
        self.begin(None)

    def begin(self, positions: Sequence[float] | None) -> None:
        """Start slowly from where the actuators are.

        Args:
            positions: As the device says, NaN for an actuator that is off: its first pulse is where it was last told to
                be, or at its safe position. None where the device can neither say nor switch off.
        """
        actuators = self._map.actuators
        guesses = [motion.position for motion in self._motions] or [actuator.safe for actuator in actuators]
        told = guesses if positions is None else positions
        self._is_off = [not math.isfinite(position) for position in told]
        known = [guess if is_off else p for p, guess, is_off in zip(told, guesses, self._is_off, strict=True)]
        self._motions = [Motion.begun_at(a.limits, p, self._map.tick_s) for a, p in zip(actuators, known, strict=True)]
        self._followed = [motion.position for motion in self._motions]
        self._has_started = [False] * len(actuators)
        self._stands_until_s = [-math.inf] * len(actuators)
        self._next_first_s = -math.inf

    def take(self, frame: AUFrame, now_s: float) -> None:
        """Take a face.

        Args:
            frame: Read during the call only.
            now_s: CLOCK_MONOTONIC.
        """
        self._activations[:] = frame.activations
        self._head_deg[:] = frame.head_deg
        self._state = frame.state
        self._taken_at_s = now_s
        self._has_spoken |= frame.state == State.LIVE

    def advance(self, now_s: float) -> list[float]:
        """Return the commands of this tick, NaN for an actuator that is to stay off.

        Args:
            now_s: CLOCK_MONOTONIC, when the tick began; a face may have come since.
        """
        self.is_lost = not abs(now_s - self._taken_at_s) <= self._map.lost_after_s
        self._switch_one_on(now_s)
        is_silent = self._state == State.SILENCE and self._map.safe_in_silence
        if self.is_lost or self.is_stopping or is_silent or self._state == State.STOPPING:
            targets = [actuator.safe for actuator in self._map.actuators]
        else:
            targets = self._mixer.targets(self._activations, self._head_deg)
        return [self._advance_one(index, target, now_s) for index, target in enumerate(targets)]

    def is_safe(self) -> bool:
        """Return whether every actuator has been commanded to its safe position and stands."""
        return all(
            is_off or (motion.velocity == 0 and abs(motion.position - actuator.safe) <= max(actuator.dead_band, 1e-6))
            for motion, actuator, is_off in zip(self._motions, self._map.actuators, self._is_off, strict=True)
        )

    def change(self, actuator_map: ActuatorMap) -> None:
        """Take a map that was read again; motions go on where they are.

        Args:
            actuator_map: With the same actuators at the same outputs and the same tick; others need a new start.

        Raises:
            ValueError: The actuators are others.
            ConfigurationError: A mix names what is no channel, or new limits lie beside the old ones.
        """
        old, new = self._map, actuator_map
        if [(a.name, a.output) for a in old.actuators] != [(a.name, a.output) for a in new.actuators]:
            raise ValueError("the map has other actuators")
        if (old.driver, old.driver_keys, old.tick_s) != (new.driver, new.driver_keys, new.tick_s):
            raise ValueError("the map has another driver or tick")
        mixer = Mixer(new.actuators, self._channels)
        for motion, actuator in zip(self._motions, new.actuators, strict=True):
            motion.refuse(actuator.limits)
        for motion, actuator in zip(self._motions, new.actuators, strict=True):
            motion.change(actuator.limits)
        self._mixer = mixer
        self._map = new

    def _switch_one_on(self, now_s: float) -> None:
        """Let the next actuator that is off have its first pulse, if it is time."""
        is_wanted = self._has_spoken or not self._map.starts_on_speech
        if True not in self._is_off or self.is_stopping or not is_wanted or now_s < self._next_first_s:
            return
        index = self._is_off.index(True)
        self._is_off[index] = False
        self._next_first_s = self._stands_until_s[index] = now_s + self._map.start_gap_s

    def _advance_one(self, index: int, target: float, now_s: float) -> float:
        """Return the command of one actuator."""
        actuator, motion = self._map.actuators[index], self._motions[index]
        if self._is_off[index]:
            return math.nan
        if now_s <= self._stands_until_s[index]:  # it is on its way, as fast as it can
            return motion.advance(math.nan)
        if abs(target - self._followed[index]) > actuator.dead_band or target == actuator.safe:
            self._followed[index] = target
        target = self._followed[index]
        if self._has_started[index]:
            return motion.advance(target)
        near = max(actuator.dead_band, _ARRIVED_TICKS * actuator.limits.velocity * self._map.tick_s)
        self._has_started[index] = abs(target - motion.position) <= near
        return motion.advance(target, actuator.start_velocity)
