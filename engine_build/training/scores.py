"""How good a network is on a validation corpus: the numbers that choose a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine_build.data.corpus import Corpus
from engine_build.evaluation.predict import channel_correlations, correlation, predict_corpus
from engine_build.training.config import TrainConfig

GEOMETRY_NAMES = ("gap", "width", "chin")


def corpus_scores(network: Any, corpus: Corpus, config: TrainConfig, masked: Sequence[str] = ()) -> dict[str, float]:
    """Return correlations of a validation corpus, lips being those of the predicted face, and their mean, `score`."""
    from engine_build.labels.channels import CHANNELS
    from engine_build.labels.geometry import face_geometry

    prediction = predict_corpus(network, corpus)
    scores: dict[str, float] = {}
    if corpus.spec.is_rest:
        mouth = [i for i, name in enumerate(config.channels) if name.startswith(("mouth", "jaw"))]
        return {"activity": float(prediction.activations[:, mouth].mean()), "score": float("nan")}
    face = np.zeros((len(prediction.activations), len(CHANNELS)))
    for i, name in enumerate(config.channels):
        if name in CHANNELS and name not in masked:
            face[:, CHANNELS.index(name)] = prediction.activations[:, i]
    lips = face_geometry(face)
    for i, name in enumerate(GEOMETRY_NAMES):
        value = correlation(lips[:, i], corpus.geometry[:, i])
        if np.isfinite(value):
            scores[name] = value
    by_channel = channel_correlations(prediction, corpus, config.channels)
    if "jawOpen" in by_channel:
        scores["jawOpen"] = by_channel["jawOpen"]
    mouth_values = [v for name, v in by_channel.items() if name.startswith(("mouth", "jaw")) and np.isfinite(v)]
    if mouth_values:
        scores["mouth"] = float(np.mean(mouth_values))
    known = corpus.phones >= 0
    if known.any() and (prediction.phones >= 0).any():
        scores["phones"] = float((prediction.phones[known] == corpus.phones[known]).mean())
    scores["score"] = float(np.mean([v for name, v in scores.items() if name != "phones"])) if scores else float("nan")
    return scores
