"""Real-time scheduling for the two threads that must not wait: SCHED_FIFO where the limits allow it.

On a busy machine the frame clock misses deadlines without it and none with it. The engine
stands above the capture thread on purpose: PortAudio spins when its device is pulled out, and the thread that must
notice and close it is the engine's; the capture loses nothing by waiting for one inference, its ring holds far more.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource

CAPTURE_PRIORITY = 10
# The main thread draws and logs, and holds the interpreter's lock meanwhile: if others could take its processor then,
# the engine would wait for both (measured on a busy machine: up to 250 ms; with these two numbers up to 3 ms).
MAIN_PRIORITY = 5
SWITCH_INTERVAL_S = 0.0005  # after which a thread that holds the lock is asked for it; Python's own is 5 ms
ENGINE_PRIORITY = 15  # both below the kernel's own interrupt threads, which stand at 50


def make_thread_realtime(priority: int, thread: str) -> str:
    """Put the calling thread under SCHED_FIFO, as high as the limits allow.

    Args:
        priority: Wanted priority, 1 to 99.
        thread: What the thread is called in the line that is returned.

    Returns:
        One line for the log: what the thread runs under, and what to change where that is not real time.
    """
    limit = resource.getrlimit(resource.RLIMIT_RTPRIO)[0]
    for wanted in (priority, limit):  # a privileged process may go beyond its limit, others may use what they have
        if not 1 <= wanted <= priority:
            continue
        try:
            # A child process (pactl, a shell) must not inherit it.
            os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(wanted))
        except OSError as err:
            if err.errno not in (errno.EPERM, errno.EINVAL, errno.ENOSYS):
                raise
        else:
            return f"{thread} thread: real time (SCHED_FIFO {wanted})"
    return (
        f"{thread} thread: normal scheduling, since real time is not permitted (limit {limit}); "
        "the service unit sets LimitRTPRIO=40, a login needs `rtprio` in /etc/security/limits.d"
    )


def make_thread_normal(thread_id: int) -> None:
    """Take a thread of this process out of real-time scheduling; no error where it has ended.

    Args:
        thread_id: Its `threading.get_native_id()`.
    """
    with contextlib.suppress(OSError):
        os.sched_setscheduler(thread_id, os.SCHED_OTHER, os.sched_param(0))
