"""Laws of synthetic speech: words are found where they are, corpora resume and have the format that training reads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edge.errors import InputError
from engine_build.voices import sentences
from engine_build.voices.alignment import SILENCE, AlignmentError, PhoneAligner
from engine_build.voices.changed_corpus import write_flac
from engine_build.voices.recording_phones import align_recordings, read_words
from engine_build.voices.rest_corpus import make_rest_corpus
from engine_build.voices.spoken_corpus import make_spoken_corpus, read_clips
from engine_build.voices.synthesisers import Espeak, Voice
from tests.requirements import need, need_module

SPEAKER = Voice("en-gb+m3", "low")


@pytest.fixture
def espeak() -> Espeak:
    need_module("pocketsphinx", "pocketsphinx==5.1.1")
    synthesiser = Espeak()
    need("espeak-ng", not synthesiser.missing(), f"{synthesiser.missing()}")
    return synthesiser


def test_commands_keep_the_grammar() -> None:
    rng = np.random.default_rng(0)
    groups = (sentences.COMMANDS, sentences.COLOURS, sentences.PREPOSITIONS, None, sentences.DIGITS, sentences.ADVERBS)
    for _ in range(200):
        words = sentences.compose_command(rng).split()
        assert len(words) == 6
        for word, group in zip(words, groups, strict=True):
            assert group is None or word in group
    assert "a" not in {sentences.compose_command(rng, letters=("b", "c")).split()[3] for _ in range(50)}


def test_pause_between_words_is_found_where_it_is(espeak: Espeak) -> None:
    rng = np.random.default_rng(0)
    one, rate_hz = espeak.speak("place", SPEAKER, 1.0, rng)
    two, _ = espeak.speak("soon", SPEAKER, 1.0, rng)
    wave = np.concatenate([one, np.zeros(rate_hz, np.float32), two])
    found = PhoneAligner().align(wave, rate_hz, "place soon")
    assert [span.name for span in found.phones if span.name != SILENCE] == ["P", "L", "EY", "S", "S", "UW", "N"]
    pause = max((span for span in found.phones if span.name == SILENCE), key=lambda span: span.end_s - span.start_s)
    assert pause.start_s < len(one) / rate_hz + 0.06
    assert pause.end_s > len(one) / rate_hz + 0.94
    assert found.phones[0].start_s == 0.0
    assert found.phones[-1].end_s == pytest.approx(len(wave) / rate_hz)
    edges = [(a.end_s, b.start_s) for a, b in zip(found.phones, found.phones[1:], strict=False)]
    assert all(end_s == pytest.approx(start_s) for end_s, start_s in edges)


def test_unknown_words_are_named(espeak: Espeak) -> None:
    with pytest.raises(AlignmentError, match="xyzzyq"):
        PhoneAligner().align(np.zeros(16000, np.float32), 16000, "place xyzzyq now")


def test_interrupted_corpus_goes_on(espeak: Espeak, tmp_path: Path) -> None:
    first = make_spoken_corpus(espeak, tmp_path, 2, voices=(SPEAKER,), seed=3)
    stamp = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "audio").iterdir()}
    with (tmp_path / "sentences.jsonl").open("a") as journal:
        journal.write('{"clip": "half a li')  # the run was killed here
    more = make_spoken_corpus(espeak, tmp_path, 4, voices=(SPEAKER,), seed=3)
    assert {clip.clip for clip in first} <= {clip.clip for clip in more}
    for name, time_ns in stamp.items():
        assert (tmp_path / "audio" / name).stat().st_mtime_ns == time_ns
    assert {clip.clip for clip in read_clips(tmp_path)} == {clip.clip for clip in more}


def test_words_are_read_in_both_forms_and_nonsense_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "words.json"
    path.write_text(json.dumps({"a": "Bin Blue", "b": [[0, 1, "sil"], [1, 2, "lay"], [2, 3, "red"]]}))
    assert read_words(path) == {"a": "bin blue", "b": "lay red"}
    for bad in ("[1]", '{"a": [1, 2]}', "not json"):
        path.write_text(bad)
        with pytest.raises(InputError):
            read_words(path)


def test_recordings_that_do_not_fit_their_words_are_named(espeak: Espeak, tmp_path: Path) -> None:
    wave, rate_hz = espeak.speak("place red with k four soon", SPEAKER, 1.0, np.random.default_rng(0))
    (tmp_path / "audio").mkdir()
    write_flac(tmp_path / "audio" / "good.flac", wave, rate_hz)
    write_flac(tmp_path / "audio" / "short.flac", wave[: rate_hz // 20], rate_hz)
    words = {"good": "place red with k four soon", "short": "place red with k four soon"}
    phones, misfits = align_recordings(tmp_path / "audio", words, tmp_path / "phones.json")
    assert list(phones) == ["good"]
    assert misfits == ["short"]
    with pytest.raises(InputError, match="none of them"):
        align_recordings(tmp_path / "audio", {"other": "red"}, tmp_path / "phones.json")


def test_rest_corpus_is_what_training_reads(tmp_path: Path) -> None:
    soundfile = need_module("soundfile")
    channels = ["eyeBlinkLeft", "jawOpen", "mouthPucker", "browInnerUp"]
    make_rest_corpus(tmp_path, 3, channels)
    with np.load(tmp_path / "labels.npz") as labels:
        assert labels["n_frames"].sum() == len(labels["activations"])
        assert not labels["activations"].any()
        np.testing.assert_array_equal(labels["confidence"], [0, 1, 1, 0])
        for clip, n_frames in zip(labels["clips"], labels["n_frames"], strict=True):
            info = soundfile.info(tmp_path / "audio" / f"{clip}.flac")
            assert info.duration == pytest.approx(n_frames / float(labels["fps"]), abs=0.02)
