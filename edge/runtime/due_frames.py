"""Faces that are known before their sound is heard: each is sent when it is due, to some receivers a little earlier."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from edge.frames import AUFrame

MOST_WAITING = 128  # two seconds at 60 a second; more is never computed ahead


class DueFrames:
    """A queue of copies, made once.

    Args:
        n_channels: Of a frame.
        leads_s: How much earlier than its sound a face is due, one for each group of receivers, the longest first.
    """

    def __init__(self, n_channels: int, leads_s: Sequence[float]) -> None:
        self._leads_s = tuple(leads_s)
        self._frames = [AUFrame.neutral(n_channels) for _ in range(MOST_WAITING)]
        self._next = [0] * len(self._leads_s)  # of each group, counted from the first frame ever
        self._end = 0

    def __len__(self) -> int:
        return self._end - min(self._next)

    def put(self, frame: AUFrame) -> None:
        """Add a copy of a frame; where there is no room the oldest is gone for those that have not got it."""
        kept = self._frames[self._end % MOST_WAITING]
        np.copyto(kept.activations, frame.activations)
        np.copyto(kept.head_deg, frame.head_deg)
        kept.index, kept.end_sample_index = frame.index, frame.end_sample_index
        kept.capture_time_s, kept.level_dbfs = frame.capture_time_s, frame.level_dbfs
        kept.state, kept.is_over, kept.lips_met = frame.state, frame.is_over, frame.lips_met
        self._end += 1
        self._next = [max(at, self._end - MOST_WAITING) for at in self._next]

    def due_s(self) -> float:
        """Return when the next frame is due for anybody; inf where none waits."""
        due_s = float("inf")
        for at, lead_s in zip(self._next, self._leads_s, strict=True):
            if at < self._end:
                due_s = min(due_s, self._frames[at % MOST_WAITING].capture_time_s - lead_s)
        return due_s

    def take_due(self, now_s: float) -> Iterator[tuple[AUFrame, int]]:
        """Yield frames that are due with the group they are due for; a frame is valid until the next is put.

        Every group gets every frame once and in order; the first group gets a frame before any other does.
        """
        for group, lead_s in enumerate(self._leads_s):
            while (at := self._next[group]) < self._end:
                frame = self._frames[at % MOST_WAITING]
                if frame.capture_time_s - lead_s > now_s:
                    break
                self._next[group] += 1
                yield frame, group

    def clear(self) -> int:
        """Drop what waits; return how many frames nobody will get whole."""
        n_dropped = len(self)
        self._next = [self._end] * len(self._leads_s)
        return n_dropped
