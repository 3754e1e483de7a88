"""Find the phone times of a folder of recordings whose words are known, and keep them in a file.

In: recordings and `words.json` (clip -> text, or clip -> [[start_s, end_s, word], ...]). Out: `phones.json`
(clip -> [[phone, start_s, end_s], ...]). A stopped run resumes; clips that do not fit their words are named, not kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from edge.errors import InputError
from edge.machine.whole_file import write_whole
from engine_build.voices.alignment import AlignmentError, PhoneAligner, Span
from engine_build.voices.changed_corpus import list_recordings
from engine_build.voices.synthesisers import read_wave

NOT_WORDS = ("sil", "sp")
SAVE_EVERY = 100


def read_words(path: Path) -> dict[str, str]:
    """Read what is said in each clip.

    Args:
        path: JSON, clip -> text, or clip -> list of [start_s, end_s, word] as the GRID corpus has it.

    Returns:
        clip -> words, lower case.

    Raises:
        InputError: the file is not of either form.
    """
    asked = f"words {path}"
    remedy = 'Write {"clip": "the words that are said", ...}'
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise InputError(asked, str(err), remedy) from err
    if not isinstance(document, dict):
        raise InputError(asked, f"a {type(document).__name__}, not an object", remedy)
    return {str(clip): _text(asked, clip, said, remedy) for clip, said in document.items()}


def _text(asked: str, clip: str, said: Any, remedy: str) -> str:
    if isinstance(said, str):
        return said.lower()
    try:
        return " ".join(str(word).lower() for _, _, word in said if word not in NOT_WORDS)
    except (TypeError, ValueError) as err:
        raise InputError(asked, f"clip {clip!r} is neither text nor [start, end, word] entries", remedy) from err


def read_phones(path: Path) -> dict[str, tuple[Span, ...]]:
    """Read phone times, clip -> spans; none if there is no file."""
    if not path.exists():
        return {}
    document = json.loads(path.read_text(encoding="utf-8"))
    return {clip: tuple(Span(*span) for span in spans) for clip, spans in document.items()}


def write_phones(path: Path, phones: Mapping[str, tuple[Span, ...]]) -> None:
    """Write phone times."""
    document = {
        clip: [[span.name, round(span.start_s, 3), round(span.end_s, 3)] for span in spans]
        for clip, spans in phones.items()
    }
    write_whole(path, json.dumps(document))


def align_recordings(
    recordings: Path,
    words: Mapping[str, str],
    path: Path,
    progress: Callable[[int, int], None] | None = None,
    n_jobs: int = 1,
) -> tuple[dict[str, tuple[Span, ...]], list[str]]:
    """Align all recordings whose words are known.

    Args:
        recordings: folder of WAV or FLAC files.
        words: clip -> words.
        path: where phone times are kept.
        progress: called with (done, all) after each recording.
        n_jobs: processes.

    Returns:
        clip -> spans, and the clips that did not fit their words.

    Raises:
        InputError: no recording has words.
    """
    files = [file for file in list_recordings(recordings) if file.stem in words]
    if not files:
        raise InputError(f"recordings {recordings}", "none of them is named in the words", "Name clips as files")
    import joblib

    phones = read_phones(path)
    misfits: list[str] = []
    wanted = [file for file in files if file.stem not in phones]
    found = joblib.Parallel(n_jobs=n_jobs, return_as="generator")(
        joblib.delayed(_align_one)(file, words[file.stem]) for file in wanted
    )
    for n_done, (file, spans) in enumerate(zip(wanted, found, strict=True), start=1):
        if spans is None:
            misfits.append(file.stem)
        else:
            phones[file.stem] = spans
        if n_done % SAVE_EVERY == 0 or n_done == len(wanted):
            write_phones(path, phones)
        if progress is not None:
            progress(n_done, len(wanted))
    return phones, misfits


def _align_one(file: Path, text: str) -> tuple[Span, ...] | None:
    """Return the phones of one recording; None where the sound does not fit the words."""
    try:
        return process_aligner().align(*read_wave(file), text).phones
    except AlignmentError:
        return None


@cache
def process_aligner() -> PhoneAligner:
    """Return this process's aligner: its acoustic model takes a second to load."""
    return PhoneAligner()
