"""What a driver of actuators must do, and the keys of the drivers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from edge.config.options import Option, Value, did_you_mean, parse_value
from edge.contracts import Transport
from edge.errors import AuEdgeError, ConfigurationError, ConfigurationMistakesError

# Microseconds of pulse that a servo can have been told; what a board says outside of them is a mistake on the wire.
PLAUSIBLE_US = (400.0, 2600.0)


@dataclass(frozen=True)
class Servo:
    """What a driver knows of an actuator.

    Attributes:
        name: For messages and names on the wire.
        output: Its number.
        velocity: Its limit, units a second, for devices that can limit too.
    """

    name: str
    output: int
    velocity: float


@runtime_checkable
class Driver(Protocol):
    """A board, bus or network that moves actuators. Positions are in the driver's unit and already within limits."""

    @property
    def description(self) -> str:
        """Return the device as a person writes it."""
        ...

    def open(self) -> None:
        """Acquire the device; nothing moves.

        Raises:
            DeviceError: It cannot be had now.
            ConfigurationError: It can never be had as asked.
        """
        ...

    def read_positions(self) -> Sequence[float] | None:
        """Return where the actuators are or were last told to be.

        Returns:
            NaN for an actuator that is off and may stand anywhere; None where the device can neither say where any of
            them is nor switch them off.

        Raises:
            OSError: The device is gone.
        """
        ...

    def write(self, positions: Sequence[float]) -> None:
        """Command all actuators.

        Args:
            positions: NaN leaves an actuator as it is; only for one that `read_positions` returned NaN for.

        Raises:
            OSError: The device is gone.
        """
        ...

    def release(self) -> None:
        """Switch the actuators off: no pulse, no torque.

        Raises:
            OSError: The device is gone.
        """
        ...

    def close(self) -> None:
        """Release the device; may be called twice."""
        ...


def link_state(transport: Transport) -> str:
    """Return how it stands with a way on the network, in a word or two; "up" where it cannot tell."""
    state = getattr(transport, "state", None)
    return "up" if state is None else str(state.value)


def driver_values(driver: str, options: Sequence[Option], keys: Mapping[str, str]) -> dict[str, Value]:
    """Return a driver's keys as values.

    Args:
        driver: Its name, for messages.
        options: What it has.
        keys: As written under [robot].

    Raises:
        ConfigurationMistakesError: A key is unknown or a value is not allowed; all at once.
    """
    known = {option.name: option for option in options}
    mistakes: list[AuEdgeError] = [
        ConfigurationError(
            f"[robot] {key}", f"driver {driver} has no such key", did_you_mean(key, known) or "Remove it"
        )
        for key in keys
        if key not in known
    ]
    values = {}
    for option in options:
        try:
            values[option.name] = parse_value(f"[robot] {option.name}", option, keys.get(option.name, option.default))
        except ConfigurationError as err:
            mistakes.append(err)
    if mistakes:
        raise ConfigurationMistakesError(mistakes)
    return values
