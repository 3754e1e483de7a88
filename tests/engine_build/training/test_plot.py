"""The picture of a training run shows every validation corpus, and nothing of it lies outside or over the curves."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine_build.training.plot import draw_training, plot_training
from tests.requirements import need_module

need_module("matplotlib")

MEASURES = ("gap", "width", "chin", "jawOpen", "mouth", "phones", "score")
TERMS = ("activations", "sparse", "velocity", "lips", "closures", "geometry", "head", "phones", "level", "total")


def history(n_corpora: int, n_steps: int = 5) -> list[dict]:
    return [
        {
            "step": 250 * (i + 1),
            "train": dict.fromkeys(TERMS, 1.0 / (i + 1)),
            "validation": {f"set {k}": dict.fromkeys(MEASURES[: 7 - k % 3], 0.5 + 0.05 * i) for k in range(n_corpora)},
            "score": 0.5 + (0.1 if i == 2 else 0.0),
        }
        for i in range(n_steps)
    ]


@pytest.mark.parametrize("n_corpora", [0, 1, 7])
def test_every_corpus_has_a_panel_and_every_legend_its_place(n_corpora: int) -> None:
    import matplotlib

    matplotlib.use("Agg")
    figure = draw_training(history(n_corpora))
    shown = [axes for axes in figure.axes if axes.get_legend() is not None]
    titles = [axes.get_title() for axes in shown]
    assert len(shown) == 2 + n_corpora
    assert all(any(f"set {k}" in title for title in titles) for k in range(n_corpora))
    figure.canvas.draw()
    boxes = [axes.get_legend().get_window_extent() for axes in shown] + [axes.get_window_extent() for axes in shown]
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)
    assert all(figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1 for box in boxes)
    assert not any(one.overlaps(other) for i, one in enumerate(boxes) for other in boxes[:i])
    for axes in shown:
        colours = [line.get_color() for line in axes.get_lines() if line.get_marker() == "."]
        assert len(set(colours)) == len(colours)
        assert axes.get_lines()[-1].get_xdata()[0] == 750  # the best step


def test_a_single_validation_without_a_corpus_is_drawn_too(tmp_path: Path) -> None:
    plot_training(history(0, n_steps=1), tmp_path / "training.png")
    assert (tmp_path / "training.png").stat().st_size > 5000
