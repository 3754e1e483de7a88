"""Ctrl-C while a program's modules are still being imported ends it at once, and without Python's traces."""

from __future__ import annotations

import signal

_is_unheard = False


def end_unheard() -> None:
    """Have SIGINT end the process as other programs end by it; nothing where it is ignored (`nohup`, `&` in a script).

    What a start calls first of all, before the imports that take time. Python's own start, some 20 ms, is before it.
    """
    global _is_unheard
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        _is_unheard = True


def hear_again() -> None:
    """Have SIGINT be a KeyboardInterrupt again, now that somebody answers it; nothing without `end_unheard`."""
    global _is_unheard
    if _is_unheard:
        _is_unheard = False
        signal.signal(signal.SIGINT, signal.default_int_handler)
