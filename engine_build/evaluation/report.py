"""The evaluation as one HTML page: tables, errors by channel, curves over the sound with its words; no other files."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine_build.data.corpus import Corpus, find_audio, read_audio
from engine_build.evaluation.metrics import LIP_NAMES, ClipFaces, Span
from engine_build.evaluation.predict import correlation

PLOT_RATE_HZ = 8000  # of the sound behind the curves
N_PLOTTED_CLIPS = 3
_STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;margin:.5rem 0 1.5rem}
td,th{padding:.15rem .8rem;text-align:right;border-bottom:1px solid #ddd}
td:first-child,th:first-child{text-align:left}img{max-width:100%}h2{margin-top:2rem}"""


def render_html(
    numbers: Mapping[str, Any], corpus: Corpus, clips: Sequence[ClipFaces], words: Mapping[str, Sequence[Span]]
) -> str:
    """Return the page.

    Args:
        numbers: As in report.json.
        corpus: Where the recordings are.
        clips: Candidates for the curves; the first three are drawn.
        words: Clip name -> words.
    """
    title = f"{numbers['model']} {numbers['version']} ({numbers['precision']}) on {numbers['corpus']}"
    parts = [
        f"<h1>{html.escape(title)}</h1>",
        f"<p>{numbers['clips']} clips, {numbers['seconds']} s; look-ahead {numbers['lookahead_ms']} ms. "
        "Lips in millimetres on a head of natural size; movement: each clip's mean removed; lag: how much later than "
        "the true lips.</p>",
        *_measured(numbers, ""),
    ]
    if len(numbers.get("speakers", {})) > 1:
        rows = {name: values["lips"] for name, values in numbers["speakers"].items()}
        correlations = {name: {lip: found["r"] for lip, found in lips.items()} for name, lips in rows.items()}
        parts += ["<h2>Lips by speaker: r</h2>", _table(correlations)]
    if "shown" in numbers:
        parts += _measured(numbers["shown"], ", as the whole program showed them")
    for key in numbers:
        if key.startswith("against_"):
            parts += [f"<h2>Against {html.escape(key[8:])}</h2>", _table({"value": numbers[key]}, transpose=True)]
    parts += ["<h2>Channels</h2>", _image(_channel_bars(numbers["channels"])), _table(numbers["channels"])]
    parts.append("<h2>Curves</h2>")
    for clip in clips[:N_PLOTTED_CLIPS]:
        rate = int(corpus.first[-1]) / max(numbers["seconds"], 0.1)
        parts.append(_image(draw_curves(clip, corpus, words.get(clip.name, ()), rate)))
    body = "\n".join(parts)
    return f"<!doctype html><meta charset=utf-8><title>{html.escape(title)}</title><style>{_STYLE}</style>\n{body}\n"


def _measured(numbers: Mapping[str, Any], whose: str) -> list[str]:
    """Return the tables of lips, phones and silence."""
    parts = [f"<h2>Lips{whose}</h2>", _table(numbers["lips"])]
    for key, heading in (("phones", "Phones"), ("silence", "Silence: mean activation of mouth and jaw")):
        if numbers[key]:
            parts += [f"<h2>{heading}{whose}</h2>", _table({"value": numbers[key]}, transpose=True)]
    return parts


def _table(rows: Mapping[str, Mapping[str, Any]], transpose: bool = False) -> str:
    """Return a table, one row per key (or one per inner key)."""
    if transpose:
        rows = {name: {"": value} for name, value in next(iter(rows.values())).items()}
    columns = list(dict.fromkeys(column for values in rows.values() for column in values))
    head = "".join(f"<th>{html.escape(column)}</th>" for column in columns)
    lines = [f"<tr><th></th>{head}</tr>"]
    for name, values in rows.items():
        cells = "".join(f"<td>{_number(values.get(column))}</td>" for column in columns)
        lines.append(f"<tr><td>{html.escape(name)}</td>{cells}</tr>")
    return "<table>" + "".join(lines) + "</table>"


def _number(value: Any) -> str:
    if isinstance(value, float) and not np.isfinite(value):
        return "none"  # a correlation with what does not move
    if isinstance(value, float):
        return f"{value:.3f}" if value == 0.0 or abs(value) >= 0.01 else f"{value:.2g}"
    return html.escape(str("" if value is None else value))


def _image(figure: Any) -> str:
    """Return a figure as an image inside the page."""
    from matplotlib import pyplot

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90)
    pyplot.close(figure)
    return f'<img alt="" src="data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}">'


def _new_figure(rows: int, height: float) -> tuple[Any, Any]:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot.subplots(rows, 1, figsize=(11, height), squeeze=False, sharex=rows > 1)


def _channel_bars(channels: Mapping[str, Mapping[str, float]]) -> Any:
    """Draw error and spread of each channel, and its correlation."""
    names = list(channels)
    figure, axes = _new_figure(1, 0.6 + 0.24 * max(4, len(names)))
    axis = axes[0, 0]
    place = np.arange(len(names))
    axis.barh(place - 0.2, [channels[n]["rms_error"] for n in names], 0.4, label="rms error")
    axis.barh(place + 0.2, [channels[n]["true_std"] for n in names], 0.4, label="standard deviation of the label")
    for row, name in enumerate(names):
        found = channels[name]
        text = f"r {found['r']:.2f}" if np.isfinite(found["r"]) else "at rest"
        axis.text(max(found["rms_error"], found["true_std"]), row, f" {text}", va="center", fontsize=7)
    axis.margins(x=0.08)
    axis.set_yticks(place, names, fontsize=8)
    axis.invert_yaxis()
    axis.legend(fontsize=8)
    figure.tight_layout()
    return figure


def draw_curves(
    clip: ClipFaces,
    corpus: Corpus,
    words: Sequence[Span],
    rate: float,
    shown: ClipFaces | None = None,
    speaker: str = "",
) -> Any:
    """Draw predicted and true lips over the sound and its words; return the figure.

    Args:
        clip: What is drawn.
        corpus: Where its recording is.
        words: Of the clip.
        rate: Frames a second.
        shown: What the whole program showed of the clip, where it was measured.
        speaker: Whose clip it is, for the caption.
    """
    figure, axes = _new_figure(len(LIP_NAMES), 7.0)
    times = (np.arange(len(clip.predicted)) + 1) / rate
    sound = read_audio(find_audio(Path(corpus.spec.audio), clip.name), PLOT_RATE_HZ)
    lines = [(clip.lips_true_mm, "black", "true"), (clip.lips_predicted_mm, "tab:red", "predicted")]
    if shown is not None:
        lines.append((shown.lips_predicted_mm, "tab:blue", "shown by the whole program"))
    for i, (axis, name) in enumerate(zip(axes[:, 0], LIP_NAMES, strict=True)):
        behind = axis.twinx()
        behind.plot(np.arange(len(sound)) / PLOT_RATE_HZ, sound, color="#ccc", lw=0.4, zorder=0)
        behind.set_yticks([])
        axis.set_zorder(behind.get_zorder() + 1)
        axis.patch.set_visible(False)
        for lips, colour, label in lines:
            reached = correlation(lips[:, i], clip.lips_true_mm[:, i])
            note = f"{label}, r {reached:.2f}" if lips is not clip.lips_true_mm and np.isfinite(reached) else label
            axis.plot(times, lips[:, i], color=colour, lw=1.2, label=note)
        axis.legend(fontsize=7, loc="upper right")
        axis.set_ylabel(f"{name}\nmm", fontsize=8)
        for word in words:
            if i == 0 and word.name.upper() not in ("SIL", "SP"):
                axis.text(word.start_s, 1.02, word.name, transform=axis.get_xaxis_transform(), fontsize=8)
            axis.axvline(word.start_s, color="#ddd", lw=0.6)
    axes[-1, 0].set_xlabel(f"{f'{speaker}, ' if speaker else ''}{clip.name}: seconds")
    figure.tight_layout()
    return figure
