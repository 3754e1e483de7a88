"""What an agent has sent beyond its buffer: held in order, so that a word behind it can be heard at once.

Without it a `clear` would lie on the wire behind all the sound that it shall end.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from edge.sources.agents.words import Word

MOST_HELD_BYTES = 32 * 1024 * 1024  # of one agent: 11 minutes at 24 kHz in s16le
MOST_HELD_BYTES_OF_ALL = 128 * 1024 * 1024
WORD_BYTES = 1024  # that a word takes, about
LOUDEST = 8.0  # of float samples, whose full scale is 1: what is louder was never divided


class Backlog:
    """Sound, and the words that belong between it, in the order of their coming.

    Attributes:
        n_bytes: How much memory that is, about.
    """

    def __init__(self) -> None:
        self._items: deque[Word | bytes] = deque()
        self.n_bytes = 0

    def __len__(self) -> int:
        return len(self._items)

    def append(self, item: Word | bytes) -> None:
        """Put something behind the others."""
        self._items.append(item)
        self.n_bytes += _size(item)

    def popleft(self) -> Word | bytes:
        """Take the oldest."""
        item = self._items.popleft()
        self.n_bytes -= _size(item)
        return item


def fault_of_floats(data: bytes) -> str:
    """Return why float samples cannot be heard, or "".

    Args:
        data: Whole f32le samples.
    """
    samples = np.frombuffer(data, "<f4")
    loudest = float(np.max(np.abs(samples), initial=0.0))
    if not np.isfinite(loudest):
        return "samples that are not numbers (NaN or infinite): this frame is not heard"
    if loudest > LOUDEST:
        return f"a sample of {loudest:g}, where full scale is 1.0: divide, or send s16le. This frame is not heard"
    return ""


def _size(item: Word | bytes) -> int:
    return len(item) if isinstance(item, bytes) else WORD_BYTES
