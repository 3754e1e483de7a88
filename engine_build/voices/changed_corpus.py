"""Make voice-changed copies of a folder of recordings, a folder for each kind of voice.

In: a folder of WAV or FLAC recordings. Out: `<folder>/<kind>/<clip>.flac` (16 bit, the recording's rate) and
`parameters.json` with what was done to each. Times do not change, so the recordings' labels serve the copies too.
A stopped run resumes: what is there is not made again, and a kind's folder gets its name when it is complete.
"""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.machine.whole_file import write_whole
from engine_build.voices.voice_change import (
    KINDS_FROM_MALE,
    VoiceKind,
    analyse,
    describe,
    draw_voice_change,
    resynthesise,
)

AUDIO_SUFFIXES = (".flac", ".wav")
PARTIAL_SUFFIX = ".partial"


@dataclass(frozen=True)
class ChangeTask:
    """One recording and the kinds of voice to make of it."""

    recording: Path
    folder: Path
    kinds: tuple[VoiceKind, ...]
    seed: int


def list_recordings(folder: Path) -> list[Path]:
    """Return the recordings of a folder, sorted by name."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in AUDIO_SUFFIXES)


def write_flac(path: Path, wave: NDArray[np.float32], rate_hz: int) -> None:
    """Write 16-bit FLAC so that a reader sees either no file or the whole file.

    Raises:
        InputError: It cannot be written.
    """
    import soundfile

    content = io.BytesIO()  # libsndfile does not pass on why it could not write to a file
    soundfile.write(content, wave, rate_hz, format="FLAC", subtype="PCM_16")
    write_whole(path, content.getvalue())


def change_recording(task: ChangeTask) -> dict[str, dict[str, Any]]:
    """Make all copies of one recording.

    Args:
        task: the recording and the wanted kinds.

    Returns:
        kind name -> parameters of the change.
    """
    import soundfile

    clip = task.recording.stem
    parameters: dict[str, dict[str, Any]] = {}
    parts = None
    for kind in task.kinds:
        rng = np.random.default_rng([task.seed, zlib.crc32(clip.encode()), zlib.crc32(kind.name.encode())])
        change = draw_voice_change(kind, rng)
        parameters[kind.name] = describe(change)
        target = task.folder / (kind.name + PARTIAL_SUFFIX) / f"{clip}.flac"
        if target.exists():
            continue
        if parts is None:
            wave, rate_hz = soundfile.read(task.recording, dtype="float32", always_2d=True)
            parts = analyse(wave.mean(axis=1), int(rate_hz))
        write_flac(target, resynthesise(parts, change), parts.rate_hz)
    return parameters


def make_changed_corpus(
    recordings: Path | Sequence[Path],
    folder: Path,
    kinds: Iterable[VoiceKind] = KINDS_FROM_MALE,
    *,
    seed: int = 0,
    n_jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Make the voice-changed copies of every recording in a folder.

    Args:
        recordings: folder of WAV or FLAC files, or the files.
        folder: where the kinds' folders go.
        kinds: the kinds of voice.
        seed: chance is a function of seed, clip and kind only.
        n_jobs: processes.
        progress: called with (done, all) after each recording.

    Returns:
        The number of recordings that were worked on; 0 if all was there.
    """
    wanted = tuple(kind for kind in kinds if not (folder / kind.name / "parameters.json").exists())
    if not wanted:
        return 0
    for kind in wanted:
        (folder / (kind.name + PARTIAL_SUFFIX)).mkdir(parents=True, exist_ok=True)
    files = list_recordings(recordings) if isinstance(recordings, Path) else recordings
    tasks = [ChangeTask(path, folder, wanted, seed) for path in files]
    made: dict[str, dict[str, Any]] = {kind.name: {} for kind in wanted}
    for n_done, (task, parameters) in enumerate(zip(tasks, _spread(tasks, n_jobs), strict=True), start=1):
        for name, values in parameters.items():
            made[name][task.recording.stem] = values
        if progress is not None:
            progress(n_done, len(tasks))
    for kind in wanted:
        partial = folder / (kind.name + PARTIAL_SUFFIX)
        document = {"kind": kind.name, "seed": seed, "method": "WORLD analysis and synthesis", "clips": made[kind.name]}
        (partial / "parameters.json").write_text(json.dumps(document, indent=1), encoding="utf-8")
        partial.rename(folder / kind.name)
    return len(tasks)


def _spread(tasks: list[ChangeTask], n_jobs: int) -> Iterable[dict[str, dict[str, Any]]]:
    import joblib

    done: Iterable[dict[str, dict[str, Any]]] = joblib.Parallel(n_jobs=n_jobs, return_as="generator")(
        joblib.delayed(change_recording)(task) for task in tasks
    )
    return done
