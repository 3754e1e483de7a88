"""What decoders return: a frame or an announcement, as some sender said it."""

from __future__ import annotations

from dataclasses import dataclass

from edge.frames import State

MAX_RECEIVED_CHANNELS = 1024  # more is no face: it bounds what a hostile datagram can make a receiver hold


@dataclass(frozen=True)
class ReceivedFrame:
    """A frame as it came off the wire.

    Attributes:
        protocol: "osc", "json" or "binary".
        values: Activations in the sender's order, each finite and in [0, 1].
        names: Their names; None where the datagram carries none (see `Announcement`).
        head_deg: Pitch, yaw, roll in degrees.
        sequence: Of the sender, for counting losses; modulo `sequence_modulus`.
        sequence_modulus: Where the sequence wraps round.
        capture_unix_s: When the sound was at the sender's microphone, Unix time.
        state: See `State`.
    """

    protocol: str
    values: tuple[float, ...]
    names: tuple[str, ...] | None
    head_deg: tuple[float, float, float]
    sequence: int
    sequence_modulus: int
    capture_unix_s: float
    state: State


@dataclass(frozen=True)
class Announcement:
    """The channel names of a sender, or a part of them.

    Attributes:
        protocol: "osc" or "binary".
        names: Names in the sender's order, beginning with channel `first_index`.
        first_index: Index of names[0].
        n_channels: How many channels the sender has.
    """

    protocol: str
    names: tuple[str, ...]
    first_index: int
    n_channels: int


def state_of(value: object) -> State:
    """Return the state of a label or a number.

    Raises:
        ValueError: There is no such state.
    """
    if isinstance(value, str):
        for state in State:
            if state.label == value:
                return state
        raise ValueError(f"state {value[:20]!r} is unknown")
    if isinstance(value, int) and not isinstance(value, bool):
        return State(value)
    raise ValueError("the state is neither a label nor a number")
