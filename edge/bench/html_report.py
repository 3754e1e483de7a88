"""A measurement as one HTML page that needs nothing else: tables, and a histogram for every stage."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping
from typing import Any

from edge.bench.distribution import BINS_PER_DECADE, bin_start_ms
from edge.machine.facts import describe_machine

_STYLE = """
:root { color-scheme: light dark; --bar: #2a6fb0; --line: #8884; }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
td, th { padding: .15rem .7rem; border-bottom: 1px solid var(--line); text-align: right; }
td:first-child, th:first-child { text-align: left; }
figure { display: inline-block; margin: .8rem 1rem .8rem 0; }
figcaption { font-weight: 600; } rect { fill: var(--bar); } line { stroke: var(--line); }
text { font-size: 10px; fill: currentColor; } pre { overflow-x: auto; }
"""
_COLUMNS = {"n": "n", "p50_ms": "p50", "p90_ms": "p90", "p99_ms": "p99", "p99_9_ms": "p99.9", "max_ms": "max"}
_WIDTH, _HEIGHT, _BASE = 340, 120, 100


def render_html(result: Mapping[str, Any]) -> str:
    """Return the page."""
    parts = [f"<p>{html.escape(line)}</p>" for line in (*describe_machine(result["machine"]), *result["conventions"])]
    for label, live in result.get("live", {}).items():
        rows = {
            **live["stages"],
            "end to end": live["end_to_end"],
            "between frames": live["interval"],
            "control": live["control"],
        }
        summary = {name: live[name] for name in ("misses", "core_share", "memory_mib", "startup_s", "power_w")}
        parts += [_heading(f"Live: {label}", f"{live['network']}, {live['source']}"), _table(rows), _facts(summary)]
        parts += [_histogram(name, values) for name, values in rows.items()]
    for lane in result.get("back_to_back", {}).get("lanes", ()):
        facts = f"{lane['cpu_ms_median']:.3f} ms of processor time a frame, milliseconds below"
        parts += [_heading(f"Back to back: {lane['label']}", facts), _table(lane["stages"])]
        parts += [_histogram(name, values) for name, values in lane["stages"].items()]
    body = "\n".join(parts)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>au-edge bench</title>'
        f"<style>{_STYLE}</style><h1>au-edge bench</h1>{body}</html>\n"
    )


def _heading(title: str, below: str) -> str:
    return f"<h2>{html.escape(title)}</h2><p>{html.escape(below)}</p>"


def _facts(values: Mapping[str, Any]) -> str:
    return f"<pre>{html.escape(json.dumps(values, indent=1))}</pre>"


def _table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    head = "".join(f"<th>{heading}</th>" for heading in ("milliseconds", *_COLUMNS.values()))
    lines = [
        f"<tr><td>{html.escape(name)}</td>" + "".join(_cell(values[column]) for column in _COLUMNS) + "</tr>"
        for name, values in rows.items()
    ]
    return f"<table><tr>{head}</tr>{''.join(lines)}</table>"


def _cell(value: float) -> str:
    return f"<td>{value}</td>" if isinstance(value, int) else f"<td>{value:.3f}</td>"


def _histogram(name: str, values: Mapping[str, Any]) -> str:
    """Return a figure: time on a logarithmic axis, the share of durations as bars."""
    bins = [(int(number), int(count)) for number, count in values["histogram"]]
    if not bins:
        return ""
    first = bins[0][0] // BINS_PER_DECADE * BINS_PER_DECADE
    end = -(-(bins[-1][0] + 1) // BINS_PER_DECADE) * BINS_PER_DECADE
    step = _WIDTH / (end - first)
    highest = max(count for _, count in bins)
    bars = "".join(
        f'<rect x="{(number - first) * step:.1f}" y="{_BASE - count / highest * 90:.1f}" width="{step * 0.9:.2f}" '
        f'height="{count / highest * 90:.1f}"><title>{bin_start_ms(number):.4g} to {bin_start_ms(number + 1):.4g} ms: '
        f"{count}</title></rect>"
        for number, count in bins
    )
    marks = "".join(_mark((number - first) * step, bin_start_ms(number)) for number in _decades(first, end))
    return (
        f"<figure><figcaption>{html.escape(name)}, {values['n']} times</figcaption>"
        f'<svg width="{_WIDTH + 40}" height="{_HEIGHT}" role="img">{bars}'
        f'<line x1="0" y1="{_BASE}" x2="{_WIDTH}" y2="{_BASE}"/>{marks}</svg></figure>'
    )


def _decades(first: int, end: int) -> Iterable[int]:
    return range(first, end + 1, BINS_PER_DECADE)


def _mark(x: float, value_ms: float) -> str:
    text = f"{value_ms:.3g} ms"
    return f'<line x1="{x:.1f}" y1="{_BASE}" x2="{x:.1f}" y2="{_BASE + 4}"/><text x="{x:.1f}" y="115">{text}</text>'
