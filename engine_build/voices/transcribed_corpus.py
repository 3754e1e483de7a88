"""Label recordings of which only the words are known: real voices for training, without any video.

In: a folder of recordings, what is said in each, and a folder that `voices` made (its phone-to-shape model). Out:
`<out>/audio/<clip>.flac`, `labels.npz` in the format of the real labels (`source` = generated), `sentences.jsonl` and
`left_out.json` (clip -> why). Clips whose sound does not fit their words are left out: a wrong label is worse than
none. A stopped run goes on with the next clip.

example: python -m engine_build transcribed speech/ --words speech.json --taught voices --out voices/my_speech
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from edge.errors import InputError
from engine_build.voices.alignment import SILENCE, Alignment, AlignmentError, PhoneAligner
from engine_build.voices.changed_corpus import list_recordings, write_flac
from engine_build.voices.labelling import GEOMETRY, load_teacher, measure_posture, write_labels
from engine_build.voices.make_voices import report_progress, split_teacher
from engine_build.voices.recording_phones import read_phones, read_words
from engine_build.voices.shape_file import load_shape_model
from engine_build.voices.spoken_corpus import (
    CORPUS_RATE_HZ,
    JOURNAL,
    MAX_SHORT_SHARE,
    SHORTEST_S,
    SpokenClip,
    read_clips,
    to_corpus_rate,
    write_journal,
)
from engine_build.voices.synthesisers import read_wave

MIN_SCORE = -27.0  # of 30 clips of GRID one lies below it with its own words, one above it with another clip's
MAX_PHONE_S = 0.9  # a phone this long is a pause or laughter that the aligner had to put somewhere
LEFT_OUT = "left_out.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("recordings", type=Path, help="folder of WAV or FLAC recordings, a sentence or two each")
    parser.add_argument("--words", type=Path, required=True, help="JSON: clip -> text")
    parser.add_argument("--taught", type=Path, required=True, help="folder that `voices` made with its step `spoken`")
    parser.add_argument("--out", type=Path, required=True, help="folder for the corpus")
    parser.add_argument("--speakers", type=Path, help="JSON: clip -> name of the speaker (default: one speaker)")
    parser.add_argument(
        "--pronunciations", type=Path, help="JSON: word -> ARPAbet phones, where the dictionary has none"
    )
    parser.add_argument("--min-score", type=float, default=MIN_SCORE, help=f"worst fit that is kept ({MIN_SCORE:g})")


def run(args: argparse.Namespace) -> int:
    """Make the corpus.

    Returns:
        0.

    Raises:
        InputError: an input is missing or not of its form, or no recording fits its words.
    """
    if not args.recordings.is_dir():
        raise InputError(f"recordings {args.recordings}", "no such folder", "Name the folder of the sound")
    parts = {name: args.taught / name for name in ("phone_shape.pt", "phones.json", "recordings/labels.npz")}
    for name, path in parts.items():
        if not path.exists():
            raise InputError(f"--taught {args.taught}", f"no {name} there", "Run `voices` with its step `spoken` first")
    aligner = PhoneAligner()
    if args.pronunciations is not None:
        aligner.add_words(_read_names(args.pronunciations))
    clips, left_out = gather_clips(
        args.recordings,
        read_words(args.words),
        args.out,
        aligner,
        speakers=_read_names(args.speakers) if args.speakers is not None else {},
        min_score=args.min_score,
        progress=report_progress("aligning"),
    )
    aligner.close()
    (args.out / LEFT_OUT).write_text(json.dumps(left_out, indent=1), encoding="utf-8")
    if not clips:
        raise InputError(f"recordings {args.recordings}", "none fits its words", f"Read {args.out / LEFT_OUT}")
    teacher = load_teacher(parts["recordings/labels.npz"], read_phones(parts["phones.json"]))
    training, _ = split_teacher(teacher)
    model, names = load_shape_model(parts["phone_shape.pt"])
    if names != teacher.names:
        raise InputError(f"--taught {args.taught}", "model and labels know other tracks", "Run `voices` there again")
    with np.load(parts["recordings/labels.npz"]) as archive:
        channels = [str(name) for name in archive["channels"]]
    posture = measure_posture(training, len(names) - len(GEOMETRY))
    write_labels(args.out, clips, model, posture, names, teacher.confidence, channels)
    minutes = sum(clip.duration_s for clip in clips) / 60
    print(f"{args.out}: {len(clips)} clips, {minutes:.1f} min, {len({clip.voice for clip in clips})} speakers")
    if left_out:
        print(f"{len(left_out)} recordings left out: see {args.out / LEFT_OUT}")
    return 0


def gather_clips(
    recordings: Path,
    words: Mapping[str, str],
    folder: Path,
    aligner: PhoneAligner,
    *,
    speakers: Mapping[str, str],
    min_score: float = MIN_SCORE,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[SpokenClip], dict[str, str]]:
    """Align recordings and keep those whose sound fits their words.

    Args:
        recordings: folder of WAV or FLAC files.
        words: clip -> words.
        folder: the corpus; clips that it has stay.
        aligner: finds the phones.
        speakers: clip -> speaker; those not named are the speaker `recordings`' name.
        min_score: the worst `Alignment.score` that is kept.
        progress: called with (done, all) after each recording.

    Returns:
        The clips of the corpus, and clip -> why it was left out.

    Raises:
        InputError: no recording is named in the words.
    """
    files = [file for file in list_recordings(recordings) if file.stem in words]
    if not files:
        raise InputError(f"recordings {recordings}", "none of them is named in the words", "Name clips as files")
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    known = {clip.clip: clip for clip in read_clips(folder)}
    write_journal(folder, list(known.values()))
    left_out: dict[str, str] = {}
    with (folder / JOURNAL).open("a", encoding="utf-8") as journal:
        for n_done, file in enumerate(files, start=1):
            if file.stem not in known:
                wave, rate_hz = read_wave(file)
                try:
                    found = aligner.align(wave, rate_hz, words[file.stem])
                    reason = doubt(found, min_score)
                except AlignmentError as err:
                    reason = str(err)
                if reason is not None:
                    left_out[file.stem] = reason
                else:
                    write_flac(folder / "audio" / f"{file.stem}.flac", to_corpus_rate(wave, rate_hz), CORPUS_RATE_HZ)
                    speaker = speakers.get(file.stem, recordings.name)
                    duration_s = len(wave) / rate_hz
                    clip = SpokenClip(file.stem, speaker, words[file.stem], found.phones, duration_s, None)
                    known[file.stem] = clip
                    journal.write(clip.to_line() + "\n")
                    journal.flush()
            if progress is not None:
                progress(n_done, len(files))
    return list(known.values()), left_out


def doubt(found: Alignment, min_score: float = MIN_SCORE) -> str | None:
    """Say why an alignment should not be believed.

    Args:
        found: the alignment.
        min_score: the worst score that is believed.

    Returns:
        The reason, or None.
    """
    lengths_s = np.array([span.end_s - span.start_s for span in found.phones if span.name != SILENCE])
    if found.score < min_score:
        return f"the sound fits the words with {found.score:.1f}, less than {min_score:g}"
    share = float(np.mean(lengths_s < SHORTEST_S))
    if share > MAX_SHORT_SHARE:
        return f"{share:.0%} of the phones have the least length: words are missing in the sound"
    if lengths_s.max() > MAX_PHONE_S:
        return f"a phone of {lengths_s.max():.1f} s: there is sound that is not in the words"
    return None


def _read_names(path: Path) -> dict[str, str]:
    """Read a JSON object of texts."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise InputError(f"names {path}", str(err), 'Write {"name": "text", ...}') from err
    if not isinstance(document, dict) or not all(isinstance(value, str) for value in document.values()):
        raise InputError(f"names {path}", "not an object of texts", 'Write {"name": "text", ...}')
    return document
