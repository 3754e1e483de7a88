"""docs/compare.md and its drawings from a result: every measured number on the page is one of the result's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edge.machine.facts import describe_machine
from edge.machine.whole_file import write_whole
from tests.benchmarks.compare.plots import draw_agreement, draw_closures, label
from tests.benchmarks.compare.readme import lag_text

FEATURES = Path(__file__).with_name("features.json")
_HEAD = """# au-edge and its peers

Written by `python -m tests.benchmarks.compare page`; do not edit. Repeat the measurement with

```sh
python -m engine_build landmarks FOLDER --out corpus
python -m tests.benchmarks.compare measure corpus --phones phones.json --speakers s31 s5 --npm peers --out result.json
python -m tests.benchmarks.compare page result.json --out docs/compare.md
```

FOLDER is a corpus of filmed speakers (docs/training.md); `peers` is a folder in which
`npm install @met4citizen/headaudio wawa-lipsync` has run; pylipsync comes from pip. What is not installed is left out
and named.
"""
_MEASURED = """## What was measured

{n_clips} filmed sentences of {n_speakers} speakers ({speakers}; {seconds} s) of the GRID corpus. Every program heard
the same sound. The film says how far the inner lips are apart (gap), how wide the mouth is (width) and how far the
chin is from the nose (chin).

**GRID is home ground for au-edge**: it was trained on this corpus, where all say the same kind of sentence before the
same kind of camera. No peer was made for it. {heard} Read the differences as an upper bound of what you will see on
your own voices.

- **r** is Pearson's correlation with the film within words, the mean of the speakers, without shift in time. In
  brackets: where 95 % of the results lie when clips are drawn again (1000 times). Over whole clips, which are half
  silence, to tell speech from silence already helps.
- **lag** is the shift at which the gap agrees best; positive is late. It is left out where they hardly agree.
  Programs that hear live are taken at the time at which they can show a face, those that need the file at their own
  times.
- **lips meet** counts /p b m/ after another sound ({n_closures} places). Lips count as met where the gap comes down
  to {met:.0%} of what that program opens in speech; the share was chosen where it tells the closures of the *filmed*
  lips best. The same rule where nothing closes ({n_other_places} places, as long) shows who closes and who flutters.
- **silence** is how far a mouth stays open where nobody has spoken for 0.2 s, of what it opens in speech.
- au-edge's activations move a face, which is measured like the film. Peers give visemes, for which we wrote tables
  (opening and width of each mouth shape: `tests/benchmarks/compare/shapes.py`). Since a table is our choice, *best
  table* is the one that brings the peer nearest to filmed lips, fitted within words on {n_table_clips} sentences of
  {n_table_speakers} other speakers of the corpus: home ground for them too.
- Visemes switch; they are shown as the program eases them itself, and with a low-pass of 60 ms, which suits most of
  them better.
"""


_HEARD = {
    "no": "The network measured here never heard these speakers; its checkpoint and its curves were chosen on them. "
    "The one that ships is the same recipe, trained on them as well.",
    "yes": "**The network measured here heard these speakers in training: its numbers are not those for a stranger.**",
}


def write_page(result: Mapping[str, Any], out: Path) -> None:
    """Write the page, and its drawings into `images/` beside it.

    Args:
        result: Of `measure.measure`.
        out: The page.
    """
    images = out.parent / "images"
    images.mkdir(parents=True, exist_ok=True)
    write_whole(out, render_page(result))
    for name, drawing in render_drawings(result).items():
        write_whole(images / name, drawing)


def render_drawings(result: Mapping[str, Any]) -> dict[str, str]:
    """Return the drawings by name of file."""
    judged = [row for row in result["rows"] if "r" in row]
    return {"compare-lips.svg": draw_agreement(judged), "compare-closures.svg": draw_closures(result["rows"])}


def render_page(result: Mapping[str, Any]) -> str:
    """Return the page.

    Args:
        result: Of `measure.measure`.
    """
    features = json.loads(FEATURES.read_text(encoding="utf-8"))
    parts = [
        _HEAD,
        _better(features),
        _what(result),
        _lips(result),
        _closing(result),
        _cost(result),
        _features(features),
    ]
    return "\n".join(part for part in parts if part)


def _source(features: Mapping[str, Any], key: str) -> str:
    name, address = features["sources"][key]
    return f"[{name}]({address})" if address.startswith(("http", "#")) or address.endswith(".md") else name


def _better(features: Mapping[str, Any]) -> str:
    lines = [f"- **{name}** {what} ({_source(features, key)})" for name, what, key in features["better"]]
    return "\n".join(["## What others do better", "", *lines, ""])


def _what(result: Mapping[str, Any]) -> str:
    networks = ", ".join(f"{name}: `{version}`" for name, version in result["network"].items())
    heard = _HEARD.get(result["heard_these_speakers"], str(result["heard_these_speakers"]))
    text = _MEASURED.format(
        n_clips=sum(result["speakers"].values()), n_speakers=len(result["speakers"]), heard=heard,
        speakers=", ".join(f"{who} {n}" for who, n in result["speakers"].items()), seconds=result["seconds"],
        n_closures=result["n_closures"], met=result["met_share"], n_other_places=result["n_other_places"],
        n_table_clips=result["table_clips"]["clips"], n_table_speakers=result["table_clips"]["speakers"],
    )  # fmt: skip
    versions = ", ".join(f"{row['program']} {row['version']}" for row in _first_rows(result) if row["version"])
    missing = [f"{name} did not run: {why}." for name, why in result["not_run"].items()]
    where = [f"- {line}" for line in describe_machine(result["machine"])]
    rest = [f"- networks: {networks}; {versions}; {result['created']}", *[f"- {line}" for line in missing], ""]
    return "\n".join([text, *where, *rest])


def _first_rows(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    seen: dict[str, Mapping[str, Any]] = {}
    for row in result["rows"]:
        if "r" in row:
            seen.setdefault(row["program"], row)
    return list(seen.values())


def _lips(result: Mapping[str, Any]) -> str:
    lines = []
    for row in result["rows"]:
        if "r" not in row:
            continue
        cells = [_r(row["r"][curve], row["r_interval"][curve]) for curve in ("gap", "width", "chin")]
        cells.append(_r(row["r_whole_clips"]["gap"], None))
        best = "" if row["r_gap_at_best_shift"] is None else f"{row['r_gap_at_best_shift']:.2f}"
        lines.append(f"| {label(row)} | " + " | ".join(cells) + f" | {lag_text(row)} | {best} | {row['needs']} |")
    return "\n".join(
        [
            "## Lips and chin", "", "![r of gap, width and chin of every program](images/compare-lips.svg)", "",
            "| program | gap, r | width, r | chin, r | gap, whole clips | lag | gap at that lag, r | needs |",
            "|---|---|---|---|---|---|---|---|", *lines, "",
        ]
    )  # fmt: skip


def _r(value: float | None, interval: Sequence[float] | None) -> str:
    if value is None:
        return "does not move"
    return f"{value:.2f}" + (f" ({interval[0]:.2f} to {interval[1]:.2f})" if interval else "")


def _closing(result: Mapping[str, Any]) -> str:
    lines = [
        f"| {label(row)} | {row['closures']:.0%} | {row['false_closures']:.0%} | "
        f"{row['closures'] - row['false_closures']:+.0%} | {row['silence']:.0%} |"
        for row in result["rows"]
    ]
    return "\n".join(
        [
            "## Closures and silence", "",
            "![closures against the same rule elsewhere](images/compare-closures.svg)", "",
            "A mouth that is always nearly shut closes everywhere: only the difference counts.", "",
            "| program | lips meet at /p b m/ | the same rule where nothing closes | difference | silence |",
            "|---|---|---|---|---|", *lines, "",
        ]
    )  # fmt: skip


def _cost(result: Mapping[str, Any]) -> str:
    lines = []
    for row in _first_rows(result):
        other = row["stand_in_ms_a_second"]
        note = f" (of which {other:.1f} for what stands in for the browser's FFT)" if other else ""
        lines.append(f"| {row['program']} | {row['cpu_ms_a_second']:.1f}{note} | {row['times_au_edge']:.2f} |")
    return "\n".join(
        [
            "## Cost", "",
            f"Processor time for a second of sound, the median of {result['n_rounds']} rounds in which the programs "
            f"took turns on a shared machine: trust the ratios. au-edge (`{result['timed']}` as it ships, int8) is the "
            "whole path from samples to frames (features, network, silence, smoothing, limits), without capture and "
            "sending; its peers give visemes without the rest.", "",
            "| program | ms of processor a second of sound | times au-edge |", "|---|---|---|", *lines, "",
        ]
    )  # fmt: skip


def _features(features: Mapping[str, Any]) -> str:
    """Return the table of features, each cell with where it comes from."""
    used: list[str] = []

    def cell(text: str, kind: str, key: str) -> str:
        if kind == "not stated":
            return "not stated"
        if key not in used:
            used.append(key)
        return f"{text} ({kind}, {used.index(key) + 1})"

    rows = [f"| **{name}** | " + " | ".join(cell(*entry) for entry in cells) + " |" for name, cells in features["rows"]]
    sources = [f"{number}. {_source(features, key)}" for number, key in enumerate(used, start=1)]
    return "\n".join(
        [
            "## Features", "",
            "*says*: its makers or users say so, in the source of that number; *measured here*: by this repository's "
            "tests or on this page; *not stated*: not found in what we read (November 2026). Tell us where we are "
            "wrong.", "",
            "| | " + " | ".join(features["columns"]) + " |", "|" + "---|" * (len(features["columns"]) + 1), *rows, "",
            "Sources:", "", *sources, "",
        ]
    )  # fmt: skip
