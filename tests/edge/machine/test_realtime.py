"""Real-time scheduling: what the line says is what the kernel says."""

from __future__ import annotations

import os
import resource
import threading

import pytest

from edge.machine.realtime import CAPTURE_PRIORITY, ENGINE_PRIORITY, make_thread_normal, make_thread_realtime


def on_a_thread(priority: int) -> tuple[str, int, int]:
    seen: list[tuple[str, int, int]] = []

    def run() -> None:
        line = make_thread_realtime(priority, "capture")
        policy = os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK
        seen.append((line, policy, os.sched_getparam(0).sched_priority))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return seen[0]


def test_the_line_tells_the_policy_the_kernel_reports() -> None:
    line, policy, priority = on_a_thread(CAPTURE_PRIORITY)
    if "SCHED_FIFO" in line:
        assert policy == os.SCHED_FIFO
        assert line.endswith(f"SCHED_FIFO {priority})")
    else:
        assert policy == os.SCHED_OTHER
        assert "LimitRTPRIO" in line


def test_other_threads_keep_their_scheduling() -> None:
    before = os.sched_getscheduler(0)
    on_a_thread(CAPTURE_PRIORITY)
    assert os.sched_getscheduler(0) == before


def test_a_thread_can_be_taken_out_of_real_time_by_another() -> None:
    ready, leave = threading.Event(), threading.Event()
    thread_ids: list[int] = []

    def run() -> None:
        make_thread_realtime(CAPTURE_PRIORITY, "capture")
        thread_ids.append(threading.get_native_id())
        ready.set()
        leave.wait(5.0)

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait(5.0)
    make_thread_normal(thread_ids[0])
    assert os.sched_getscheduler(thread_ids[0]) & ~os.SCHED_RESET_ON_FORK == os.SCHED_OTHER
    leave.set()
    thread.join()
    make_thread_normal(thread_ids[0])  # it has ended: nothing to do, and no error


def test_a_lower_limit_is_used_as_far_as_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def refuse_above_five(_: int, policy: int, parameter: os.sched_param) -> None:
        tried.append(parameter.sched_priority)
        if parameter.sched_priority > 5:
            raise PermissionError(1, "not permitted")

    monkeypatch.setattr(resource, "getrlimit", lambda _: (5, 5))
    monkeypatch.setattr(os, "sched_setscheduler", refuse_above_five)
    assert make_thread_realtime(10, "engine").endswith("(SCHED_FIFO 5)")
    assert tried == [10, 5]


def test_without_permission_the_line_says_what_to_change(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "not permitted")

    monkeypatch.setattr(resource, "getrlimit", lambda _: (0, 0))
    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    line = make_thread_realtime(10, "engine")
    assert line.startswith("engine thread: normal scheduling")
    assert "limits.d" in line


def test_the_engine_stands_above_a_capture_thread_that_may_spin() -> None:
    assert ENGINE_PRIORITY > CAPTURE_PRIORITY
