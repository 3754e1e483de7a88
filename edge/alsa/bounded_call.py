"""Calls into an audio system that may never return, made so that the caller always does.

PortAudio can hang in closing a stalled device and in listing the devices of a sound server that does not answer. Such
a call runs on a thread of its own; who asked waits only so long. One call at a time: while one hangs, the next is
refused, so that a dead sound server costs one thread and not one more at every attempt.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class _Outcome(Generic[T]):
    """What became of a call."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.done = threading.Event()
        self.value: T | None = None
        self.error: BaseException | None = None
        self.is_abandoned = False


class BoundedCalls:
    """One call after the other, each on its own thread.

    Args:
        thread_name: Name of the threads, for a debugger.
    """

    def __init__(self, thread_name: str) -> None:
        self._thread_name = thread_name
        self._idle = threading.Lock()
        self._began_s = 0.0

    @property
    def busy_s(self) -> float:
        """Return for how long the present call has been running; 0 where there is none."""
        return time.monotonic() - self._began_s if self._idle.locked() else 0.0

    def call(self, job: Callable[[], T], timeout_s: float, undo: Callable[[T], None]) -> T:
        """Run a job and return what it returns.

        Args:
            job: To be run once.
            timeout_s: Longest wait, for an earlier job and this one together at most twice.
            undo: Is given the job's value where it came after nobody waited for it any more.

        Raises:
            TimeoutError: It, or an earlier one, has not come to an end; it goes on by itself.
            Exception: What the job raised.
        """
        outcome = self._start(job, timeout_s, undo)
        if not outcome.done.wait(timeout_s):
            with outcome.lock:
                if not outcome.done.is_set():
                    outcome.is_abandoned = True
                    raise TimeoutError
        if outcome.error is not None:
            raise outcome.error
        return outcome.value  # type: ignore[return-value]  # set where there is no error

    def start(self, job: Callable[[], None]) -> bool:
        """Run a job without waiting for it; return False where an earlier one has not come to an end."""
        try:
            self._start(job, 0.0, lambda _: None)
        except TimeoutError:
            return False
        return True

    def _start(self, job: Callable[[], T], timeout_s: float, undo: Callable[[T], None]) -> _Outcome[T]:
        if not self._idle.acquire(timeout=timeout_s):
            raise TimeoutError
        self._began_s = time.monotonic()
        outcome: _Outcome[T] = _Outcome()
        try:
            threading.Thread(target=self._run, args=(job, outcome, undo), name=self._thread_name, daemon=True).start()
        except RuntimeError as err:  # the machine has no thread left
            self._idle.release()
            raise TimeoutError from err
        return outcome

    def _run(self, job: Callable[[], T], outcome: _Outcome[T], undo: Callable[[T], None]) -> None:
        try:
            value = outcome.value = job()
        except BaseException as err:  # raised again on the thread that waits
            outcome.error = err
            with outcome.lock:
                outcome.done.set()
        else:
            with outcome.lock:
                outcome.done.set()
            if outcome.is_abandoned:
                undo(value)
        finally:
            self._idle.release()
