"""Let all ranks read their corpora, and refuse to train where one has other data or other settings.

Files are compared by what they hold: machines keep them in different folders, and features that two processors
computed differ in their last bits. So each clip is told by a few numbers, and these have to agree nearly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import AuEdgeError, InputError
from engine_build.data.corpus import Corpus
from engine_build.data.frame_labels import load_corpus
from engine_build.training.config import TrainConfig
from engine_build.training.ranks import Ranks
from engine_build.training.targets import mask_channels, rest_in_silence

Float64 = NDArray[np.float64]

OWN_TO_A_MACHINE = ("audio", "labels", "start_from", "n_threads", "device", "validation")  # settings that may differ
ALIKE = 2e-3  # what the numbers of a clip may differ by: a tenth of a decibel in the level, less than any label shows
SEEN = ("length", "sound", "labels")


def read_corpora(config: TrainConfig, cache: Path, ranks: Ranks) -> tuple[list[Corpus], list[Corpus]]:
    """Return what to train on and what to choose by; the latter on the first rank only.

    Args:
        config: Names the corpora.
        cache: Folder for features.
        ranks: Who trains together.

    Raises:
        InputError: A corpus cannot be read, or ranks have different ones.
    """
    wanted = (*config.corpora, *(config.validation if ranks.is_first else ()))
    spec, n_training = config.feature_spec(), len(config.corpora)
    load = read_alike(
        lambda: [load_corpus(one, config.channels, spec, cache, config.lookahead_ms) for one in wanted],
        n_training,
        config,
        ranks,
    )
    for corpus in load:
        mask_channels(corpus, config)
    for corpus in load[:n_training]:
        rest_in_silence(corpus, config)
    return load[:n_training], load[n_training:]


def read_alike(read: Callable[[], list[Corpus]], n_training: int, config: TrainConfig, ranks: Ranks) -> list[Corpus]:
    """Read the corpora on every rank, and see that all have the same.

    One rank of a machine goes first, so that features are computed once where ranks share a folder for them.

    Args:
        read: Reads them.
        n_training: How many of them, from the first on, are to be the same on all ranks.
        config: What all are to do.
        ranks: Who takes part.

    Raises:
        InputError: A rank cannot read its corpora, or has other data or settings; ranks and what differs are named.
    """
    if ranks.count == 1:
        return read()
    corpora: list[Corpus] = []
    failure = ""
    turn = 0 if ranks.is_first else 1 if ranks.local_rank == 0 else 2
    for now in range(3):
        if now == turn:
            try:
                corpora = read()
            except AuEdgeError as err:
                failure = str(err)
        ranks.gathered(None)
    told = (ranks.name, failure, settings(config), [fingerprint(corpus) for corpus in corpora[:n_training]])
    everyone = ranks.gathered(told)
    mistakes = [f"{name}: {problem}" for name, problem, _, _ in everyone if problem]
    if not mistakes:
        _, _, wanted, seen = everyone[0]
        for name, _, other, its in everyone[1:]:
            found = _settings_that_differ(wanted, other) or _data_that_differ(seen, its)
            mistakes += [f"{name}: {found}"] if found else []
    if mistakes:
        asked = f"the same data on {ranks.count} ranks"
        remedy = "Bring the same files and the same configuration to every machine, and start again"
        ranks.refuse(InputError(asked, "; ".join(mistakes), remedy))
    return corpora


def settings(config: TrainConfig) -> dict[str, Any]:
    """Return what all ranks have to agree on, key -> value."""
    flat: dict[str, Any] = {}

    def add(path: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                if key not in OWN_TO_A_MACHINE:
                    add(f"{path}.{key}" if path else key, inner)
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            for i, inner in enumerate(value):
                add(f"{path}[{i}]", inner)
        else:
            flat[path] = value

    add("", config.as_json())
    return flat


def fingerprint(corpus: Corpus) -> tuple[str, dict[str, Float64]]:
    """Return a corpus's name, and clip -> [3, 2]: numbers of its length, its sound and its labels.

    Each number of sound and labels is there twice, as a mean over the clip and as one that grows along it, or the same
    frames in another order would not be told apart.
    """
    by_channel = 1.0 + np.cos(np.arange(corpus.activations.shape[1]))  # another for each: none can stand for another
    found = {}
    for k, clip in enumerate(corpus.clips):
        frames = corpus.clip_frames(k)
        n = frames.stop - frames.start
        grows = np.linspace(0.0, 2.0, n)
        features = np.asarray(corpus.features[frames], np.float64).reshape(n, -1)
        sound = features @ (1.0 + np.cos(np.arange(features.shape[1]))) / features.shape[1]
        labels = (corpus.activations[frames] + corpus.confidence[frames]) @ by_channel
        labels = labels + np.nan_to_num(corpus.geometry[frames]).sum(axis=1) + corpus.phones[frames]
        numbers = [[float(n), 0.0]] + [[series.mean(), (series * grows).mean()] for series in (sound, labels)]
        found[clip] = np.array(numbers)
    return corpus.spec.name, found


def _settings_that_differ(wanted: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    for key in sorted(wanted.keys() | other.keys()):
        if wanted.get(key) != other.get(key):
            return f"{key} is {other.get(key)!r}, and {wanted.get(key)!r} on rank 0"
    return ""


def _data_that_differ(
    wanted: Sequence[tuple[str, dict[str, Float64]]], other: Sequence[tuple[str, dict[str, Float64]]]
) -> str:
    for (name, ours), (_, theirs) in zip(wanted, other, strict=True):
        for missing, where in ((ours.keys() - theirs.keys(), "lacks"), (theirs.keys() - ours.keys(), "has besides")):
            if missing:
                return f"corpus {name!r} {where} {_some(missing)}"
        differ = {clip: np.abs(ours[clip] - theirs[clip]).max(axis=1) > ALIKE for clip in ours}
        clips = {clip: [bool(flag) for flag in flags] for clip, flags in differ.items() if flags.any()}
        if clips:
            what = " and ".join(kind for i, kind in enumerate(SEEN) if any(flags[i] for flags in clips.values()))
            return f"corpus {name!r} has another {what} in {_some(clips)}"
    return ""


def _some(clips: Any) -> str:
    names = sorted(clips)
    return f"{len(names)} clips ({', '.join(names[:3])}{' ...' if len(names) > 3 else ''})"
