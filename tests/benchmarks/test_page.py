"""The page says what the result says."""

from __future__ import annotations

import json
from pathlib import Path

from tests.benchmarks.clips import APERTURE
from tests.benchmarks.page import render_page

RESULT = Path(__file__).with_name("performance.json")
PAGE = Path("docs/performance.md")


def test_the_page_is_the_one_of_the_result() -> None:
    page = render_page(json.loads(RESULT.read_text(encoding="utf-8")))
    assert PAGE.read_text(encoding="utf-8") == page, f"the result that the page was made of belongs into {RESULT}"


def test_a_changed_number_changes_the_page() -> None:
    result = json.loads(RESULT.read_text(encoding="utf-8"))
    result["paths"][2]["times_less_than_first"] = 123.456
    assert "123.46 times less" in render_page(result)


def test_lips_are_shut_for_their_consonants_and_open_for_vowels() -> None:
    assert {APERTURE[phone] for phone in ("p", "b", "m")} == {0.0}
    assert min(APERTURE[phone] for phone in ("aa", "ae", "ah")) >= 0.7
