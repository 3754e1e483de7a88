"""What the face answers: events of the wire as values, and the errors that a caller meets."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


class FaceError(Exception):
    """Something about the face that the caller can act upon."""


class RefusedError(FaceError):
    """The face does not do what was asked; nothing else is lost.

    Args:
        what: The word that was refused ("start", "mood").
        why: The reason, with what would be possible.
    """

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what} was refused: {why}")
        self.what = what
        self.why = why


class ConnectionLostError(FaceError):
    """There is no connection, or no more: what was not reported as played may or may not have been heard."""


@dataclass(frozen=True)
class Played:
    """What became of an utterance.

    Attributes:
        seconds: How much of it was really spoken.
        cleared: Whether it was ended before its end.
    """

    seconds: float
    cleared: bool


@dataclass(frozen=True)
class Event:
    """One word of the face.

    Attributes:
        kind: "ready", "queued", "started", "finished", "refused", or one that this client does not know.
        utterance_id: Which utterance it is about; "" for none.
        fields: All of it.
    """

    kind: str
    utterance_id: str
    fields: dict[str, Any]

    @property
    def played(self) -> Played:
        """Return what a "finished" tells."""
        return Played(float(self.fields.get("seconds", 0.0)), bool(self.fields.get("cleared", False)))

    @property
    def refusal(self) -> RefusedError:
        """Return what a "refused" tells."""
        return RefusedError(str(self.fields.get("what", "a word")), str(self.fields.get("why", "no reason was given")))

    def names(self, key: str) -> tuple[str, ...]:
        """Return a list of names of a "ready"."""
        return tuple(str(name) for name in self.fields.get(key) or ())


def parse_event(text: str | bytes) -> Event:
    """Read one text frame of the face.

    Raises:
        ConnectionLostError: It is not one; whoever listens there is not au-edge.
    """
    try:
        fields = json.loads(text)
        return Event(str(fields["type"]), str(fields.get("id") or ""), fields)
    except (ValueError, TypeError, KeyError, AttributeError) as err:
        raise ConnectionLostError(f"what answers is not au-edge: {bytes(str(text)[:80], 'utf-8')!r}") from err
