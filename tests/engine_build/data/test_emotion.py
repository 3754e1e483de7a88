"""The published layouts of emotional corpora, imitated by empty files."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import InputError
from engine_build.data.emotion import read_emotions


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def test_crema_d_names_tell_actor_sentence_emotion_and_level(tmp_path: Path) -> None:
    touch(tmp_path, "AudioWAV/1001_DFA_ANG_XX.wav", "AudioWAV/1091_IEO_FEA_LO.wav", "AudioWAV/1002_IEO_HAP_HI.wav")
    touch(tmp_path, "README.md", "AudioWAV/notes.wav")
    found = [(c.actor, c.sentence, c.emotion, c.intensity) for c in read_emotions(tmp_path, "crema_d")]
    assert found == [
        ("1001", "DFA", "angry", 0.67),
        ("1002", "IEO", "happy", 1.0),
        ("1091", "IEO", "fearful", 0.33),
    ]


def test_ravdess_names_tell_emotion_strength_and_song_and_pictures_without_sound_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "Actor_12/03-01-06-01-02-01-12.wav", "Actor_07/01-02-05-02-01-02-07.mp4")
    touch(tmp_path, "Actor_07/02-01-05-02-01-02-07.mp4", "Actor_07/03-01-09-02-01-02-07.wav")
    found = [(c.actor, c.emotion, c.intensity, c.is_speech) for c in read_emotions(tmp_path, "ravdess")]
    assert found == [("07", "angry", 1.0, False), ("12", "fearful", 0.67, True)]


def test_emodb_names_tell_actor_sentence_and_emotion(tmp_path: Path) -> None:
    touch(tmp_path, "audio/03a01Fa.flac", "audio/16b10Lb.flac", "audio/03a01Xa.flac")
    found = [(c.actor, c.sentence, c.emotion) for c in read_emotions(tmp_path, "emodb")]
    assert found == [("03", "a01", "happy"), ("16", "b10", "bored")]


@pytest.mark.parametrize(
    "names", [("DC/sa01.wav", "KL/n30.wav"), ("DC_sa01.wav", "KL_n30.wav")], ids=["folders", "flat"]
)
def test_savee_is_read_in_both_of_its_layouts(tmp_path: Path, names: tuple[str, ...]) -> None:
    touch(tmp_path, *names)
    found = [(c.actor, c.emotion, c.sentence) for c in read_emotions(tmp_path, "savee")]
    assert found == [("DC", "sad", "01"), ("KL", "neutral", "30")]


def test_a_folder_without_such_names_is_an_error_that_says_so(tmp_path: Path) -> None:
    touch(tmp_path, "speech.wav")
    with pytest.raises(InputError, match="no file is named"):
        read_emotions(tmp_path, "savee")
    with pytest.raises(InputError, match="crema_d"):
        read_emotions(tmp_path, "another")
