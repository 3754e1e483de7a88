"""The cache of features gives every corpus its own."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.errors import InputError
from engine_build.data import corpus as corpus_module
from engine_build.data.corpus import (
    CorpusSpec,
    FeatureSpec,
    cached_features,
    compute_features,
    find_audio,
    read_audio,
)
from engine_build.data.frame_labels import load_corpus
from engine_build.training.config import ARKIT_CHANNELS, STREAM_FEATURES
from tests.edge.machine.test_whole_file import little_room
from tests.engine_build.tiny_dataset import write_tiny_dataset


def test_corpora_whose_names_differ_behind_a_dot_do_not_share(tmp_path: Path) -> None:
    """As `folds` names them: a film's corpus, a dot, a speaker."""
    data = write_tiny_dataset(tmp_path / "tiny")
    features = FeatureSpec(STREAM_FEATURES, 44_100, Fraction(30))
    for rule in ("3 % 4", "3 ! 4", "0 % 4"):
        name = f"films.{rule.replace(' ', '')}"
        spec = CorpusSpec(name, str(data / "audio"), str(data / "labels.npz"), clips=rule)
        for _ in range(2):  # computed, then read
            corpus = load_corpus(spec, ARKIT_CHANNELS, features, tmp_path / "cache")
            for k, clip in enumerate(corpus.clips):
                sound = read_audio(find_audio(data / "audio", clip), features.sample_rate_hz)
                expected = compute_features(sound, features).astype(np.float16)
                np.testing.assert_array_equal(corpus.features[corpus.clip_frames(k)], expected)


def test_a_recording_that_was_changed_is_computed_again(tmp_path: Path) -> None:
    data = write_tiny_dataset(tmp_path / "tiny")
    features = FeatureSpec(STREAM_FEATURES, 44_100, Fraction(30))
    spec = CorpusSpec("films", str(data / "audio"), str(data / "labels.npz"))
    clip = load_corpus(spec, ARKIT_CHANNELS, features, tmp_path / "cache").clips[0]
    path = find_audio(data / "audio", clip)
    samples, rate = soundfile.read(path)
    soundfile.write(path, samples[::-1], rate)
    corpus = load_corpus(spec, ARKIT_CHANNELS, features, tmp_path / "cache")
    expected = compute_features(read_audio(path, features.sample_rate_hz), features).astype(np.float16)
    np.testing.assert_array_equal(corpus.features[corpus.clip_frames(corpus.clips.index(clip))], expected)


def test_two_that_compute_at_once_do_not_take_each_others_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second begins and ends while the first writes."""
    data = write_tiny_dataset(tmp_path / "tiny")
    features = FeatureSpec(STREAM_FEATURES, 44_100, Fraction(30))
    spec = CorpusSpec("films", str(data / "audio"), str(data / "labels.npz"))
    clips = sorted(path.stem for path in (data / "audio").iterdir())[:3]
    found: list[tuple[Path, Path]] = []

    class Beside:
        """numpy, in whose first `save` another process comes by."""

        def __getattr__(self, name: str) -> object:
            return getattr(np, name)

        def save(self, file: object, content: np.ndarray) -> None:
            np.save(file, content)  # type: ignore[arg-type]
            if not found:
                monkeypatch.setattr(corpus_module, "np", np)
                found.append(cached_features(spec, clips, features, tmp_path / "cache"))

    monkeypatch.setattr(corpus_module, "np", Beside())
    found.append(cached_features(spec, clips, features, tmp_path / "cache"))
    assert len(found) == 2
    assert found[0] == found[1]
    array_path, frames_path = found[0]
    assert len(np.load(array_path)) == np.load(frames_path).sum()
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == sorted([array_path.name, frames_path.name])


def test_a_disk_that_fills_leaves_nothing_behind_and_a_cache_serves_every_user(tmp_path: Path) -> None:
    data = write_tiny_dataset(tmp_path / "tiny")
    features = FeatureSpec(STREAM_FEATURES, 44_100, Fraction(30))
    spec = CorpusSpec("films", str(data / "audio"), str(data / "labels.npz"))
    clips = sorted(path.stem for path in (data / "audio").iterdir())[:1]
    cache = tmp_path / "cache"
    with little_room(), pytest.raises(InputError, match=r"writing .*\.npy: .*Free some space"):
        cached_features(spec, clips, features, cache)
    assert list(cache.iterdir()) == []
    plain = tmp_path / "plain"
    plain.touch()
    for path in cached_features(spec, clips, features, cache):
        assert path.stat().st_mode == plain.stat().st_mode
