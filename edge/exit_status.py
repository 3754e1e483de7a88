"""How a command ends: what it raised, a reader that went away or a full disk, as an exit status and a line."""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections.abc import Callable

from edge.errors import EXIT_INPUT, AuEdgeError
from edge.machine.log import finish_log
from edge.machine.outlet import Outlet

EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells have it
SAID_LIMIT_S = 0.3  # for a last word to somebody who does not read


def exit_status(program: str, command: Callable[[], int], interrupted: str = "") -> int:
    """Run a command to its end.

    Args:
        program: Name before every error.
        command: Returns its exit status.
        interrupted: What Ctrl-C is answered with; nothing by default.

    Returns:
        The exit status: that of the command, or that of what ended it (see `edge.errors`).
    """
    try:
        try:
            status = command()
        except SystemExit:  # argparse, after --help
            _flush()
            raise
        _flush()
        return status
    except AuEdgeError as err:
        _say(f"{program}: {err}")
        return err.exit_code
    except KeyboardInterrupt:
        _discard_output()  # Python would write what is left at its end, and wait for who does not read
        if interrupted:
            _say(f"{program}: {interrupted}")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _discard_output()  # its reader went away (`| head`): not an error of ours
        return 0
    except OSError as err:
        if err.errno != errno.ENOSPC:
            raise
        _discard_output()
        _say(f"{program}: output: {err.strerror}. Free some space, or write elsewhere")
        return EXIT_INPUT


def leave_hanging_threads(status: int) -> None:
    """End the process at once where a thread is left in a library; return where none is.

    A thread that loads a network or opens a microphone must not have the interpreter torn down under it: when it next
    asked for the interpreter's lock, Python would end it, and in C++ that aborts the process.
    """
    finish_log()  # its thread ends by that, or is stuck as well
    if any(thread.daemon for thread in threading.enumerate()):
        os._exit(status)


def _say(line: str) -> None:
    """Say a last word, behind what was logged; a reader that does not read must not keep the process alive."""
    if not finish_log(line):
        last = Outlet(sys.stderr)
        last.write(line + "\n", SAID_LIMIT_S)
        last.close()


def _flush() -> None:
    """Write what is left here, where a full disk, a closed pipe and Ctrl-C can still be answered."""
    if sys.stdout is not None:  # `>&-` leaves None
        sys.stdout.flush()


def _discard_output() -> None:
    """Let what is still to be written vanish, or Python complains at exit."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
