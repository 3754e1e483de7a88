"""The drawings of docs/compare.md as SVG, from the result alone: the same result gives the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

WIDTH = 860
LEAST_R = -0.3
_LEFT, _RIGHT, _TOP = 340, 30, 64
_ROW = 30
_INK, _GREY, _OURS, _THEIRS = "#1c2126", "#8a9199", "#20662f", "#8a5a00"
_COLOURS = {"gap": "#20662f", "width": "#2b6cb0", "chin": "#b0442b"}


def label(row: Mapping[str, Any]) -> str:
    """Return what a row is called."""
    more = [row["variant"], "best table" if row["table"] == "fitted" else ""]
    known = ", ".join(word for word in more if word)
    return f"{row['program']} ({known})" if known else str(row["program"])


def _page(height: int, title: str, body: Sequence[str]) -> str:
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
            'font-family="sans-serif" font-size="14">',
            f"  <title>{escape(title)}</title>",
            f'  <rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
            f'  <text x="16" y="26" font-weight="bold" fill="{_INK}">{escape(title)}</text>',
            *body,
            "</svg>",
            "",
        ]
    )


def draw_agreement(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the drawing of r of gap, width and chin with its interval, a line for each row."""
    height = _TOP + _ROW * len(rows) + 46
    span = WIDTH - _LEFT - _RIGHT

    def x(r: float) -> float:
        return round(_LEFT + span * (min(max(r, LEAST_R), 1.0) - LEAST_R) / (1.0 - LEAST_R), 1)

    body = []
    for r in (-0.2, 0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        body.append(f'  <line x1="{x(r)}" y1="{_TOP - 8}" x2="{x(r)}" y2="{height - 40}" stroke="#e1e4e8"/>')
        body.append(f'  <text x="{x(r)}" y="{height - 22}" text-anchor="middle" fill="{_GREY}">{r:.1f}</text>')
    for i, (curve, colour) in enumerate(_COLOURS.items()):
        at = _LEFT + 120 * i
        body.append(f'  <circle cx="{at}" cy="44" r="6" fill="{colour}"/>')
        body.append(f'  <text x="{at + 12}" y="49" fill="{_INK}">{curve}</text>')
    for number, row in enumerate(rows):
        y = _TOP + _ROW * number + 14
        body.append(f'  <text x="{_LEFT - 14}" y="{y + 5}" text-anchor="end" fill="{_INK}">{escape(label(row))}</text>')
        for i, (curve, colour) in enumerate(_COLOURS.items()):
            r, interval = row["r"][curve], row["r_interval"][curve]
            at = y + 5 * (i - 1)
            if r is None:
                continue
            if interval is not None:
                low, high = interval
                body.append(
                    f'  <line x1="{x(low)}" y1="{at}" x2="{x(high)}" y2="{at}" stroke="{colour}" stroke-width="2"/>'
                )
            body.append(f'  <circle cx="{x(r)}" cy="{at}" r="5" fill="{colour}"/>')
    return _page(height, "How lips and chin follow filmed ones: r, and where 95 % of resampled clips lie", body)


def draw_closures(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the drawing of closures found against the same rule elsewhere: the corner at the top left is best."""
    size, left, top = 380, 90, 50
    height = top + size + 60

    def x(share: float) -> float:
        return round(left + size * share, 1)

    def y(share: float) -> float:
        return round(top + size * (1 - share), 1)

    body = [f'  <rect x="{left}" y="{top}" width="{size}" height="{size}" fill="none" stroke="{_GREY}"/>']
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        body.append(
            f'  <text x="{x(share)}" y="{top + size + 20}" text-anchor="middle" fill="{_GREY}">{share:.0%}</text>'
        )
        body.append(f'  <text x="{left - 10}" y="{y(share) + 5}" text-anchor="end" fill="{_GREY}">{share:.0%}</text>')
    body.append(f'  <line x1="{x(0)}" y1="{y(0)}" x2="{x(1)}" y2="{y(1)}" stroke="#e1e4e8" stroke-dasharray="5 5"/>')
    body.append(
        f'  <text x="{left + size / 2}" y="{top + size + 44}" text-anchor="middle" fill="{_INK}">'
        "lips meet where they need not</text>"
    )
    body.append(
        f'  <text transform="translate(28 {top + size / 2}) rotate(-90)" text-anchor="middle" fill="{_INK}">'
        "lips meet at /p b m/</text>"
    )
    for number, row in enumerate(rows, start=1):
        colour = _INK if row["program"] == "filmed lips" else _OURS if row["program"].startswith("au-edge") else _THEIRS
        at = x(row["false_closures"]), y(row["closures"])
        body.append(f'  <circle cx="{at[0]}" cy="{at[1]}" r="9" fill="{colour}"/>')
        body.append(
            f'  <text x="{at[0]}" y="{at[1] + 4}" text-anchor="middle" font-size="11" fill="#ffffff">{number}</text>'
        )
        body.append(
            f'  <text x="{left + size + 30}" y="{top + 22 * number}" fill="{colour}">'
            f"{number}  {escape(label(row))}</text>"
        )
    return _page(height, "Closures, and the same rule where nothing closes", body)
