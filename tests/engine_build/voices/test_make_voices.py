"""The command that makes voices: it refuses bad input with a remedy, and makes what it says from a tiny folder."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest

from edge.errors import InputError
from engine_build.voices.labelling import Teacher
from engine_build.voices.make_voices import add_arguments, run, split_teacher
from engine_build.voices.phone_shape import LabelledSentence
from engine_build.voices.synthesisers import Espeak, Voice
from tests.requirements import need, need_module

CHANNELS = ["jawOpen", "mouthPucker", "browInnerUp"]
TEXT = "place red with k four soon"


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(words)


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Eight utterances of espeak-ng with labels that only have the right form."""
    for module in ("pocketsphinx", "pyworld", "soundfile", "torch"):
        need_module(module)
    espeak = Espeak()
    need("espeak-ng", not espeak.missing(), f"{espeak.missing()}")
    from engine_build.voices.changed_corpus import write_flac

    folder = tmp_path / "data" / "audio"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    n_frames, tracks = [], []
    for index in range(8):
        wave, rate_hz = espeak.speak(TEXT, Voice("en-gb+m3", "low"), 1.0, rng)
        wave = np.pad(wave, rate_hz)
        write_flac(folder / f"clip{index:02d}.flac", wave, rate_hz)
        n_frames.append(int(len(wave) / rate_hz * 25))
        tracks.append(rng.random((n_frames[-1], 6)).astype(np.float32))
    every = np.concatenate(tracks)
    np.savez(
        folder.parent / "labels.npz",
        clips=np.array([f"clip{index:02d}" for index in range(8)]),
        n_frames=np.array(n_frames),
        fps=np.float32(25),
        channels=np.array(CHANNELS),
        activations=every[:, :3],
        confidence=np.array([1.0, 0.5, 0.5], np.float32),
        geometry=every[:, 3:],
        valid=np.ones(len(every), bool),
    )
    (folder.parent / "words.json").write_text("{" + ",".join(f'"clip{i:02d}": "{TEXT}"' for i in range(8)) + "}")
    return folder


def test_missing_sound_labels_and_words_are_refused_with_a_remedy(tmp_path: Path, recordings: Path) -> None:
    labels, out = str(recordings.parent / "labels.npz"), str(tmp_path / "out")
    with pytest.raises(InputError, match="Name the folder"):
        run(arguments(str(tmp_path / "nowhere"), "--labels", labels, "--out", out))
    with pytest.raises(InputError, match="engine_build label"):
        run(arguments(str(recordings), "--labels", str(tmp_path / "none.npz"), "--out", out))
    with pytest.raises(InputError, match="or give --words"):
        run(arguments(str(recordings), "--labels", labels, "--out", out, "--steps", "spoken"))


def test_everything_is_made_from_a_tiny_folder_and_made_once(tmp_path: Path, recordings: Path) -> None:
    import torch

    torch.set_num_threads(1)
    out = tmp_path / "out"
    words = (str(recordings), "--labels", str(recordings.parent / "labels.npz"), "--out", str(out), "--clips", "4")
    more = ("--words", str(recordings.parent / "words.json"), "--kinds", "alto", "--synthesisers", "espeak")
    asked = arguments(*words, *more, "--epochs", "1", "--hold-out", "espeak_en-gb+m1")
    assert run(asked) == 0
    changed = sorted((out / "changed" / "alto").glob("*.flac"))
    assert len(changed) == 8
    assert (out / "SPLIT.json").exists()
    assert len(list((out / "augmented" / "audio").glob("*.flac"))) == 8
    with np.load(out / "synth_espeak" / "labels.npz") as labels:
        assert list(labels["channels"]) == CHANNELS
        np.testing.assert_allclose(labels["confidence"], [1.0, 0.5, 0.0])  # the brow is not learnt from phones
        assert str(labels["source"]) == "generated"
        assert "head_deg" not in labels.files
        assert "espeak_en-gb+m1" not in set(labels["voice"])
        assert labels["activations"].min() >= 0
        assert labels["activations"].max() <= 1
        assert len(labels["phones"]) == labels["n_frames"].sum()
    with np.load(out / "synth_validation" / "labels.npz") as labels:
        assert set(labels["voice"]) == {"espeak_en-gb+m1"}
    with np.load(out / "recordings" / "labels.npz") as labels:
        assert labels["phones"].max() > 0
    stamps = [path.stat().st_mtime_ns for path in changed]
    model_stamp = (out / "phone_shape.pt").stat().st_mtime_ns
    assert run(asked) == 0
    assert [path.stat().st_mtime_ns for path in changed] == stamps
    assert (out / "phone_shape.pt").stat().st_mtime_ns == model_stamp


def test_validation_clips_teach_nothing() -> None:
    sentences = tuple(LabelledSentence((), np.full((1, 4), i, np.float32), 25.0) for i in range(30))
    names = tuple(f"clip{i:02d}" for i in range(30))
    teacher = Teacher(("jawOpen", "gap", "width", "chin"), np.ones(1, np.float32), names[::-1], sentences[::-1])
    training, validation = split_teacher(teacher)
    assert {int(one.tracks[0, 0]) for one in validation} == {7, 17, 27}
    assert len(training) == 27
