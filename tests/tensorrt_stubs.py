"""The published type stubs of TensorRT, repaired so that mypy can read them.

tensorrt-stubs are generated: they carry no py.typed, so mypy does not look at them where they are installed, and a few
functions that we never call are not Python (a parameter called `in`, a default before a parameter without). A copy
without those functions is given to mypy as its search path.
"""

from __future__ import annotations

import ast
import re
from importlib import metadata
from pathlib import Path

_PACKAGES = ("tensorrt", "tensorrt_bindings")


def find_stubs() -> Path | None:
    """Return where the stubs are installed, or None."""
    try:
        files = metadata.files("tensorrt-stubs") or []
    except metadata.PackageNotFoundError:
        return None
    wanted = [f for f in files if str(f) == "tensorrt_bindings/tensorrt.pyi"]
    return Path(str(wanted[0].locate())).parent.parent if wanted else None


def write_repaired_stubs(folder: Path) -> list[str]:
    """Write the stubs to a folder and return the lines that were taken out."""
    source = find_stubs()
    if source is None:
        raise FileNotFoundError("tensorrt-stubs is not installed")
    removed: list[str] = []
    for package in _PACKAGES:
        (folder / package).mkdir(parents=True)
        for path in (source / package).glob("*.pyi"):
            (folder / package / path.name).write_text(_repair(path.read_text(encoding="utf-8"), removed))
    return removed


def _repair(text: str, removed: list[str]) -> str:
    """Take out lines that are not Python, one after the other, with the body they announce."""
    lines = text.splitlines()
    while True:
        try:
            ast.parse("\n".join(lines))
        except SyntaxError as err:
            at = (err.lineno or 1) - 1
            while not re.match(r"\s*def ", lines[at]):
                at -= 1
            indent = len(lines[at]) - len(lines[at].lstrip())
            removed.append(lines[at].strip())
            end = at + 1
            while end < len(lines) and (not lines[end].strip() or len(lines[end]) - len(lines[end].lstrip()) > indent):
                end += 1
            lines[at:end] = [" " * indent + "..."]
        else:
            return "\n".join(lines) + "\n"
