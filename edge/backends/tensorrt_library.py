"""Load TensorRT, or TensorRT-RTX, and keep what it says: the two have one API under two names.

TensorRT comes with JetPack (apt) for the system's Python; TensorRT-RTX is a wheel for development machines, whose
parser and builder need no GPU. What a version can do is asked of its module, never of its number.
"""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType
from typing import TYPE_CHECKING, Any

from edge.errors import BackendError

if TYPE_CHECKING:
    import tensorrt as trt

TENSORRT, TENSORRT_RTX = "tensorrt", "tensorrt_rtx"
MODULES = {TENSORRT: ("tensorrt",), TENSORRT_RTX: ("tensorrt_rtx", "tensorrt_rtx_bindings")}
INSTALL = {
    TENSORRT: "on a Jetson: sudo apt install python3-libnvinfer and a venv made with --system-site-packages; "
    "on a PC: pip install tensorrt",
    TENSORRT_RTX: "pip install tensorrt-rtx-cu12-bindings tensorrt-rtx-cu12-libs",
}
_N_KEPT_MESSAGES = 20


def is_installed(name: str) -> bool:
    """Return whether a library seems to be here, without loading it (type stubs alone have no `__init__.py`)."""
    for module_name in MODULES[name]:
        try:
            spec = importlib.util.find_spec(module_name)
        except ValueError:  # a module without a spec, such as a test's
            return True
        if spec is not None and spec.origin is not None:
            return True
    return False


def find_library(name: str) -> ModuleType | str:
    """Return the library's module, or in words why it cannot be had.

    Args:
        name: "tensorrt" or "tensorrt_rtx".
    """
    reasons = []
    for module_name in MODULES[name]:
        try:
            module = importlib.import_module(module_name)
        except (ImportError, OSError) as err:  # OSError: a shared library that it is linked to is missing
            reasons.append(str(err))
            continue
        if hasattr(module, "Runtime"):
            return module
        reasons.append(f"{module_name} has no Runtime (type stubs without the library)")
    return f"{name} cannot be loaded ({'; '.join(reasons)}): {INSTALL[name]}"


def load_library(name: str) -> ModuleType:
    """Return the library's module.

    Raises:
        BackendError: It is not installed or cannot be loaded.
    """
    found = find_library(name)
    if isinstance(found, str):
        raise BackendError(f"library {name}", found, "Or choose backend onnxruntime, which runs everywhere")
    return found


class Messages:
    """The newest things that the library had to complain about, for error messages."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, line: str) -> None:
        """Keep a line, and forget the oldest beyond twenty."""
        self.lines = [*self.lines, " ".join(line.split())][-_N_KEPT_MESSAGES:]

    def last(self) -> str:
        """Return the newest line."""
        return self.lines[-1] if self.lines else "the library gives no reason"

    def clear(self) -> None:
        """Forget all."""
        self.lines = []


def make_logger(module: Any, messages: Messages) -> trt.ILogger:
    """Return a logger of the library that keeps errors and drops the rest.

    Args:
        module: From `load_library`.
        messages: Where errors are kept.
    """
    kept = (module.ILogger.Severity.ERROR, module.ILogger.Severity.INTERNAL_ERROR)

    class KeepingLogger(module.ILogger):  # type: ignore[misc]
        """Called by the library, also from its own threads."""

        def __init__(self) -> None:
            module.ILogger.__init__(self)  # the bindings demand the explicit call

        def log(self, severity: Any, msg: str) -> None:
            """Keep errors."""
            if severity in kept:
                messages.add(msg)

    logger: trt.ILogger = KeepingLogger()
    return logger
