"""How a command ends: what it raised, a reader that went away or a full disk, as an exit status and a line."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TextIO

from edge.errors import EXIT_INPUT, AuEdgeError
from edge.machine.log import finish_log
from edge.machine.outlet import Outlet
from edge.machine.starting import hear_again
from edge.machine.whole_file import NO_ROOM

EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells have it
SAID_LIMIT_S = 0.3  # for a last word to somebody who does not read


class EndedError(BaseException):
    """A signal asked the process to end.

    Args:
        number: Of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def exit_status(program: str, command: Callable[[], int], interrupted: str = "") -> int:
    """Run a command to its end.

    Args:
        program: Name before every error.
        command: Returns its exit status.
        interrupted: What Ctrl-C is answered with; nothing by default.

    Returns:
        The exit status: that of the command, or that of what ended it (see `edge.errors`).
    """
    _open_closed_streams()
    try:
        try:
            hear_again()
            status = command()
            _flush()
            return status
        except SystemExit:  # argparse, after --help
            _flush()
            raise
        except AuEdgeError as err:
            _say(f"{program}: {err}")
            with contextlib.suppress(OSError):
                _flush()
            return err.exit_code
    except KeyboardInterrupt:
        _discard(sys.stdout)  # Python would write what is left at its end, and wait for who does not read
        if interrupted:
            _say(f"{program}: {interrupted}")
        return EXIT_INTERRUPTED
    except EndedError as err:
        _discard(sys.stdout)
        signal.signal(err.number, signal.SIG_DFL)
        os.kill(os.getpid(), err.number)  # whoever waits for the process sees what ended it
        return 128 + err.number
    except BrokenPipeError:
        return 0  # its reader went away (`| head`): not an error of ours
    except OSError as err:
        said = _of_a_file(err)
        if said is None:
            raise
        _say(f"{program}: {said}")
        return EXIT_INPUT
    finally:
        _settle()


@contextlib.contextmanager
def left_in_order() -> Iterator[None]:
    """Have SIGTERM and SIGHUP leave through every `finally`, as Ctrl-C does: for who leaves something behind otherwise.

    A second one ends the process at once.
    """
    numbers = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) is signal.SIG_DFL]  # not under nohup
    if threading.current_thread() is not threading.main_thread():
        numbers = []

    def leave(number: int, _: object) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_DFL)
        raise EndedError(number)

    for number in numbers:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


def _of_a_file(error: OSError) -> str | None:
    """Return what a person is told of a file, or of what standard output leads to; None where it is about neither."""
    why = error.strerror or str(error)
    if error.errno in (*NO_ROOM, errno.EIO):  # EIO: a terminal that is gone, a broken disk
        asked = "output" if error.filename is None else str(error.filename)
        remedy = "Free some space, or write elsewhere" if error.errno in NO_ROOM else "Write elsewhere"
        return f"{asked}: {why}. {remedy}"
    if error.filename is None:
        return None
    return f"{error.filename}: {why}. Correct its name, or see that you may use it"


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


def _open_closed_streams() -> None:
    """Have what a shell closed (`>&-`) lead nowhere: the next file or socket would be standard output otherwise.

    A library's word would then go out as a frame, or into a recording.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:  # open takes the lowest that is free
            os.open(os.devnull, os.O_RDONLY if descriptor == 0 else os.O_WRONLY)
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115


def _flush() -> None:
    """Write what is left here, where a full disk, a closed pipe and Ctrl-C can still be answered."""
    sys.stdout.flush()


def _settle() -> None:
    """Let go of what could not be written: Python would complain at its end, with a status of its own."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            _discard(stream)


def _discard(stream: TextIO) -> None:
    """Have what is still to be written vanish."""
    with contextlib.suppress(OSError, ValueError):  # no descriptor of its own, or none left
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, stream.fileno())
        os.close(devnull)
