"""A test that lacks something is skipped with its reason, and `--require` makes it fail; no other way of skipping."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import requirements
from tests.requirements import need, need_module, set_required

FOLDER = Path(__file__).parent


@pytest.fixture(autouse=True)
def _required_as_it_was() -> Iterator[None]:
    before = set(requirements._required)
    yield
    set_required(before)


@pytest.mark.parametrize("names", [set(), {"other"}])
def test_what_is_missing_and_not_required_is_skipped_with_its_reason(names: set[str]) -> None:
    set_required(names)
    with pytest.raises(pytest.skip.Exception, match="lute: pip install lute"):
        need("lute", False, "pip install lute")
    with pytest.raises(pytest.skip.Exception, match=r"no_such_lute: .*pip install lute-of-course"):
        need_module("no_such_lute", "lute-of-course")


@pytest.mark.parametrize("names", [{"lute", "no_such_lute"}, {"all"}])
def test_what_is_missing_and_required_fails(names: set[str]) -> None:
    set_required(names)
    with pytest.raises(pytest.fail.Exception, match="required lute"):
        need("lute", False, "pip install lute")
    with pytest.raises(pytest.fail.Exception, match="required no_such_lute"):
        need_module("no_such_lute")


def test_what_is_here_is_neither() -> None:
    set_required({"all"})
    need("lute", True, "")
    assert need_module("re") is re


def test_no_test_is_skipped_in_another_way() -> None:
    other_ways = re.compile(r"importorskip\(|pytest\.skip\(|mark\.skip|unittest\.skip")
    allowed = {FOLDER / "requirements.py", Path(__file__)}
    paths = [path for path in FOLDER.rglob("*.py") if path not in allowed]
    assert len(paths) > 100
    assert [str(path) for path in paths if other_ways.search(path.read_text(encoding="utf-8"))] == []
