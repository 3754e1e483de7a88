"""Options of the whole suite."""

from __future__ import annotations

import ctypes
import ctypes.util
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.requirements import set_required

_SYSTEM = Path(__file__).parent / "system"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require",
        action="append",
        default=[],
        metavar="NAME",
        help="fail instead of skip where NAME is missing (or all)",
    )


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # `make test &` in a script: programs would inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    set_required({name for value in config.getoption("--require") for name in value.split(",")})


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import only what has such tests where those that go by the clock are asked for: the rest takes longer."""
    if config.getoption("markexpr") != "realtime" or not collection_path.match("test_*.py"):
        return None
    if _SYSTEM in collection_path.parents:
        return None
    return True if "pytest.mark.realtime" not in collection_path.read_text(encoding="utf-8") else None


@pytest.hookimpl(tryfirst=True)  # before what is not marked is left out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of the whole program: beside tests that compute, a browser and the program itself come late."""
    for item in items:
        if _SYSTEM in item.path.parents:
            item.add_marker(pytest.mark.realtime)


_MATHS = ctypes.CDLL(ctypes.util.find_library("m"))
_DEFAULT_ENVIRONMENT = ctypes.c_void_p(-1)  # FE_DFL_ENV of fenv.h


@pytest.fixture(autouse=True)
def _floating_point_as_it_was() -> Iterator[None]:
    """Undo what ONNX Runtime leaves behind: the thread that opens a session treats denormals as zero from then on."""
    yield
    _MATHS.fesetenv(_DEFAULT_ENVIRONMENT)
