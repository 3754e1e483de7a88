"""Recordings with words become a corpus; recordings with other words do not."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

from edge.errors import InputError
from engine_build.voices.alignment import AlignmentError, PhoneAligner
from engine_build.voices.changed_corpus import write_flac
from engine_build.voices.labelling import GEOMETRY
from engine_build.voices.phone_shape import LabelledSentence, fit_phone_shape
from engine_build.voices.recording_phones import write_phones
from engine_build.voices.shape_file import save_shape_model
from engine_build.voices.synthesisers import Espeak, Voice
from engine_build.voices.transcribed_corpus import LEFT_OUT, add_arguments, run
from tests.requirements import need, need_module

CHANNELS = ("jawOpen", "browInnerUp")
SAID = {"one": "place blue at f two now", "two": "there is a map on the table", "three": "the glorvish dog sleeps"}
OTHER = "seven hungry lions walked over the long bridge"
ROBOTIC = -40  # the synthesiser fits its own words with -25 to -31, other words with -49 or not at all


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    """Four recordings; the last does not say what its words claim."""
    for module in ("pocketsphinx", "soundfile", "torch"):
        need_module(module)
    espeak = Espeak()
    need("espeak-ng", not espeak.missing(), f"{espeak.missing()}")
    folder = tmp_path / "speech"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for clip, text in (*SAID.items(), ("wrong", SAID["one"])):
        wave, rate_hz = espeak.speak(text, Voice("en-gb+m3", "low"), 0.9, rng)
        write_flac(folder / f"{clip}.flac", np.pad(wave, rate_hz // 3), rate_hz)
    (tmp_path / "words.json").write_text(json.dumps({**SAID, "wrong": OTHER}))
    return folder


@pytest.fixture
def taught(tmp_path: Path, speech: Path) -> Path:
    """What `voices` leaves: a model that has learnt from eight clips in which the gap is 1 in vowels and 0 else."""
    from engine_build.voices.synthesisers import read_wave

    wave, rate_hz = read_wave(speech / "one.flac")
    phones = PhoneAligner().align(wave, rate_hz, SAID["one"]).phones
    n_frames = int(len(wave) / rate_hz * 25)
    middle_s = (np.arange(n_frames) + 0.5) / 25
    open_now = [any(s.start_s <= t < s.end_s and s.name[0] in "AEIOU" for s in phones) for t in middle_s]
    tracks = np.repeat(np.array(open_now, np.float32)[:, None], 4, axis=1)
    sentences = [LabelledSentence(phones, tracks, 25.0)] * 8
    weights = np.ones(4, np.float32)
    folder = tmp_path / "voices"
    (folder / "recordings").mkdir(parents=True)
    model = fit_phone_shape(sentences, weights=weights, seed=0, n_networks=1, n_epochs=15, width=16)
    save_shape_model(folder / "phone_shape.pt", model, ("jawOpen", *GEOMETRY), 16)
    clips = [f"clip{index}" for index in range(8)]
    write_phones(folder / "phones.json", dict.fromkeys(clips, phones))
    np.savez(
        folder / "recordings" / "labels.npz",
        clips=np.array(clips),
        n_frames=np.full(8, n_frames),
        fps=np.float32(25),
        channels=np.array(CHANNELS),
        activations=np.tile(np.stack([tracks[:, 0], np.zeros(n_frames, np.float32)], axis=1), (8, 1)),
        confidence=np.array([1.0, 0.5], np.float32),
        geometry=np.tile(tracks[:, 1:], (8, 1)),
        valid=np.ones(8 * n_frames, bool),
    )
    return folder


def arguments(*words: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args([str(word) for word in words])


def test_clips_that_fit_their_words_are_labelled_and_others_named(tmp_path: Path, speech: Path, taught: Path) -> None:
    out = tmp_path / "corpus"
    (tmp_path / "more.json").write_text('{"glorvish": "g l ao r v ih sh"}')
    (tmp_path / "who.json").write_text('{"one": "anna", "two": "ben"}')
    given = (speech, "--words", tmp_path / "words.json", "--taught", taught, "--out", out)
    more = ("--pronunciations", tmp_path / "more.json", "--speakers", tmp_path / "who.json", "--min-score", ROBOTIC)
    assert run(arguments(*given, *more)) == 0
    assert list(json.loads((out / LEFT_OUT).read_text())) == ["wrong"]
    with np.load(out / "labels.npz") as labels:
        assert dict(zip(labels["clips"], labels["voice"], strict=True)) == {
            "one": "anna",
            "two": "ben",
            "three": "speech",
        }
        assert str(labels["source"]) == "generated"
        assert labels["confidence"].tolist() == [1.0, 0.0]  # no phone tells of a brow
        names = labels["phone_names"][labels["phones"]]
        gap = labels["geometry"][:, 0]
    vowels = np.array([str(name)[0] in "AEIOU" for name in names])
    assert gap[vowels].mean() > gap[~vowels].mean() + 0.3
    stamps = {path: path.stat().st_mtime_ns for path in (out / "audio").iterdir()}
    assert {path.stem for path in stamps} == set(SAID)
    assert run(arguments(*given, *more)) == 0
    assert {path: path.stat().st_mtime_ns for path in (out / "audio").iterdir()} == stamps


def test_own_words_score_higher_than_other_words(speech: Path) -> None:
    from engine_build.voices.synthesisers import read_wave

    aligner = PhoneAligner()
    for clip, other in (("one", "two"), ("two", "one")):
        wave, rate_hz = read_wave(speech / f"{clip}.flac")
        right = aligner.align(wave, rate_hz, SAID[clip]).score
        assert right <= 0.0
        try:
            wrong = aligner.align(wave, rate_hz, SAID[other]).score
        except AlignmentError:
            continue
        assert wrong < right - 5.0


def test_bad_input_is_refused_with_a_remedy(tmp_path: Path, speech: Path, taught: Path) -> None:
    words = tmp_path / "words.json"
    with pytest.raises(InputError, match="voices"):
        run(arguments(speech, "--words", words, "--taught", tmp_path, "--out", tmp_path / "out"))
    (tmp_path / "odd.json").write_text('{"dog": 3}')
    given = (speech, "--words", words, "--taught", taught, "--out", tmp_path / "out")
    with pytest.raises(InputError, match=r"odd\.json"):
        run(arguments(*given, "--pronunciations", tmp_path / "odd.json"))
    words.write_text(json.dumps({"wrong": OTHER}))
    with pytest.raises(InputError, match="none fits"):
        run(arguments(*given, "--min-score", ROBOTIC))
    with pytest.raises(AlignmentError, match="ARPAbet"):
        PhoneAligner().add_words({"glorvish": "g l zz"})
    with pytest.raises(AlignmentError, match="--pronunciations"):
        PhoneAligner().align(np.zeros(16_000, np.float32), 16_000, "glorvish")
