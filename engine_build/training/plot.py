"""Draw the curves of a training run: the loss by its terms, the score that chooses, and every validation corpus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

COLUMNS = 4
PANEL_INCHES = (4.0, 3.0)
MEASURES = ("gap", "width", "chin", "jawOpen", "mouth", "phones", "score", "activity")
COLOURS = {name: f"C{i}" for i, name in enumerate(MEASURES)}  # alike in every panel
NARROWEST_SPAN = 0.1  # of a validation axis, so that noise does not look like progress


def plot_training(history: list[dict[str, Any]], path: Path) -> None:
    """Write the loss terms and the validation scores over the steps.

    The step whose weights are kept is marked in every panel, and what it reached stands behind each name.

    Args:
        history: Entries of `history.json`.
        path: The PNG file.
    """
    from matplotlib import pyplot

    figure = draw_training(history)
    figure.savefig(path, dpi=90)
    pyplot.close(figure)


def draw_training(history: list[dict[str, Any]]) -> Any:
    """Return the figure of `plot_training`."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    steps = [entry["step"] for entry in history]
    best = max(range(len(history)), key=lambda i: history[i]["score"])
    corpora = list(history[-1]["validation"])
    n_panels = 2 + len(corpora)
    n_columns = min(COLUMNS, n_panels)
    n_rows = -(-n_panels // n_columns)
    figure, axes = pyplot.subplots(
        n_rows, n_columns, figsize=(PANEL_INCHES[0] * n_columns, PANEL_INCHES[1] * n_rows), squeeze=False
    )
    panels = list(axes.flat)
    terms = {name: [entry["train"].get(name) for entry in history] for name in history[-1]["train"]}
    _curves(panels[0], steps, terms, best, "training loss, smoothed", {})
    panels[0].set_yscale("log")
    _curves(panels[1], steps, {"score": [entry["score"] for entry in history]}, best, "validation: mean score", COLOURS)
    for panel, corpus in zip(panels[2:], corpora, strict=False):
        names = history[-1]["validation"][corpus]
        values = {n: [entry["validation"].get(corpus, {}).get(n) for entry in history] for n in names}
        _curves(panel, steps, values, best, f"validation: {corpus}", COLOURS)
    for panel in panels[n_panels:]:
        panel.set_axis_off()
    figure.tight_layout()
    return figure


def _curves(
    panel: Any,
    steps: Sequence[int],
    curves: Mapping[str, Sequence[float | None]],
    best: int,
    title: str,
    colours: Mapping[str, str],
) -> None:
    """Draw one panel; a legend beside it names each curve with its value at the best step, largest first."""
    known = {name: np.array(values, float) for name, values in curves.items()}  # None: NaN
    known = {name: values for name, values in known.items() if np.isfinite(values).any()}
    for name in sorted(known, key=lambda name: -np.nan_to_num(known[name][best])):
        label = f"{name} {known[name][best]:.3f}"
        panel.plot(steps, known[name], color=colours.get(name), marker=".", markersize=3, label=label)
    panel.axvline(steps[best], color="0.7", linewidth=1, zorder=0)
    panel.set_title(title, fontsize=9)
    panel.set_xlabel("step", fontsize=8)
    panel.tick_params(labelsize=7)
    low, high = panel.get_ylim()
    if high - low < NARROWEST_SPAN and high > 0:
        panel.set_ylim((low + high - NARROWEST_SPAN) / 2, (low + high + NARROWEST_SPAN) / 2)
    panel.grid(alpha=0.3)
    if known:
        panel.legend(fontsize=6, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
