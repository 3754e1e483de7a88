"""Calls that may hang: the caller returns in time, one thread is the most that is lost, late values are undone."""

from __future__ import annotations

import threading
import time

import pytest

from edge.alsa.bounded_call import BoundedCalls
from tests.pace import Pace


def ignore(_: object) -> None:
    pass


def test_a_value_and_an_error_are_handed_over() -> None:
    calls = BoundedCalls("test")
    assert calls.call(lambda: 7, 1.0, ignore) == 7
    with pytest.raises(KeyError):
        calls.call(lambda: {}["x"], 1.0, ignore)
    assert calls.call(lambda: 8, 1.0, ignore) == 8


def test_a_hanging_call_costs_its_time_once_and_its_late_value_is_undone() -> None:
    calls, release = BoundedCalls("test"), threading.Event()
    undone: list[str] = []

    def hang() -> str:
        release.wait(60.0)
        return "late"

    before = set(threading.enumerate())
    for _ in range(4):
        with Pace() as pace:
            began_s = time.monotonic()
            with pytest.raises(TimeoutError):
                calls.call(hang, 0.1, undone.append)
            took_s = time.monotonic() - began_s
        assert took_s < pace.allowed(0.5)
        assert not calls.start(lambda: None)
        assert len(set(threading.enumerate()) - before) == 1
    release.set()
    assert calls.call(lambda: "next", 60.0, ignore) == "next"  # waits for the late one
    assert undone == ["late"]


def test_started_jobs_run_by_themselves() -> None:
    calls, done = BoundedCalls("test"), threading.Event()
    assert calls.start(done.set)
    assert done.wait(60.0)
