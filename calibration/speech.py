"""The speech that scales are chosen on: a folder, or the synthetic sentences that come with this package.

In: sound files of any rate. Out: recordings at the network's rate, each also once at another level, since a microphone
may be near or far. A file that cannot be used is an error that names it: a set that silently became smaller would
make scales that nobody chose.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.errors import InputError
from edge.frames import Float32Array

SUFFIXES = (".wav", ".flac", ".ogg", ".aiff", ".aif")
UNREAD_SUFFIXES = (".mp3", ".m4a", ".aac", ".opus", ".wma", ".amr", ".mp4", ".webm", ".mkv", ".avi", ".mov")
SHIPPED_SET = Path(__file__).parent / "speech_set"
MIN_PEAK = 1e-3  # -60 dBFS: quieter than this is a muted microphone
MIN_SECONDS = 0.5
LEVELS_DB = (0.0, -18.0)  # as recorded, and about eight times as far from the microphone


@dataclass(frozen=True)
class Recording:
    """One stretch of speech.

    Attributes:
        file: Name of the file within its folder.
        level_db: How it was changed.
        samples: float32 [n] at the network's rate.
    """

    file: str
    level_db: float
    samples: Float32Array


@dataclass(frozen=True)
class SpeechSet:
    """The chosen speech.

    Attributes:
        recordings: In the order of their names.
        rate_hz: Their rate.
        sha256: Of the files' names and contents, in order.
    """

    recordings: tuple[Recording, ...]
    rate_hz: int
    sha256: str

    @property
    def files(self) -> list[str]:
        """Return the names of the files, each once."""
        return list(dict.fromkeys(r.file for r in self.recordings))

    @property
    def seconds(self) -> float:
        """Return how much speech it is."""
        return sum(len(r.samples) for r in self.recordings) / self.rate_hz


def find_files(folder: Path) -> list[Path]:
    """Return the sound files of a folder and its subfolders, by name.

    Raises:
        InputError: There is no such folder, it has none, or one that would be left out; that is named.
    """
    asked = f"calibration speech in {folder}"
    if not folder.is_dir():
        raise InputError(asked, "there is no such folder", "Give a folder with WAV or FLAC files of speech")
    files = sorted(_walk(folder, asked))
    unread = [path for path in files if path.suffix.lower() in UNREAD_SUFFIXES]
    if unread:
        found = f"{unread[0].relative_to(folder)} is sound of a kind that is not read, and would be left out"
        raise InputError(asked, found, "Convert it to WAV or FLAC (`ffmpeg -i IN OUT.wav`), or take it out")
    files = [path for path in files if path.suffix.lower() in SUFFIXES]
    if not files:
        found = f"no file ends in {', '.join(SUFFIXES)}"
        raise InputError(asked, found, "Record some: python -m calibration record --out FOLDER")
    return files


def _walk(folder: Path, asked: str) -> list[Path]:
    """Return the files below a folder, links to nothing among them: they fail where they are read."""

    def refuse(err: OSError) -> None:
        raise InputError(asked, f"{err.filename} cannot be listed: {err.strerror}", "Correct its permissions") from err

    found, seen = [], set()
    for root, below, names in os.walk(folder, onerror=refuse, followlinks=True):
        if os.path.realpath(root) in seen:  # a link to a folder above it, or to one that was read already
            below.clear()
            continue
        seen.add(os.path.realpath(root))
        found += [Path(root) / name for name in names]
    return found


def load_speech(folder: Path, rate_hz: int, n_files: int = 0, levels_db: Sequence[float] = LEVELS_DB) -> SpeechSet:
    """Read the sound files of a folder.

    Args:
        folder: Where they lie.
        rate_hz: Rate of the network.
        n_files: How many of them, evenly spread over their names; 0 for all.
        levels_db: Every file is taken once at each of these levels relative to its own.

    Raises:
        InputError: The folder has no sound, or a file is damaged, too short or silent; the file is named.
    """
    digest = hashlib.sha256()
    recordings = []
    paths = find_files(folder)
    if 0 < n_files < len(paths):
        paths = [paths[i] for i in np.linspace(0, len(paths) - 1, n_files).round().astype(int)]
    for path in paths:
        samples = read_samples(path, rate_hz)
        name = str(path.relative_to(folder))
        digest.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
        for level_db in levels_db:
            recordings.append(Recording(name, level_db, samples * np.float32(10 ** (level_db / 20))))
    return SpeechSet(tuple(recordings), rate_hz, digest.hexdigest())


def read_samples(path: Path, rate_hz: int) -> Float32Array:
    """Return a whole file at the network's rate, heard through edge's own source and resampler.

    Raises:
        InputError: It is damaged, too short or silent.
    """
    from edge.features.resampler import Resampler
    from edge.machine.clock import SystemClock
    from edge.sources.sound_file import SoundFileSource

    source = SoundFileSource(path, clock=SystemClock(), pace="fast")
    source.open()
    try:
        resampler = Resampler(source.rate_hz, rate_hz)
        parts, is_last = [], False
        while not is_last:
            chunk = source.read(1.0)
            if chunk is not None:
                parts.append(resampler.process(chunk.samples, chunk.start_index)[0].copy())
                is_last = chunk.is_last
        parts.append(resampler.finish()[0].copy())
    finally:
        source.close()
    samples = np.concatenate(parts)
    peak = float(np.abs(samples).max(initial=0.0))
    if not np.isfinite(peak):
        raise InputError(f"calibration speech {path}", "it holds numbers that are not finite", "Convert it to 16 bits")
    if len(samples) < MIN_SECONDS * rate_hz:
        found = f"it has only {len(samples) / rate_hz:.2f} s"
        raise InputError(f"calibration speech {path}", found, f"Take it out, or record {MIN_SECONDS} s or more")
    if peak < MIN_PEAK:
        raise InputError(
            f"calibration speech {path}",
            f"it is silent (peak {20 * np.log10(max(peak, 1e-10)):.0f} dBFS)",
            "Take it out, or unmute the microphone (`alsamixer`) and record again",
        )
    return samples
