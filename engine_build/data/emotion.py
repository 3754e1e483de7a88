"""Read emotional corpora that users bring, in the layouts in which they are published.

They are CREMA-D, EMO-DB, RAVDESS and SAVEE, and none is shipped. Vocal effort is fitted on EMO-DB (CC0);
on the others nothing was trained here: CREMA-D is under the ODbL; RAVDESS (CC BY-NC-SA) and SAVEE (research) may not be
used for weights that others sell. The recipe for a network: label the videos with `python -m engine_build label`, read
the file names with `read_emotions`, and give each emotion a corpus of its own in the training configuration (`weight`
of `CorpusSpec` is its share).

Source: the corpora's own descriptions: Cao et al., IEEE Trans. Affective Computing 5(4), 2014 (CREMA-D); Burkhardt et
al., Interspeech 2005 (EMO-DB); Livingstone and Russo, PLoS ONE 13(5), 2018 (RAVDESS); Haq and Jackson, AVSP 2009
(SAVEE).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.errors import InputError

SUFFIXES = (".wav", ".flac", ".flv", ".mp4", ".avi")
_RAVDESS_EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")  # from 01 on
EMOTIONS = (*_RAVDESS_EMOTIONS, "bored")

_CREMA = re.compile(r"(?P<actor>\d{4})_(?P<sentence>[A-Z]{3})_(?P<emotion>[A-Z]{3})_(?P<level>LO|MD|HI|XX|X)")
_CREMA_EMOTIONS = {
    "ANG": "angry", "DIS": "disgust", "FEA": "fearful", "HAP": "happy", "NEU": "neutral", "SAD": "sad",
}  # fmt: skip
_CREMA_LEVELS = {"LO": 0.33, "MD": 0.67, "HI": 1.0}

_RAVDESS = re.compile(r"(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)")

_SAVEE = re.compile(r"(?P<emotion>sa|su|[adfhn])(?P<number>\d{2})")
_SAVEE_EMOTIONS = {
    "a": "angry", "d": "disgust", "f": "fearful", "h": "happy", "n": "neutral", "sa": "sad", "su": "surprised",
}  # fmt: skip


_EMODB = re.compile(r"(?P<actor>\d{2})(?P<sentence>[ab]\d{2})(?P<emotion>[WLEAFTN])(?P<version>[a-z])")
_EMODB_EMOTIONS = {
    "W": "angry", "L": "bored", "E": "disgust", "A": "fearful", "F": "happy", "T": "sad", "N": "neutral",
}  # fmt: skip


@dataclass(frozen=True)
class EmotionalClip:
    """One recording of an emotional corpus.

    Attributes:
        path: The file.
        corpus: "crema_d", "emodb", "ravdess" or "savee".
        actor: Unique within the corpus.
        sentence: Which sentence is spoken.
        emotion: One of EMOTIONS.
        intensity: 0 to 1; 0.67 where the corpus does not say.
        is_speech: False where the actor sings (RAVDESS).
    """

    path: Path
    corpus: str
    actor: str
    sentence: str
    emotion: str
    intensity: float
    is_speech: bool = True


def read_crema_d(path: Path) -> EmotionalClip | None:
    """Return what `1001_DFA_ANG_XX.wav` says, or None for another name."""
    match = _CREMA.fullmatch(path.stem)
    if match is None or match["emotion"] not in _CREMA_EMOTIONS:
        return None
    emotion = _CREMA_EMOTIONS[match["emotion"]]
    return EmotionalClip(
        path, "crema_d", match["actor"], match["sentence"], emotion, _CREMA_LEVELS.get(match["level"], 0.67)
    )


def read_emodb(path: Path) -> EmotionalClip | None:
    """Return what `03a01Fa.wav` says, or None for another name."""
    match = _EMODB.fullmatch(path.stem)
    if match is None:
        return None
    return EmotionalClip(path, "emodb", match["actor"], match["sentence"], _EMODB_EMOTIONS[match["emotion"]], 0.67)


def read_ravdess(path: Path) -> EmotionalClip | None:
    """Return what `02-01-06-01-02-01-12.mp4` says, or None for another name.

    The numbers: modality (01 with sound and picture, 02 picture only, 03 sound only), channel (01 speech, 02 song),
    emotion, intensity (01 normal, 02 strong), sentence, repetition, actor.
    """
    match = _RAVDESS.fullmatch(path.stem)
    if match is None:
        return None
    modality, channel, emotion, intensity, sentence, _, actor = (int(part) for part in match.groups())
    if modality == 2 or not 1 <= emotion <= len(_RAVDESS_EMOTIONS):
        return None  # a picture without its sound teaches nothing here
    strength = 1.0 if intensity == 2 else 0.67
    return EmotionalClip(
        path, "ravdess", f"{actor:02d}", str(sentence), _RAVDESS_EMOTIONS[emotion - 1], strength, channel == 1
    )


def read_savee(path: Path) -> EmotionalClip | None:
    """Return what `DC/sa01.wav` or `DC_sa01.wav` says, or None for another name."""
    actor, _, stem = path.stem.rpartition("_")
    match = _SAVEE.fullmatch(stem)
    actor = actor or path.parent.name
    if match is None or actor not in ("DC", "JE", "JK", "KL"):
        return None
    return EmotionalClip(path, "savee", actor, match["number"], _SAVEE_EMOTIONS[match["emotion"]], 0.67)


READERS: Mapping[str, Callable[[Path], EmotionalClip | None]] = {
    "crema_d": read_crema_d,
    "emodb": read_emodb,
    "ravdess": read_ravdess,
    "savee": read_savee,
}


def read_emotions(folder: Path, corpus: str) -> tuple[EmotionalClip, ...]:
    """Return every recording of a corpus, however deep it lies, sorted by path.

    Args:
        folder: The corpus as it was unpacked.
        corpus: "crema_d", "emodb", "ravdess" or "savee".

    Raises:
        InputError: An unknown corpus, or no file in the folder is named as its files are.
    """
    if corpus not in READERS:
        raise InputError(f"corpus {corpus!r}", "unknown", f"Use one of {', '.join(READERS)}")
    paths: Iterable[Path] = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    clips = tuple(clip for path in paths if (clip := READERS[corpus](path)) is not None)
    if not clips:
        raise InputError(
            f"corpus {corpus!r} in {folder}", "no file is named as its files are", "Give the folder as it was unpacked"
        )
    return clips
