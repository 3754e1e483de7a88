"""The numbers of the README, from the results of docs/performance.md and docs/compare.md: written, never typed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge.machine.whole_file import write_whole

README = Path("README.md")
PERFORMANCE = Path("tests/benchmarks/performance.json")
BEGIN = "<!-- numbers, written by `python -m tests.benchmarks.compare page` -->\n"
END = "<!-- end of numbers -->"
LEAST_R_FOR_A_LAG = 0.25
_LOUDNESS = "loudness moves the jaw"


def write_readme(result: Mapping[str, Any]) -> None:
    """Replace the block of numbers.

    Args:
        result: Of `measure.measure`.
    """
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    performance = json.loads(PERFORMANCE.read_text(encoding="utf-8"))
    write_whole(README, before + BEGIN + render_numbers(result, performance) + END + after)


def render_numbers(result: Mapping[str, Any], performance: Mapping[str, Any]) -> str:
    """Return the three numbers and the short form of the table of docs/compare.md."""
    live, rows = performance["live"], shortened(result)
    end = live["end_to_end"]
    ours, jaw = rows[0], next(row for row in rows if row["program"] == _LOUDNESS)
    memory_mb = live["memory_mib"]["peak"] * 1.048576
    heard = "of speakers it never heard" if result["heard_these_speakers"] == "no" else "of speakers it was trained on"
    numbers = [
        f"- **{end['p50_ms']:.1f} ms** from a sound to its datagram (99 of 100 within {end['p99_ms']:.1f} ms), at a "
        f"microphone with periods of {live['device_period_ms']:.1f} ms ([how it was measured](docs/performance.md))",
        f"- **{100 * live['core_share']:.0f} % of one core** ({performance['machine']['processor']}) and "
        f"{memory_mb:.0f} MB, capture and sending included",
        f"- **r {ours['r']['gap']:.2f}** between the gap of its lips and that of filmed ones, {heard} (a jaw that "
        f"follows loudness: {jaw['r']['gap']:.2f})",
    ]
    lines = [
        f"| {_name(row)} | {_cell(row['r']['gap'])} | {_cell(row['r']['width'])} | {_cell(row['r']['chin'])} | "
        f"{row['closures']:.0%} / {row['false_closures']:.0%} | {lag_text(row)} | {row['times_au_edge']:.2g} |"
        for row in rows
    ]
    return "\n".join(
        [
            "", *numbers, "",
            "| the same filmed sentences | gap, r | width, r | chin, r | lips meet at /p b m/, elsewhere | lag | "
            "processor, times au-edge |",
            "|---|---|---|---|---|---|---|", *lines, "",
            "Each number of a peer is from the way of showing it that suits it best. The corpus is home ground for "
            "au-edge. How it was measured, what others do better, and who else there is "
            "(Audio2Face-3D, NeuroSync, Furhat and more): [docs/compare.md](docs/compare.md).", "", "",
        ]
    )[:-1]  # fmt: skip


def shortened(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one row for each program: au-edge as it is by default, a peer by the best of its variants and tables."""
    programs = dict.fromkeys(row["program"] for row in result["rows"] if "r" in row)
    rows = []
    for program in programs:
        ways = [row for row in result["rows"] if row["program"] == program]
        if program in result["network"]:
            rows.append(dict(ways[0]))
            continue
        best = dict(max(ways, key=lambda row: _known(row["r"]["gap"])))
        best["r"] = {curve: max((row["r"][curve] for row in ways), key=_known) for curve in ("gap", "width", "chin")}
        closing = max(ways, key=lambda row: row["closures"] - row["false_closures"])
        rows.append(best | {"closures": closing["closures"], "false_closures": closing["false_closures"]})
    return rows


def lag_text(row: Mapping[str, Any]) -> str:
    """Return the lag of a row; where lips hardly agree at any shift, it would mean nothing."""
    return f"{row['lag_ms']:+d} ms" if _known(row["r_gap_at_best_shift"]) >= LEAST_R_FOR_A_LAG else "unclear"


def _known(r: float | None) -> float:
    return -1.0 if r is None else r


def _name(row: Mapping[str, Any]) -> str:
    return (
        f"{row['program']} {row['version']}".strip()
        if not row["program"].startswith("au-edge")
        else str(row["program"])
    )


def _cell(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}"
