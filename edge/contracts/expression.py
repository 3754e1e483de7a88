"""What an application may want of the face beside its speech: the words, and the object that takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

MOODS: tuple[str, ...] = ("neutral", "happy", "sad", "angry", "afraid", "surprised", "disgusted")
GESTURES: tuple[str, ...] = ("nod", "shake", "tilt", "blink", "wink")


@runtime_checkable
class Expressive(Protocol):
    """Takes wishes from any thread, without waiting; the face follows from its next frame on.

    Whoever hears an application (a socket, OSC, ROS, a page) calls this. The words are the application's: nothing that
    listens to a voice may set a mood.
    """

    def mood(self, name: str, amount: float = 1.0) -> None:
        """Show a mood, eased over a second; it stays until another is set.

        Args:
            name: One of `MOODS`.
            amount: 0 to 1.

        Raises:
            ConfigurationError: There is no such mood, or the amount is not 0 to 1.
        """
        ...

    def look(self, yaw_deg: float | None = None, pitch_deg: float | None = None) -> None:
        """Look in a direction, eyes first, then the head; without angles look freely again.

        Args:
            yaw_deg: To the face's own left positive.
            pitch_deg: Up positive.

        Raises:
            ConfigurationError: An angle is missing, no number, or beyond 90 degrees.
        """
        ...

    def gesture(self, name: str) -> None:
        """Make a gesture once.

        Args:
            name: One of `GESTURES`.

        Raises:
            ConfigurationError: There is no such gesture.
        """
        ...

    def rest(self) -> None:
        """Ease everything, speech too, to neutral and stay there until `wake`."""
        ...

    def wake(self) -> None:
        """End a rest."""
        ...


@runtime_checkable
class LidsKept(Protocol):
    """Tells idle life when somebody else moves the lids."""

    @property
    def is_lids_busy(self) -> bool:
        """Return whether a blink or wink is going on that was asked for."""
        ...


@runtime_checkable
class Control(Protocol):
    """Hears an application on a thread of its own and hands its wishes to a face."""

    @property
    def description(self) -> str:
        """Return one line for a person: protocol and address."""
        ...

    def open(self) -> None:
        """Begin to listen.

        Raises:
            AuEdgeError: It cannot be heard there.
        """
        ...

    def counters(self) -> Mapping[str, int]:
        """Return counts since start: `taken` and `refused` wishes."""
        ...

    def close(self) -> None:
        """Listen no more; may be called twice."""
        ...
