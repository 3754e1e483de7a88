"""What a corpus's labels say before training: which channels they inform, how much each varies, how the face moves.

In: loaded corpora and the configuration. Out: plain numbers and tensors that the loss is scaled with.
"""

from __future__ import annotations

from dataclasses import fields, replace
from fractions import Fraction
from typing import Any

import numpy as np

from engine_build.data.corpus import Corpus
from engine_build.training.batches import Batch
from engine_build.training.config import TrainConfig

MET_MM = 0.25  # what landmarks show of closed lips
REST_BEFORE_MS = 60.0  # lips may part two frames before the first sound: one frame of labels and one of phone times
REST_AFTER_MS, REST_FADE_MS = 130.0, 130.0  # lips linger after the last sound, and are at rest a quarter second after
LEAST_MOVEMENT = 0.05  # a channel that no label ever lifts over this was not shown to the network
MIN_CONFIDENCE = 0.05  # channels under this are no evidence for lip geometry


def mask_channels(corpus: Corpus, config: TrainConfig) -> None:
    """Take the confidence of channels that the configuration masks: nothing is learnt of them."""
    for i, channel in enumerate(config.channels):
        if channel.startswith(tuple(config.masked_prefixes)):
            corpus.confidence[:, i] = 0.0


def rest_in_silence(corpus: Corpus, config: TrainConfig) -> None:
    """Let the face rest where no phone is near: what lips do in silence, no causal network can know.

    Real lips part up to 300 ms before a sentence. A network hears of it at the first sound, or by its look-ahead
    earlier; before that its best guess would be a mouth a little open in every pause. Frames without phone times keep
    their labels.
    """
    from engine_build.voices.alignment import SILENCE
    from engine_build.voices.phone_shape import PHONES

    rate = float(Fraction(*config.frame_rate))
    n_before = max(1, round(max(config.lookahead_ms, REST_BEFORE_MS) / 1000 * rate))
    n_after, n_fade = round(REST_AFTER_MS / 1000 * rate), max(1, round(REST_FADE_MS / 1000 * rate))
    silence = PHONES.index(SILENCE)
    for k in range(len(corpus.clips)):
        frames = corpus.clip_frames(k)
        phones = corpus.phones[frames]
        if (phones < 0).all():
            continue
        spoken = np.flatnonzero((phones >= 0) & (phones != silence))
        places = np.arange(len(phones))
        until, since = np.full(len(phones), len(phones)), np.full(len(phones), len(phones))
        if len(spoken):
            following = np.searchsorted(spoken, places)
            until = np.where(following < len(spoken), spoken[np.minimum(following, len(spoken) - 1)] - places, until)
            since = np.where(following > 0, places - spoken[np.maximum(following - 1, 0)], since)
            since[spoken] = until[spoken] = 0
        resting = np.minimum(until > n_before, np.clip((since - n_after) / n_fade, 0.0, 1.0)).astype(np.float32)
        corpus.activations[frames] *= 1.0 - resting[:, None]
        corpus.geometry[frames][resting > 0] = np.nan  # the lips of a resting face are those of its activations


def uninformed_channels(corpora: list[Corpus], channels: tuple[str, ...]) -> list[str]:
    """Return the channels that no face in the data informs: not trusted, or at rest in all that was labelled.

    Sounds that are not speech only say that a face rests.
    """
    faces = [corpus for corpus in corpora if not corpus.spec.is_rest] or corpora
    best = np.max([corpus.confidence.mean(axis=0) for corpus in faces], axis=0)
    highest = np.max([(corpus.activations * (corpus.confidence > 0)).max(axis=0) for corpus in faces], axis=0)
    return [
        name
        for name, trust, peak in zip(channels, best, highest, strict=True)
        if trust < MIN_CONFIDENCE or peak < LEAST_MOVEMENT
    ]


def as_target(batch: Batch, generated_trust: float) -> Any:
    """Return a batch's labels as tensors."""
    import torch

    from engine_build.training.losses import Target

    return Target(
        torch.from_numpy(batch.activations),
        torch.from_numpy(batch.confidence),
        torch.from_numpy(batch.head_deg),
        torch.from_numpy(batch.head_confidence),
        torch.from_numpy(batch.geometry),
        torch.from_numpy(batch.phones),
        torch.from_numpy(np.where(batch.is_generated, generated_trust, 1.0).astype(np.float32)),
    )


def on_device(tensors: Any, device: str) -> Any:
    """Return a dataclass of tensors (and numbers) with its tensors on a device."""
    import torch

    values = {field.name: getattr(tensors, field.name) for field in fields(tensors)}
    return replace(
        tensors,
        **{name: value.to(device) for name, value in values.items() if isinstance(value, torch.Tensor)},
    )


def label_scale(corpora: list[Corpus], config: TrainConfig) -> Any:
    """Return the statistics of the real labels (of all where none is real)."""
    import torch

    from engine_build.labels.channels import CHANNELS
    from engine_build.labels.geometry import eye_distance_mm, face_geometry
    from engine_build.training.losses import LabelScale
    from engine_build.voices.alignment import SILENCE
    from engine_build.voices.phone_shape import PHONES

    real = [c for c in corpora if not c.spec.is_generated and not c.spec.is_rest] or corpora
    activations = np.concatenate([np.where(c.confidence > 0, c.activations, np.nan) for c in real])
    geometry = np.concatenate([c.geometry for c in real])
    head = np.concatenate([c.head_deg for c in real])
    with np.errstate(all="ignore"):
        channel_std = np.nan_to_num(_nan_std(activations))
        geometry_std = np.nan_to_num(_nan_std(geometry), nan=1.0)
        geometry_mean = np.nan_to_num(_nan_mean(geometry))
    confidence = np.concatenate([c.confidence for c in real]).mean(axis=0)
    slopes = face_slopes(config, activations) * (confidence > MIN_CONFIDENCE)[:, None]
    rest = geometry_mean - np.nan_to_num(_nan_mean(activations)) @ slopes
    rest[0] = face_geometry(np.zeros((1, len(CHANNELS))))[0, 0]
    return LabelScale(
        torch.tensor(np.maximum(channel_std, 0.02), dtype=torch.float32),
        torch.tensor(geometry_mean, dtype=torch.float32),
        torch.tensor(np.maximum(geometry_std, 1e-4), dtype=torch.float32),
        torch.tensor(np.maximum(head.std(axis=0), 0.5), dtype=torch.float32),
        torch.tensor(slopes, dtype=torch.float32),
        torch.tensor(rest, dtype=torch.float32),
        MET_MM / eye_distance_mm(),
        torch.tensor([PHONES.index(name) for name in ("P", "B", "M")]),
        PHONES.index(SILENCE),
    )


def face_slopes(config: TrainConfig, activations: Any) -> Any:
    """Return [n_channels, 3]: how gap, width and chin distance of the face change with each activation.

    The blendshape face is nearly linear; the slopes are taken at the mean face of the labels, lips a little open.
    """
    from engine_build.labels.channels import CHANNELS
    from engine_build.labels.geometry import face_geometry

    ours = {name: i for i, name in enumerate(config.channels)}
    mean = dict(zip(config.channels, np.nan_to_num(_nan_mean(activations)), strict=True))
    base = np.array([mean.get(name, 0.0) for name in CHANNELS])
    base[list(CHANNELS).index("jawOpen")] += 0.1
    slopes = np.zeros((len(config.channels), 3))
    for i, name in enumerate(CHANNELS):
        if name in ours:
            step = np.zeros(len(CHANNELS))
            step[i] = 0.02
            slopes[ours[name]] = (face_geometry((base + step)[None])[0] - face_geometry((base - step)[None])[0]) / 0.04
    return slopes


def _nan_mean(values: Any) -> Any:
    known = np.isfinite(values)
    return np.where(known, values, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)


def _nan_std(values: Any) -> Any:
    known = np.isfinite(values)
    centred = np.where(known, values - _nan_mean(values), 0.0)
    return np.sqrt((centred**2).sum(axis=0) / np.maximum(known.sum(axis=0), 1))
