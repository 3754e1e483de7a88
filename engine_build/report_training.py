"""Draw the curves of a training run."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def plot_training(history: list[dict[str, Any]], path: Path) -> None:
    """Write the loss terms and the validation correlations over the steps.

    Args:
        history: Entries of `history.json`.
        path: The PNG file.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(13, 5))
    steps = [entry["step"] for entry in history]
    for name in history[-1]["train"]:
        left.plot(steps, [entry["train"].get(name) for entry in history], label=name)
    left.set(xlabel="step", title="training loss (smoothed)", yscale="log")
    left.legend(fontsize=7)
    for corpus, values in history[-1]["validation"].items():
        for name in values:
            right.plot(
                steps, [entry["validation"].get(corpus, {}).get(name) for entry in history], label=f"{corpus}: {name}"
            )
    right.set(xlabel="step", title="validation (clips and voices not trained on)", ylim=(0, 1))
    right.legend(fontsize=6)
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    pyplot.close(figure)
