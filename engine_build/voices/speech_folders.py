"""List recordings with their words: a flat folder with one word file, or CORPUS/SPEAKER/UTTERANCE as corpora come.

In a tree every `words.json` (utterance -> text) holds for the recordings below its folder, and the folder that holds a
recording names the speaker. Names that clash take their corpus's before them. Opus, Ogg and MP3 are read like WAV and
FLAC.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.errors import InputError
from engine_build.voices.recording_phones import read_words
from engine_build.voices.spoken_text import grid_sentence, plain_words

SPEECH_SUFFIXES = (".flac", ".wav", ".opus", ".ogg", ".mp3")
WORDS_FILE = "words.json"


@dataclass(frozen=True)
class SpokenRecording:
    """A recording and what is said in it.

    Attributes:
        path: The file.
        clip: Its name in the corpus that is made.
        speaker: Who speaks; unique within the tree.
        text: Lower-case words.
    """

    path: Path
    clip: str
    speaker: str
    text: str


def list_speech(
    folder: Path, words: Path | None = None, speakers: Mapping[str, str] | None = None
) -> list[SpokenRecording]:
    """Return the recordings below a folder whose words are known, sorted by clip.

    Args:
        folder: Of recordings, or of folders of them.
        words: One word file for all; None: the `words.json` files in the tree, and names of GRID's kind.
        speakers: Clip -> speaker, where folders do not tell.

    Raises:
        InputError: A word file is not of its form, or no recording has words.
    """
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SPEECH_SUFFIXES)
    known: dict[Path, dict[str, str]] = {}
    if words is None:
        known = {path.parent: read_words(path) for path in folder.rglob(WORDS_FILE)}
    everywhere = read_words(words) if words is not None else {}
    stems = Counter(file.stem for file in files)
    found = []
    for file in files:
        text = everywhere.get(file.stem) or _said(file, folder, known) or grid_sentence(file.stem)
        if not text:
            continue
        inside = file.relative_to(folder).parts[:-1]
        clip = file.stem if stems[file.stem] == 1 else "_".join((*inside, file.stem))
        speaker = (speakers or {}).get(file.stem, "_".join(inside) if inside else folder.resolve().name)
        found.append(SpokenRecording(file, clip, speaker, plain_words(text)))
    if not found:
        raise InputError(
            f"recordings {folder}", "none of them is named in the words", "Name clips as files, or give --words"
        )
    return sorted(found, key=lambda one: one.clip)


def _said(file: Path, folder: Path, known: Mapping[Path, Mapping[str, str]]) -> str | None:
    """Return what the nearest word file above a recording says of it."""
    for above in file.parents:
        text = known.get(above, {}).get(file.stem)
        if text or above == folder:
            return text
    return None
