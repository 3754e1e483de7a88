"""What the view needs of a decoder and of the frames that it returns; edge.outputs.receiving has one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from edge.frames import State


class ArrivingFrame(Protocol):
    """A frame off the wire; see edge.outputs.received.ReceivedFrame for the meaning of each."""

    @property
    def protocol(self) -> str:
        """Return the name of its format."""
        ...

    @property
    def values(self) -> Sequence[float]:
        """Return activations in [0, 1]."""
        ...

    @property
    def names(self) -> Sequence[str] | None:
        """Return their names, None while they are unknown."""
        ...

    @property
    def head_deg(self) -> Sequence[float]:
        """Return pitch, yaw, roll."""
        ...

    @property
    def sequence(self) -> int:
        """Return the sender's count."""
        ...

    @property
    def sequence_modulus(self) -> int:
        """Return where the count wraps round."""
        ...

    @property
    def capture_unix_s(self) -> float:
        """Return when the sound was at the microphone."""
        ...

    @property
    def state(self) -> State:
        """Return what the frame rests on."""
        ...


class Decoder(Protocol):
    """Reads the datagrams of one sender."""

    n_refused: int
    last_reason: str

    def feed(self, datagram: bytes) -> ArrivingFrame | None:
        """Return a frame, or None for anything else."""
        ...
