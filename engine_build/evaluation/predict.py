"""Let a network predict whole clips, and say how well the prediction follows the face."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine_build.data.corpus import Corpus

Float32Array = NDArray[np.float32]


@dataclass
class Prediction:
    """Predicted frames of a corpus, in its order.

    Attributes:
        activations: float32 [N, n_channels].
        head_deg: float32 [N, 3].
        geometry: float32 [N, 3] in standard deviations (training-only head); NaN without it.
        phones: int [N], most likely class (training-only head); -1 without it.
    """

    activations: Float32Array
    head_deg: Float32Array
    geometry: Float32Array
    phones: NDArray[np.int64]


def predict_corpus(network: Any, corpus: Corpus, n_batch: int = 32) -> Prediction:
    """Run a torch network over every clip, each from the state of a stream that has just begun."""
    import torch

    lengths = np.diff(corpus.first)
    n = int(corpus.first[-1])
    out = Prediction(
        np.zeros((n, network.config.n_channels), np.float32),
        np.zeros((n, 3), np.float32),
        np.full((n, 3), np.nan, np.float32),
        np.full(n, -1, np.int64),
    )
    was_training, device = network.training, next(network.parameters()).device
    network.eval()
    order = np.argsort(lengths, kind="stable")
    with torch.no_grad():
        for begin in range(0, len(order), n_batch):
            chosen = order[begin : begin + n_batch]
            longest = int(lengths[chosen].max())
            shape = (len(chosen), longest, *corpus.features.shape[1:])
            batch = np.zeros(shape, np.float32)
            for row, clip in enumerate(chosen):
                batch[row, : lengths[clip]] = corpus.features[corpus.clip_frames(clip)]
            result = network(torch.from_numpy(batch).to(device), network.initial_state(len(chosen)))
            for row, clip in enumerate(chosen):
                frames, n_clip = corpus.clip_frames(clip), int(lengths[clip])
                out.activations[frames] = result.activations[row, :n_clip].float().cpu().numpy()
                out.head_deg[frames] = result.head_deg[row, :n_clip].float().cpu().numpy()
                if result.geometry is not None:
                    out.geometry[frames] = result.geometry[row, :n_clip].float().cpu().numpy()
                if result.phones is not None:
                    out.phones[frames] = result.phones[row, :n_clip].argmax(dim=-1).cpu().numpy()
    network.train(was_training)
    return out


def correlation(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Return Pearson's r over the entries that both know; NaN where one does not move."""
    known = np.isfinite(one) & np.isfinite(other)
    if known.sum() < 3:
        return float("nan")
    a, b = one[known] - one[known].mean(), other[known] - other[known].mean()
    scale = float(np.sqrt((a.astype(np.float64) ** 2).sum() * (b.astype(np.float64) ** 2).sum()))
    return float((a.astype(np.float64) * b).sum() / scale) if scale > 1e-12 else float("nan")


def channel_correlations(prediction: Prediction, corpus: Corpus, channels: tuple[str, ...]) -> dict[str, float]:
    """Return r of every channel whose label is known and moves."""
    found = {}
    for i, channel in enumerate(channels):
        known = corpus.confidence[:, i] > 0
        if known.any() and corpus.activations[known, i].std() > 1e-3:
            found[channel] = correlation(prediction.activations[known, i], corpus.activations[known, i])
    return found
