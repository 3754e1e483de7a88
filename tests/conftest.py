"""Options of the whole suite."""

from __future__ import annotations

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
