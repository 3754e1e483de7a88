"""docs/compare.md says what the result says, and every cell of its features has a source."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.benchmarks.compare.page import FEATURES, render_drawings, render_page
from tests.benchmarks.compare.readme import BEGIN, END, PERFORMANCE, README, render_numbers

RESULT = Path(__file__).with_name("compare.json")
PAGE = Path("docs/compare.md")
ASKED = (
    "NVIDIA Audio2Face-3D", "NeuroSync", "OVRLipSync", "uLipSync", "TalkingHead", "Rhubarb", "LAM-Audio2Expression",
    "Furhat", "LiveKit avatars",
)  # fmt: skip


def test_the_page_and_its_drawings_are_those_of_the_result() -> None:
    result = json.loads(RESULT.read_text(encoding="utf-8"))
    assert PAGE.read_text(encoding="utf-8") == render_page(result), f"the result of the page belongs into {RESULT}"
    for name, drawing in render_drawings(result).items():
        assert (PAGE.parent / "images" / name).read_text(encoding="utf-8") == drawing


def test_a_changed_number_changes_the_page() -> None:
    result = json.loads(RESULT.read_text(encoding="utf-8"))
    result["rows"][1]["lag_ms"] = 987
    assert "+987" in render_page(result)


def test_a_page_whose_network_heard_the_speakers_says_so() -> None:
    result = json.loads(RESULT.read_text(encoding="utf-8"))
    assert "measured here heard these speakers" in render_page(result | {"heard_these_speakers": "yes"})
    assert "never heard these speakers" in render_page(result | {"heard_these_speakers": "no"})


@pytest.mark.parametrize("name", ASKED)
def test_every_cell_of_a_peer_says_where_it_comes_from(name: str) -> None:
    features = json.loads(FEATURES.read_text(encoding="utf-8"))
    cells = dict(features["rows"])[name]
    assert len(cells) == len(features["columns"])
    for text, kind, source in cells:
        assert text
        assert kind in ("says", "measured here", "not stated")
        assert (source in features["sources"]) == (kind != "not stated")


def test_what_others_do_better_stands_before_any_number_of_ours() -> None:
    page = render_page(json.loads(RESULT.read_text(encoding="utf-8")))
    assert page.index("What others do better") < page.index("What was measured")
    assert page.index("home ground") < page.index("## Lips")


def test_the_numbers_of_the_readme_are_those_of_the_results() -> None:
    result = json.loads(RESULT.read_text(encoding="utf-8"))
    numbers = render_numbers(result, json.loads(PERFORMANCE.read_text(encoding="utf-8")))
    assert BEGIN + numbers + END in README.read_text(encoding="utf-8"), "python -m tests.benchmarks.compare page"
