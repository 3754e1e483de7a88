"""Draw batches: sequences cut from concatenated clips, sped up or slowed down with their labels, voices changed.

Step s of a run with seed q draws the same batch always, so that a run that was killed resumes as if it had not been.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine_build.data.augment import AugmentSpec, augment
from engine_build.data.corpus import Corpus, FeatureSpec
from engine_build.data.frame_labels import interpolate_rows

Float32Array = NDArray[np.float32]
LEAST_S = 1.0  # of a clip, behind a beginning that is drawn


@dataclass
class Batch:
    """Arrays [batch, n_frames, ...]; see `engine_build.training.losses.Target` for the labels."""

    features: Float32Array
    activations: Float32Array
    confidence: Float32Array
    head_deg: Float32Array
    head_confidence: Float32Array
    geometry: Float32Array
    phones: NDArray[np.int64]
    is_generated: NDArray[np.bool_]

    def part(self, sequences: slice) -> Batch:
        """Return some of its sequences."""
        return Batch(**{field.name: getattr(self, field.name)[sequences] for field in fields(self)})


class BatchSampler:
    """Draw batches from corpora by their weights.

    Args:
        corpora: What there is.
        features: What a frame's features are.
        spec: How far voices are changed.
        n_batch: Sequences.
        n_frames: Frames of a sequence.
        seed: Of the run.

    Attributes:
        has_levels: The features are log levels in columns, which voices can be changed in.
    """

    def __init__(
        self,
        corpora: Sequence[Corpus],
        features: FeatureSpec,
        spec: AugmentSpec,
        n_batch: int,
        n_frames: int,
        seed: int,
    ) -> None:
        self.corpora = list(corpora)
        self.spec = spec
        self.n_batch = n_batch
        self.n_frames = n_frames
        self.seed = seed
        weights = np.array([corpus.spec.weight for corpus in corpora], float)
        self._share = weights / weights.sum()
        self._n_least = round(LEAST_S * float(features.frame_rate))
        self.has_levels = features.features["kind"] == "log_mel"
        if self.has_levels:
            self._band_hz = band_centres_hz(features)
            self._columns_hz = float(features.frame_rate) * int(features.features["n_columns"])

    def draw(self, step: int) -> Batch:
        """Return the batch of a step."""
        rng = np.random.default_rng([self.seed, step])
        items = [self._sequence(rng) for _ in range(self.n_batch)]
        features = np.stack([item[0] for item in items]).astype(np.float32)
        if self.has_levels:
            features = self._change_voices(features, rng)
        rest = [np.stack([item[k] for item in items]) for k in range(1, 7)]
        return Batch(features, rest[0], rest[1], rest[2], rest[3], rest[4], rest[5], np.array([i[7] for i in items]))

    def _sequence(self, rng: np.random.Generator) -> tuple[NDArray[Any], ...]:
        corpus = self.corpora[int(rng.choice(len(self.corpora), p=self._share))]
        speed = float(np.exp(rng.uniform(-1, 1) * np.log1p(self.spec.speed))) if self.has_levels else 1.0
        n_source = int(np.ceil(self.n_frames * speed)) + 1
        pieces: list[NDArray[np.int64]] = []
        n_have = 0
        while n_have < n_source:
            frames = corpus.clip_frames(int(rng.integers(len(corpus.clips))))
            n_clip = frames.stop - frames.start
            offset = int(rng.integers(0, max(1, n_clip - self._n_least))) if n_clip > n_source or not pieces else 0
            if rng.random() < 0.5 and n_clip <= n_source:
                offset = 0
            pieces.append(np.arange(frames.start + offset, frames.stop))
            n_have += len(pieces[-1])
        rows = np.concatenate(pieces)[:n_source]
        position = (np.arange(self.n_frames) + 1.0) * speed - 1.0
        features: NDArray[Any] = corpus.features[rows]
        features = features[: self.n_frames] if speed == 1.0 else self._respeed(features, speed)
        nearest = rows[np.minimum(np.round(position).astype(int), len(rows) - 1)]
        return (
            features,
            interpolate_rows(corpus.activations[rows], position),
            corpus.confidence[nearest],
            interpolate_rows(corpus.head_deg[rows], position),
            corpus.head_confidence[nearest],
            interpolate_rows(corpus.geometry[rows], position),
            corpus.phones[nearest],
            np.array(corpus.spec.is_generated),
        )

    def _respeed(self, features: NDArray[Any], speed: float) -> Float32Array:
        """Return columns read faster or slower, [n_frames, n_bands, n_columns]."""
        n_columns = features.shape[2]
        columns = features.transpose(0, 2, 1).reshape(-1, features.shape[1])
        position = (np.arange(self.n_frames * n_columns) + 1.0) * speed - 1.0
        read = interpolate_rows(columns, position)
        framed: Float32Array = read.reshape(self.n_frames, n_columns, -1).transpose(0, 2, 1)
        return framed

    def _change_voices(self, features: Float32Array, rng: np.random.Generator) -> Float32Array:
        n_batch, n_frames, n_bands, n_columns = features.shape
        levels = features.transpose(0, 2, 1, 3).reshape(n_batch, n_bands, n_frames * n_columns)
        changed = augment(levels, self.spec, rng, self._band_hz, self._columns_hz)
        split: Float32Array = changed.reshape(n_batch, n_bands, n_frames, n_columns).transpose(0, 2, 1, 3)
        return split


def band_centres_hz(features: FeatureSpec) -> Float32Array:
    """Return the centre frequency of each mel band."""
    from edge.features.mel import hz_to_mel, mel_to_hz

    low, high = hz_to_mel(float(features.features["fmin_hz"])), hz_to_mel(float(features.features["fmax_hz"]))
    corners = mel_to_hz(np.linspace(low, high, int(features.features["n_mels"]) + 2))
    return corners[1:-1].astype(np.float32)
