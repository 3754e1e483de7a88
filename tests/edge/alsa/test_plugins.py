"""Plug-ins that are loaded stay loaded, and nothing else is touched."""

from __future__ import annotations

from edge.alsa.plugins import hold_plugins

MAPS = """7f0000000000-7f0000001000 r--p 00000000 fd:00 1 /usr/lib/alsa-lib/not_a_library.so
7f0000001000-7f0000002000 r-xp 00001000 fd:00 1 /usr/lib/alsa-lib/not_a_library.so
7f0000002000-7f0000003000 r--p 00000000 fd:00 2 /usr/lib/libc.so.6
7f0000003000-7f0000004000 rw-p 00000000 00:00 0
"""


def test_only_plugins_are_held_and_one_that_has_gone_is_passed_over() -> None:
    held = hold_plugins("")
    assert hold_plugins(MAPS) == held


def test_what_is_loaded_now_can_be_asked_again_and_again() -> None:
    assert hold_plugins() == hold_plugins()
