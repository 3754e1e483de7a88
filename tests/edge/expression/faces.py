"""Frames for the tests of expression: a face that is played for a while, and what it showed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from edge.expression.expression import Expression
from edge.frames import Float32Array
from edge.vocabulary import ARKIT_APPLE


class Shown(NamedTuple):
    """Activations float32 [n, 52] in Apple's order, head float32 [n, 3]."""

    activations: Float32Array
    head_deg: Float32Array


_times_s: WeakKeyDictionary[Expression, float] = WeakKeyDictionary()


def at(channel: str) -> int:
    """Return a channel's place."""
    return ARKIT_APPLE.index(channel)


def play(
    face: Expression,
    seconds: float,
    rate_hz: float = 30.0,
    *,
    speech: Float32Array | None = None,
    head: Sequence[float] = (0.0, 0.0, 0.0),
    gate: float = 0.0,
) -> Shown:
    """Go on with a face and return its frames.

    Args:
        face: Its time goes on from call to call.
        seconds: How long.
        rate_hz: Frames a second.
        speech: float32 [52], the same in every frame, or [n, 52]; None for a mouth at rest.
        head: Pitch, yaw, roll of the speech.
        gate: 1 for speech.
    """
    n = round(seconds * rate_hz)
    own = np.zeros(52, np.float32) if speech is None else speech
    shown = Shown(np.broadcast_to(own, (n, 52)).copy(), np.tile(np.array(head, np.float32), (n, 1)))
    for activations, head_deg in zip(*shown, strict=True):
        time_s = _times_s.get(face, 0.0)
        face.apply(activations, head_deg, time_s, gate)
        _times_s[face] = time_s + 1 / rate_hz
    return shown
