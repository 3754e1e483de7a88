"""Options of the whole suite."""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.requirements import set_required


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require",
        action="append",
        default=[],
        metavar="NAME",
        help="fail instead of skip where NAME is missing (or all)",
    )


def pytest_configure(config: pytest.Config) -> None:
    set_required({name for value in config.getoption("--require") for name in value.split(",")})


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import only what has such tests where those that go by the clock are asked for: the rest takes longer."""
    if config.getoption("markexpr") != "realtime" or not collection_path.match("test_*.py"):
        return None
    return True if "pytest.mark.realtime" not in collection_path.read_text(encoding="utf-8") else None


_MATHS = ctypes.CDLL(ctypes.util.find_library("m"))
_DEFAULT_ENVIRONMENT = ctypes.c_void_p(-1)  # FE_DFL_ENV of fenv.h


@pytest.fixture(autouse=True)
def _floating_point_as_it_was() -> Iterator[None]:
    """Undo what ONNX Runtime leaves behind: the thread that opens a session treats denormals as zero from then on."""
    yield
    _MATHS.fesetenv(_DEFAULT_ENVIRONMENT)
