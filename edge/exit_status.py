"""How a command ends: what it raised, a reader that went away or a full disk, as an exit status and a line."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable

from edge.errors import EXIT_INPUT, AuEdgeError

EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells have it


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
        status = command()
        if sys.stdout is not None:  # `>&-` leaves None
            sys.stdout.flush()  # here, where a full disk or a closed pipe can still be answered
        return status
    except AuEdgeError as err:
        print(f"{program}: {err}", file=sys.stderr)
        return err.exit_code
    except KeyboardInterrupt:
        if interrupted:
            print(f"{program}: {interrupted}", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _discard_output()  # its reader went away (`| head`): not an error of ours
        return 0
    except OSError as err:
        if err.errno != errno.ENOSPC:
            raise
        _discard_output()
        print(f"{program}: output: {err.strerror}. Free some space, or write elsewhere", file=sys.stderr)
        return EXIT_INPUT


def _discard_output() -> None:
    """Let what is still to be written vanish, or Python complains at exit."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
