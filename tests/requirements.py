"""What a test needs from the machine: a skip has a name and a reason, and `--require=NAME` turns it into a failure.

`--require=all` lets nothing be skipped.
"""

from __future__ import annotations

import importlib
from types import ModuleType

import pytest

_required: set[str] = set()


def set_required(names: set[str]) -> None:
    """Set the names whose absence fails a test."""
    _required.clear()
    _required.update(names)


def need(name: str, available: bool, reason: str) -> None:
    """Skip the calling test (or module) where something is not available, or fail where it is required.

    Args:
        name: Short name of the requirement ("microphone", "liblo", "tensorrt_rtx").
        available: Whether it is here.
        reason: What is missing and how to get it.
    """
    if available:
        return
    if name in _required or "all" in _required:
        pytest.fail(f"required {name}: {reason}", pytrace=False)
    pytest.skip(f"{name}: {reason}", allow_module_level=True)


def need_module(name: str, package: str = "") -> ModuleType:
    """Return a module, or skip the calling test (or module) where it cannot be imported, or fail where it is required.

    Args:
        name: As it is imported; also the requirement's name.
        package: As it is installed, where that is another name.
    """
    try:
        return importlib.import_module(name)
    except ImportError as err:
        need(name, False, f"{err}: pip install {package or name}")
        raise
