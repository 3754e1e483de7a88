"""The view as text for any size of terminal: the face on the left, bars on the right, the stream's facts below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge.frames import State
from edge.watch.face_drawing import draw_face

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_MIN_FACE_COLUMNS = 18
_BARS_COLUMNS = 40
HEAD_RANGE_DEG = 30.0  # full scale of the bars of the head

# Group, label, the channels whose mean the bar shows.
ROWS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("mouth", "jaw open", ("jawOpen",)),
    ("mouth", "close", ("mouthClose",)),
    ("mouth", "funnel", ("mouthFunnel",)),
    ("mouth", "pucker", ("mouthPucker",)),
    ("mouth", "smile", ("mouthSmileLeft", "mouthSmileRight")),
    ("mouth", "frown", ("mouthFrownLeft", "mouthFrownRight")),
    ("mouth", "stretch", ("mouthStretchLeft", "mouthStretchRight")),
    ("mouth", "upper up", ("mouthUpperUpLeft", "mouthUpperUpRight")),
    ("mouth", "lower down", ("mouthLowerDownLeft", "mouthLowerDownRight")),
    ("mouth", "press", ("mouthPressLeft", "mouthPressRight")),
    ("mouth", "roll", ("mouthRollLower", "mouthRollUpper")),
    ("brows", "inner up", ("browInnerUp",)),
    ("brows", "outer up", ("browOuterUpLeft", "browOuterUpRight")),
    ("brows", "down", ("browDownLeft", "browDownRight")),
    ("eyes", "blink", ("eyeBlinkLeft", "eyeBlinkRight")),
    ("eyes", "wide", ("eyeWideLeft", "eyeWideRight")),
    ("eyes", "squint", ("eyeSquintLeft", "eyeSquintRight")),
)
_HEAD_ROWS = ("pitch", "yaw", "roll")
_GROUP_COLOURS = {"mouth": "38;5;204", "brows": "38;5;179", "eyes": "38;5;80", "head": "38;5;114"}
_STATE_COLOURS = {
    State.LIVE: "1;32", State.SILENCE: "36", State.HELD: "33", State.NEUTRAL: "2", State.STOPPING: "1;31",
}  # fmt: skip


@dataclass(frozen=True)
class Style:
    """What the terminal can show.

    Attributes:
        is_unicode: Block elements and braille.
        is_coloured: ANSI colours.
    """

    is_unicode: bool
    is_coloured: bool

    def paint(self, text: str, colour: str) -> str:
        """Return the text in a colour, where there are colours."""
        return f"\x1b[{colour}m{text}\x1b[0m" if self.is_coloured and colour else text


@dataclass(frozen=True)
class Shown:
    """What is to be seen now.

    Attributes:
        values: Activations by name.
        head_deg: Pitch, yaw, roll.
        state: Of the frame; None before the first.
        title: What is watched.
        facts: Rate, losses and the like, most important first.
        troubles: What is not as it should be, more important than any of them.
    """

    values: Mapping[str, float]
    head_deg: Sequence[float]
    state: State | None
    title: str
    facts: Sequence[str]
    troubles: Sequence[str] = ()


def compose(shown: Shown, width: int, height: int, style: Style) -> list[str]:
    """Return the lines of the screen, none longer than the width, no more than the height.

    Args:
        shown: What is to be seen.
        width: Columns of the terminal.
        height: Rows of the terminal.
        style: What it can show.
    """
    dot, rule = ("●", "─") if style.is_unicode else ("*", "-")
    label = shown.state.label if shown.state is not None else "waiting"
    colour = _STATE_COLOURS[shown.state] if shown.state is not None else "2"
    room = max(0, width - len(label) - 4)
    header = shown.title[:room].ljust(room) + " " + style.paint(f"{dot} {label}", colour)
    facts = fitting((*shown.troubles, *shown.facts), width, "   ")
    body_rows = height - 4
    face_columns = width - _BARS_COLUMNS - 2
    bars = _bars(shown, min(width, _BARS_COLUMNS), style)
    if face_columns >= _MIN_FACE_COLUMNS and body_rows >= 8:
        face = draw_face(shown.values, shown.head_deg, min(face_columns, 2 * body_rows), body_rows, style.is_unicode)
        left = (face_columns - len(face[0])) // 2
        blank = " " * face_columns
        rows = []
        for index in range(min(body_rows, max(len(face), len(bars)))):
            drawing = (" " * left + face[index]).ljust(face_columns) if index < len(face) else blank
            rows.append(style.paint(drawing, "38;5;253") + "  " + (bars[index] if index < len(bars) else ""))
    else:
        rows = bars[: max(0, body_rows)]
    return [header, style.paint(rule * width, "2"), *rows, style.paint(rule * width, "2"), facts][:height]


def _bars(shown: Shown, width: int, style: Style) -> list[str]:
    """Return a row for each bar; a group is named at its first."""
    rows = []
    last_group = ""
    length = width - 6 - 11 - 7
    for group, label, channels in ROWS:
        present = [shown.values[name] for name in channels if name in shown.values]
        value = sum(present) / len(present) if present else 0.0
        bar = style.paint(_bar(value, length, style), _GROUP_COLOURS[group])
        number = f"{value:6.2f}" if present else "     -"
        rows.append(f"{group if group != last_group else '':<6}{label:<11}{bar} {number}")
        last_group = group
    for axis, angle in zip(_HEAD_ROWS, shown.head_deg, strict=True):
        bar = style.paint(_centred_bar(angle / HEAD_RANGE_DEG, length, style), _GROUP_COLOURS["head"])
        rows.append(f"{'head' if axis == 'pitch' else '':<6}{axis:<11}{bar} {angle:6.1f}")
    return rows


def _bar(value: float, length: int, style: Style) -> str:
    """Return a bar of 0 to 1."""
    value = min(max(value, 0.0), 1.0)
    if not style.is_unicode:
        return ("#" * round(value * length)).ljust(length, ".")
    eighths = round(value * length * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(length, "·" if style.is_coloured else " ")


def _centred_bar(value: float, length: int, style: Style) -> str:
    """Return a bar of -1 to 1 around a middle mark."""
    half = length // 2
    block, middle, blank = ("█", "│", " ") if style.is_unicode else ("#", "|", ".")
    n_blocks = round(min(abs(value), 1.0) * half)
    left = (block * n_blocks).rjust(half, blank) if value < 0 else blank * half
    right = (block * n_blocks).ljust(length - half - 1, blank) if value > 0 else blank * (length - half - 1)
    return (left + middle + right)[:length]


def one_line(shown: Shown, width: int) -> str:
    """Return the view in one line, for a log, a pipe or a terminal that can do no more.

    Args:
        shown: What is to be seen.
        width: Characters at most; what is least important is left out.
    """
    label = shown.state.label if shown.state is not None else "waiting"
    jaw = shown.values.get("jawOpen")
    mouth = f"jawOpen {jaw:.2f}" if jaw is not None else "names unknown"
    pitch, yaw, roll = shown.head_deg
    head = f"head {pitch:+.1f} {yaw:+.1f} {roll:+.1f}"
    said = fitting((*shown.troubles, *shown.facts[:1], mouth, *shown.facts[1:], head), max(0, width - 9), "  ")
    return f"{label:<8} {said}"[:width].rstrip()


def fitting(parts: Sequence[str], width: int, between: str) -> str:
    """Return as many of the parts as there is room for, whole; only the first is cut.

    Args:
        parts: Most important first: those behind the first that does not fit are left out too.
        width: Characters at most.
        between: What parts them.
    """
    text = parts[0][:width] if parts else ""
    for part in parts[1:]:
        if len(text) + len(between) + len(part) > width:
            break
        text += between + part
    return text
