"""Read a corpus of acted speech for the fit: who speaks, and how raised the voice is asked to be.

The corpora's names for what is acted end here: from here on there are levels of effort, and whether a raised voice is
asked to be harsh. A corpus that cannot be used is named, with what it lacks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.errors import InputError
from engine_build.data.emotion import READERS, EmotionalClip

AUDIO_SUFFIXES = (".wav", ".flac")
SUBDUED, NEUTRAL, RAISED = -1, 0, 1
# Disgust is acted with a raised voice by some and with a low one by others: it says nothing of effort.
LEVELS = {
    "sad": SUBDUED, "bored": SUBDUED, "calm": SUBDUED, "neutral": NEUTRAL,
    "angry": RAISED, "fearful": RAISED, "happy": RAISED, "surprised": RAISED,
}  # fmt: skip
HARSH, SMOOTH = "angry", ("happy", "fearful", "surprised")
SOURCES = {
    "crema_d": "CREMA-D (Cao et al. 2014), ODbL 1.0",
    "emodb": "EMO-DB (Burkhardt et al. 2005), CC0 1.0",
    "ravdess": "RAVDESS (Livingstone and Russo 2018), CC BY-NC-SA 4.0",
    "savee": "SAVEE (Haq and Jackson 2009), for research",
}
N_NAMED = 3  # unreadable names in an error


@dataclass(frozen=True)
class ActedClip:
    """One recording.

    Attributes:
        path: The file.
        speaker: Whose voice.
        block: Clips that are acted alike.
        level: SUBDUED, NEUTRAL or RAISED; None where what is acted says nothing of it.
        intensity: 0 to 1, as far as the corpus tells; strong before weak within one block.
        harsh: Whether a raised voice is to be tense; None where that is not asked.
    """

    path: Path
    speaker: str
    block: str
    level: int | None
    intensity: float
    harsh: bool | None


def read_corpus(folder: Path) -> tuple[str, tuple[ActedClip, ...]]:
    """Return the corpus' name and its clips, sorted by path.

    Args:
        folder: As it was unpacked; the names of its files say which corpus it is.

    Raises:
        InputError: There is no such folder, no recording in it, a name that the corpus does not have, no neutral speech
            of somebody, one speaker alone, or nobody with a raised voice.
    """
    if not folder.is_dir():
        raise InputError(f"corpus {folder}", "there is no such folder", "Give the folder of the corpus")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES)
    if not paths:
        raise InputError(
            f"corpus {folder}", "it holds no WAV or FLAC file", "Give the folder of EMO-DB, CREMA-D, RAVDESS or SAVEE"
        )
    name, read = _best_reader(paths)
    _refuse_names(folder, name, paths, read)
    clips = tuple(_acted(clip) for clip in read if clip is not None and clip.is_speech)
    _refuse_lacks(folder, clips)
    return name, clips


def _best_reader(paths: Sequence[Path]) -> tuple[str, list[EmotionalClip | None]]:
    by_corpus = {name: [reader(path) for path in paths] for name, reader in READERS.items()}
    name = max(by_corpus, key=lambda name: sum(clip is not None for clip in by_corpus[name]))
    return name, by_corpus[name]


def _refuse_names(folder: Path, name: str, paths: Sequence[Path], read: Sequence[EmotionalClip | None]) -> None:
    bad = [str(path.relative_to(folder)) for path, clip in zip(paths, read, strict=True) if clip is None]
    if not bad:
        return
    more = f" and {len(bad) - N_NAMED} more" if len(bad) > N_NAMED else ""
    known = ", ".join(sorted(SOURCES))
    whose = f"names as {name} has them" if len(bad) < len(paths) else f"names of a known corpus ({known})"
    raise InputError(
        f"corpus {folder}", f"{', '.join(bad[:N_NAMED])}{more} of {len(paths)} are no {whose}",
        "Give the folder as it was unpacked, without other recordings",
    )  # fmt: skip


def _refuse_lacks(folder: Path, clips: Sequence[ActedClip]) -> None:
    speakers = sorted({clip.speaker for clip in clips})
    if len(speakers) < 2:
        raise InputError(
            f"corpus {folder}", f"one speaker alone ({', '.join(speakers) or 'none'})",
            "Give two at least: what holds for speakers who were not heard cannot be known from one",
        )  # fmt: skip
    for level, what in ((NEUTRAL, "neutral speech"), (RAISED, "raised voice")):
        lacking = [s for s in speakers if not any(c.speaker == s and c.level == level for c in clips)]
        if lacking:
            whose = "nobody's" if len(lacking) == len(speakers) else f"not of {', '.join(lacking)}"
            raise InputError(
                f"corpus {folder}", f"no {what}: {whose}", "Give recordings of both by every speaker, or leave them out"
            )


def _acted(clip: EmotionalClip) -> ActedClip:
    harsh = True if clip.emotion == HARSH else False if clip.emotion in SMOOTH else None
    return ActedClip(clip.path, clip.actor, clip.emotion, LEVELS.get(clip.emotion), clip.intensity, harsh)
