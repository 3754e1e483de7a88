"""Bring labels onto the frames of the network: by channel name and by time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import InputError
from engine_build.data.corpus import (
    AUDIO_SUFFIXES,
    Corpus,
    CorpusSpec,
    FeatureSpec,
    Float32Array,
    cached_features,
    chosen_clips,
)

MAX_LENGTH_DIFFERENCE_S = 0.5  # of labels and sound of one clip; more is another clip's label


def load_corpus(
    spec: CorpusSpec, channels: Sequence[str], features: FeatureSpec, cache: Path, lookahead_ms: float = 0.0
) -> Corpus:
    """Read a corpus.

    Args:
        spec: Where it lies.
        channels: The network's channels, in order.
        features: What the network takes.
        cache: Folder for features.
        lookahead_ms: The target of the frame that ends at t is the face at t less this.

    Raises:
        InputError: Files are missing, or labels and sound disagree in length.
    """
    if spec.is_rest:
        audio = Path(spec.audio)
        names = [path.stem for path in audio.iterdir() if path.suffix in AUDIO_SUFFIXES] if audio.is_dir() else []
        labels: dict[str, Any] = {}
    else:
        labels = read_labels(Path(spec.labels))
        names = _of_speakers(spec, labels)
        if spec.is_partial:
            there = {path.stem for path in Path(spec.audio).iterdir() if path.suffix in AUDIO_SUFFIXES}
            names = [name for name in names if name in there]
    clips = chosen_clips(names, spec.clips)
    if not clips:
        raise InputError(f"corpus {spec.name!r}", f"no clips (audio {spec.audio}, rule {spec.clips!r})", "Correct it")
    array_path, frames_path = cached_features(spec, clips, features, cache)
    array, n_frames = np.load(array_path, mmap_mode="r"), np.load(frames_path)
    first = np.concatenate([[0], np.cumsum(n_frames)])
    corpus = _empty(spec, tuple(clips), first, array, len(channels))
    if spec.is_rest:
        corpus.confidence[:] = 1.0
    else:
        _fill(corpus, labels, channels, features, lookahead_ms)
    return corpus


def _of_speakers(spec: CorpusSpec, labels: dict[str, Any]) -> list[str]:
    """Return the clips of the speakers that a corpus asks for.

    Raises:
        InputError: The labels do not name speakers, or not one that is asked for.
    """
    clips = [str(clip) for clip in labels["clips"]]
    if spec.speakers == "all":
        return clips
    key = "speakers" if "speakers" in labels else "voice"
    if key not in labels:
        raise InputError(f"speakers {spec.speakers!r} of {spec.name!r}", "its labels name none", "Leave it out")
    asked = set(spec.speakers.replace("!", " ").split())
    unknown = sorted(asked - {str(name) for name in labels[key]})
    if unknown:
        raise InputError(f"speakers of {spec.name!r}", f"no {', '.join(unknown)} in its labels", "Correct the names")
    is_kept = not spec.speakers.lstrip().startswith("!")
    return [clip for clip, name in zip(clips, labels[key], strict=True) if (str(name) in asked) == is_kept]


def read_labels(path: Path) -> dict[str, Any]:
    """Return the arrays of a labels file.

    Raises:
        InputError: Missing, damaged, or without a needed array.
    """
    asked = f"labels {path}"
    try:
        with np.load(path) as archive:
            labels = {name: archive[name] for name in archive.files}
    except (OSError, ValueError) as err:
        raise InputError(asked, f"cannot be read ({err})", "Make them with `python -m engine_build label`") from err
    missing = {"clips", "n_frames", "fps", "channels", "activations"} - labels.keys()
    if missing:
        raise InputError(asked, f"no {', '.join(sorted(missing))}", "Make them with `python -m engine_build label`")
    if int(labels["n_frames"].sum()) != len(labels["activations"]):
        raise InputError(
            asked,
            f"n_frames add up to {int(labels['n_frames'].sum())}, activations has {len(labels['activations'])}",
            "Make them again",
        )
    return labels


def _empty(
    spec: CorpusSpec, clips: tuple[str, ...], first: NDArray[np.int64], features: Any, n_channels: int
) -> Corpus:
    n = int(first[-1])
    return Corpus(
        spec=spec,
        clips=clips,
        first=first,
        features=features,
        activations=np.zeros((n, n_channels), np.float32),
        confidence=np.zeros((n, n_channels), np.float32),
        head_deg=np.zeros((n, 3), np.float32),
        head_confidence=np.zeros(n, np.float32),
        geometry=np.full((n, 3), np.nan, np.float32),
        phones=np.full(n, -1, np.int64),
    )


def _fill(
    corpus: Corpus, labels: dict[str, Any], channels: Sequence[str], features: FeatureSpec, lookahead_ms: float
) -> None:
    """Resample the labels of every clip to the ends of the network's frames."""
    fps = float(np.asarray(labels["fps"]).ravel()[0])
    starts = np.concatenate([[0], np.cumsum(labels["n_frames"])])
    where = {str(clip): i for i, clip in enumerate(labels["clips"])}
    columns = {str(channel): i for i, channel in enumerate(labels["channels"])}
    ours = [i for i, channel in enumerate(channels) if channel in columns]
    theirs = [columns[channels[i]] for i in ours]
    confidence = np.broadcast_to(
        labels.get("confidence", np.ones(len(columns), np.float32)), labels["activations"].shape
    )
    valid = labels.get("valid", np.ones(len(labels["activations"]), bool))
    for k, clip in enumerate(corpus.clips):
        rows = slice(int(starts[where[clip]]), int(starts[where[clip] + 1]))
        frames = corpus.clip_frames(k)
        n = frames.stop - frames.start
        sound_s, label_s = n / float(features.frame_rate), (rows.stop - rows.start) / fps
        if abs(sound_s - label_s) > MAX_LENGTH_DIFFERENCE_S:
            raise InputError(
                f"clip {clip!r} of corpus {corpus.spec.name!r}",
                f"{sound_s:.2f} s of sound, {label_s:.2f} s of labels",
                "Label it again or leave it out",
            )
        position = ((np.arange(n) + 1) / float(features.frame_rate) - lookahead_ms / 1000.0) * fps
        known = interpolate_rows(valid[rows].astype(np.float32), position) > 0.99
        known &= (position >= 0) & (position <= rows.stop - rows.start)
        corpus.activations[frames, ours] = interpolate_rows(labels["activations"][rows][:, theirs], position)
        corpus.confidence[frames, ours] = (
            interpolate_rows(confidence[rows][:, theirs].astype(np.float32), position) * known[:, None]
        )
        if "head_deg" in labels:
            corpus.head_deg[frames] = interpolate_rows(labels["head_deg"][rows], position)
            corpus.head_confidence[frames] = known
        if "geometry" in labels:
            geometry = interpolate_rows(labels["geometry"][rows], position)
            geometry[~known] = np.nan
            corpus.geometry[frames] = geometry
        if "phones" in labels:
            nearest = np.clip(np.round(position).astype(int), 0, rows.stop - rows.start - 1)
            corpus.phones[frames] = np.where(known, labels["phones"][rows][nearest], -1)


def interpolate_rows(rows: NDArray[Any], position: NDArray[Any]) -> Float32Array:
    """Return rows [n, ...] at fractional positions, linear between them and held at the ends."""
    position = np.clip(position, 0, len(rows) - 1)
    below = np.minimum(position.astype(int), max(len(rows) - 2, 0))
    above = np.minimum(below + 1, len(rows) - 1)
    share = (position - below).astype(np.float32).reshape(-1, *[1] * (rows.ndim - 1))
    result: Float32Array = (rows[below] * (1 - share) + rows[above] * share).astype(np.float32)
    return result
