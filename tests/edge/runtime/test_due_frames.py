"""Faces that wait for their sound: each group gets each of them once, in order, at its own time."""

from __future__ import annotations

import numpy as np
import pytest

from edge.frames import AUFrame, State
from edge.runtime.due_frames import MOST_WAITING, DueFrames

PERIOD_S = 1 / 30


def frame(i: int) -> AUFrame:
    made = AUFrame.neutral(2)
    made.activations[:] = i / 1000
    made.index, made.capture_time_s, made.state = i, 100 + i * PERIOD_S, State.LIVE
    return made


@pytest.mark.parametrize("leads_s", [(0.0,), (0.08, 0.0), (0.2, 0.05, 0.0)])
def test_every_group_gets_every_face_once_in_order_and_at_its_time(leads_s: tuple[float, ...]) -> None:
    due = DueFrames(2, leads_s)
    got: dict[int, list[tuple[int, float]]] = {group: [] for group in range(len(leads_s))}
    for step in range(1500):
        now_s = 99.5 + step * 0.002
        if step % 15 == 0 and step < 900:
            due.put(frame(step // 15))
        for kept, group in due.take_due(now_s):
            got[group].append((kept.index, now_s))
            np.testing.assert_array_equal(kept.activations, np.float32(kept.index / 1000))
    for group, lead_s in enumerate(leads_s):
        assert [index for index, _ in got[group]] == list(range(60))
        for index, at_s in got[group]:
            put_s, due_s = 99.5 + 0.03 * index, 100 + index * PERIOD_S - lead_s
            assert at_s == pytest.approx(max(put_s, due_s), abs=0.0021)
    assert len(due) == 0
    assert due.due_s() == float("inf")


def test_what_is_cleared_nobody_gets_and_what_overflows_is_the_oldest() -> None:
    due = DueFrames(2, (0.1, 0.0))
    for i in range(3):
        due.put(frame(i))
    assert [(f.index, g) for f, g in due.take_due(100.0)] == [(i, 0) for i in range(3)] + [(0, 1)]
    assert due.clear() == 2
    assert list(due.take_due(1e9)) == []
    for i in range(MOST_WAITING + 5):
        due.put(frame(i))
    assert [f.index for f, g in due.take_due(1e9) if g == 1] == list(range(5, MOST_WAITING + 5))
