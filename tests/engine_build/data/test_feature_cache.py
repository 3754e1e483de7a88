"""The cache of features gives every corpus its own."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from engine_build.data.corpus import CorpusSpec, FeatureSpec, compute_features, find_audio, read_audio
from engine_build.data.frame_labels import load_corpus
from engine_build.training.config import ARKIT_CHANNELS, STREAM_FEATURES
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
