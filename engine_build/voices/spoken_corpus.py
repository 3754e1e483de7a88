"""Let synthetic speakers say many sentences, and write down when they say which phone.

In: a synthesiser and a number of clips. Out: `<folder>/audio/<clip>.flac` (44.1 kHz mono) and
`<folder>/sentences.jsonl`, one line a clip: voice, words, phones with times, what was changed. A stopped run resumes
with the next clip.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.machine.whole_file import write_whole
from engine_build.voices.alignment import SILENCE, AlignmentError, PhoneAligner, Span
from engine_build.voices.changed_corpus import write_flac
from engine_build.voices.sentences import compose
from engine_build.voices.synthesisers import Synthesiser, Voice
from engine_build.voices.voice_change import (
    KINDS_FROM_MALE,
    VoiceKind,
    analyse,
    describe,
    draw_voice_change,
    resynthesise,
)

JOURNAL = "sentences.jsonl"
CORPUS_RATE_HZ = 44100
LEVEL_DBFS = -23.0
PACE_RANGE = (0.8, 1.35)
SHARE_CHANGED = 0.6
SHARE_FREE = 0.3
MAX_SHORT_SHARE = 0.35  # phones of the aligner's least length; more means that it did not find the words
SHORTEST_S = 0.031

KINDS: dict[str, tuple[VoiceKind, ...]] = {
    "low": tuple(kind for kind in KINDS_FROM_MALE if kind.name != "hoarse"),
    "middle": (
        VoiceKind("deeper", (0.65, 0.95), (0.82, 1.0)),
        VoiceKind("brighter", (1.05, 1.6), (1.0, 1.22)),
        VoiceKind("any", (0.65, 1.6), (0.82, 1.25)),
    ),
    "high": (
        VoiceKind("man", (0.45, 0.65), (0.76, 0.92)),
        VoiceKind("deeper", (0.65, 0.95), (0.86, 1.02)),
        VoiceKind("brighter", (1.0, 1.4), (0.98, 1.18)),
    ),
}


@dataclass(frozen=True)
class SpokenClip:
    """One synthetic clip; phones cover it from 0 to its end."""

    clip: str
    voice: str
    text: str
    phones: tuple[Span, ...]
    duration_s: float
    change: dict[str, Any] | None

    def to_line(self) -> str:
        """Return the clip as one line of JSON."""
        phones = [[span.name, round(span.start_s, 3), round(span.end_s, 3)] for span in self.phones]
        return json.dumps({**self.__dict__, "phones": phones}, ensure_ascii=False)

    @staticmethod
    def from_line(line: str) -> SpokenClip:
        """Read a clip from its line."""
        values = json.loads(line)
        values["phones"] = tuple(Span(*span) for span in values["phones"])
        return SpokenClip(**values)


def read_clips(folder: Path) -> list[SpokenClip]:
    """Return the clips that a corpus has so far."""
    path = folder / JOURNAL
    if not path.exists():
        return []
    clips = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            clips.append(SpokenClip.from_line(line))
        except (ValueError, TypeError):
            continue  # the run was killed while it wrote this line: the clip is made again
    return clips


def make_spoken_corpus(
    synthesiser: Synthesiser,
    folder: Path,
    n_clips: int,
    *,
    voices: tuple[Voice, ...] | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[SpokenClip]:
    """Make a corpus of synthetic speech with phone times.

    Args:
        synthesiser: who speaks.
        folder: the corpus' folder.
        n_clips: how many clips it shall have; clips whose words the aligner does not find are left out.
        voices: those to use; None takes all.
        seed: chance.
        progress: called with (done, all) after each clip.

    Returns:
        All clips of the corpus.

    Raises:
        RuntimeError: the synthesiser failed.
    """
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    known = {clip.clip: clip for clip in read_clips(folder)}
    write_journal(folder, list(known.values()))
    speakers = voices if voices is not None else synthesiser.voices()
    aligner = PhoneAligner()
    with (folder / JOURNAL).open("a", encoding="utf-8") as journal:
        for index in range(n_clips):
            name = f"{synthesiser.name}_{index:04d}"
            if name not in known:
                rng = np.random.default_rng([seed, index])
                made = _make_clip(synthesiser, speakers[index % len(speakers)], name, folder, aligner, rng)
                if made is not None:
                    known[name] = made
                    journal.write(made.to_line() + "\n")
                    journal.flush()
            if progress is not None:
                progress(index + 1, n_clips)
    return list(known.values())


def write_journal(folder: Path, clips: list[SpokenClip]) -> None:
    """Write the journal anew, without lines that a killed run left half written.

    Args:
        folder: the corpus.
        clips: what it shall name.
    """
    write_whole(folder / JOURNAL, "".join(clip.to_line() + "\n" for clip in clips))


def _make_clip(
    synthesiser: Synthesiser, voice: Voice, name: str, folder: Path, aligner: PhoneAligner, rng: np.random.Generator
) -> SpokenClip | None:
    """Speak, align, change and write one clip; None if the aligner does not find the words."""
    text = compose(rng, share_free=SHARE_FREE, letters=synthesiser.letters)
    spoken, rate_hz = synthesiser.speak(text, voice, float(rng.uniform(*PACE_RANGE)), rng)
    lead, trail = (int(seconds * rate_hz) for seconds in rng.uniform((0.1, 0.2), (0.8, 0.9)))
    wave = np.pad(spoken, (lead, trail)).astype(np.float32)
    try:
        phones = aligner.align(wave, rate_hz, text).phones
    except AlignmentError:
        return None
    lengths_s = [span.end_s - span.start_s for span in phones if span.name != SILENCE]
    if np.mean(np.array(lengths_s) < SHORTEST_S) > MAX_SHORT_SHARE:
        return None
    change = None
    if rng.random() < SHARE_CHANGED:
        kinds = KINDS[voice.pitch]
        change = draw_voice_change(kinds[int(rng.integers(len(kinds)))], rng)
        wave = resynthesise(analyse(wave, rate_hz), change)
    duration_s = len(wave) / rate_hz
    write_flac(folder / "audio" / f"{name}.flac", to_corpus_rate(wave, rate_hz), CORPUS_RATE_HZ)
    full_name = f"{synthesiser.name}_{voice.name}"
    return SpokenClip(name, full_name, text, phones, duration_s, describe(change) if change else None)


def to_corpus_rate(wave: NDArray[np.float32], rate_hz: int) -> NDArray[np.float32]:
    """Resample to 44.1 kHz and bring to LEVEL_DBFS, peak at most 0.99."""
    from scipy.signal import resample_poly

    divisor = int(np.gcd(rate_hz, CORPUS_RATE_HZ))
    result: NDArray[np.float32] = resample_poly(wave, CORPUS_RATE_HZ // divisor, rate_hz // divisor).astype(np.float32)
    level = float(np.sqrt(np.mean(result**2)))
    factor = 10.0 ** (LEVEL_DBFS / 20.0) / max(level, 1e-9)
    peak = float(np.abs(result).max(initial=0.0)) * factor
    result *= np.float32(factor if peak <= 0.99 else factor * 0.99 / peak)
    return result
