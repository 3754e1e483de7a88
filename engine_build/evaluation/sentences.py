"""What a network does with each speaker: his numbers, and a sentence of his drawn over the true lips.

The sentence is the speaker's middle one by the correlation of the gap: neither the best nor the worst stands for him.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine_build.data.corpus import Corpus
from engine_build.data.frame_labels import read_labels
from engine_build.evaluation.metrics import ClipFaces, Span, lip_metrics
from engine_build.evaluation.predict import correlation
from engine_build.evaluation.report import draw_curves


def clips_by_speaker(corpus: Corpus) -> dict[str, list[int]]:
    """Return speaker -> numbers of his clips in the corpus; all under the corpus's name where labels name none."""
    labels = read_labels(Path(corpus.spec.labels))
    key = next((name for name in ("speakers", "voice") if name in labels), "")
    if not key:
        return {corpus.spec.name: list(range(len(corpus.clips)))}
    who = {str(clip): str(name) for clip, name in zip(labels["clips"], labels[key], strict=True)}
    found: dict[str, list[int]] = {}
    for k, clip in enumerate(corpus.clips):
        found.setdefault(who[clip], []).append(k)
    return found


def by_speaker(clips: Sequence[ClipFaces], groups: Mapping[str, Sequence[int]], rate: float) -> dict[str, Any]:
    """Return speaker -> how many clips, and the numbers of his lips."""
    return {
        name: {"clips": len(own), "lips": lip_metrics([clips[k] for k in own], rate)} for name, own in groups.items()
    }


def middle_clip(clips: Sequence[ClipFaces], own: Sequence[int]) -> int:
    """Return which of a speaker's clips has the middle correlation of the gap."""
    scores = [correlation(clips[k].lips_predicted_mm[:, 0], clips[k].lips_true_mm[:, 0]) for k in own]
    order = np.argsort(np.nan_to_num(scores, nan=-1.0), kind="stable")
    return own[int(order[len(order) // 2])]


def plot_sentences(
    folder: Path,
    corpus: Corpus,
    clips: Sequence[ClipFaces],
    shown: Sequence[ClipFaces] | None,
    words: Mapping[str, Sequence[Span]],
    rate: float,
) -> list[Path]:
    """Write `<speaker>.png` for every speaker: a sentence's gap, width and chin, over the sound with its words.

    Args:
        folder: Where to.
        corpus: The recordings.
        clips: What the network predicts, clip by clip.
        shown: What the whole program showed of the same clips, where it was measured.
        words: Clip name -> words.
        rate: Frames a second.

    Returns:
        The files.
    """
    from matplotlib import pyplot

    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, own in clips_by_speaker(corpus).items():
        k = middle_clip(clips, own)
        figure = draw_curves(clips[k], corpus, words.get(clips[k].name, ()), rate, shown[k] if shown else None, name)
        files.append(folder / f"{name}.png")
        figure.savefig(files[-1], dpi=100)
        pyplot.close(figure)
    return files
