"""Processes that must not outlive the one that started them, not even where it is killed or runs out of memory.

Source: prctl(2), PR_SET_PDEATHSIG: a signal that the kernel sends when the thread that started a process has ended.
It stays over execve, but for programs that change their user.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1
EXIT_NO_PROGRAM = 127  # as shells have it


def end_with(parent: int, number: int = signal.SIGTERM) -> None:
    """Have the calling process be sent a signal when its parent ends, and now where that has ended already.

    Args:
        parent: The number of the process that started this one.
        number: Of the signal.
    """
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(number))
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def ending_with_this(command: Sequence[str]) -> list[str]:
    """Return a command that runs another program, which is told to end when the calling thread ends.

    By a process of its own, since nothing may be done between fork and exec in a program with threads.

    Args:
        command: The program and its arguments.
    """
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def main() -> int:
    """Become the command that the arguments name, bound to the process whose number comes first."""
    parent, *command = sys.argv[1:]
    end_with(int(parent))
    try:
        os.execvp(command[0], command)
    except OSError as err:
        print(f"{command[0]}: {err.strerror}", file=sys.stderr)
        return EXIT_NO_PROGRAM


if __name__ == "__main__":
    sys.exit(main())
