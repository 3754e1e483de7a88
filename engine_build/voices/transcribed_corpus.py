"""Label recordings of which only the words are known: real voices for training, without any video.

In: a folder of recordings, or of folders of speakers (see `speech_folders`), what is said in each, and a folder that
`voices` made (its phone-to-shape model). Words outside the dictionary are spoken by espeak-ng's rules. Out:
`<out>/audio/<clip>.flac`, `labels.npz` in the format of the real labels (`source` = generated), `sentences.jsonl` and
`left_out.json` (clip -> why). Clips whose sound does not fit their words are left out: a wrong label is worse than
none. A stopped run goes on with the next clip.

example: python -m engine_build transcribed speech/librispeech --taught voices --out voices/librispeech --jobs 2
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from edge.errors import InputError
from edge.machine.whole_file import write_whole
from engine_build.cluster import add_jobs_arguments, on_cluster
from engine_build.voices.alignment import SILENCE, Alignment, AlignmentError, PhoneAligner
from engine_build.voices.changed_corpus import write_flac
from engine_build.voices.labelling import GEOMETRY, load_teacher, measure_posture, write_labels
from engine_build.voices.letter_sound import pronunciations
from engine_build.voices.make_voices import report_progress, split_teacher
from engine_build.voices.recording_phones import process_aligner, read_phones
from engine_build.voices.shape_file import load_shape_model
from engine_build.voices.speech_folders import SpokenRecording, list_speech
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
    parser.add_argument(
        "recordings", type=Path, help="folder of recordings, a sentence or two each, or of folders of them"
    )
    parser.add_argument("--words", type=Path, help="JSON: clip -> text (default: every words.json in the folder)")
    parser.add_argument("--taught", type=Path, required=True, help="folder that `voices` made with its step `spoken`")
    parser.add_argument("--out", type=Path, required=True, help="folder for the corpus")
    parser.add_argument("--speakers", type=Path, help="JSON: clip -> name of the speaker (default: one speaker)")
    parser.add_argument(
        "--pronunciations", type=Path, help="JSON: word -> ARPAbet phones, where the dictionary has none"
    )
    add_jobs_arguments(parser, "align")
    parser.add_argument("--min-score", type=float, default=MIN_SCORE, help=f"worst fit that is kept ({MIN_SCORE:g})")


def run(args: argparse.Namespace) -> int:
    """Make the corpus.

    Returns:
        0.

    Raises:
        InputError: an input is missing or not of its form, or no recording fits its words.
    """
    with on_cluster(args):
        return _run(args)


def _run(args: argparse.Namespace) -> int:
    if not args.recordings.is_dir():
        raise InputError(f"recordings {args.recordings}", "no such folder", "Name the folder of the sound")
    parts = {name: args.taught / name for name in ("phone_shape.pt", "phones.json", "recordings/labels.npz")}
    for name, path in parts.items():
        if not path.exists():
            raise InputError(f"--taught {args.taught}", f"no {name} there", "Run `voices` with its step `spoken` first")
    who = _read_names(args.speakers) if args.speakers is not None else {}
    speech = list_speech(args.recordings, args.words, who)
    given = _read_names(args.pronunciations) if args.pronunciations is not None else {}
    clips, left_out = gather_clips(
        speech, args.out, given, min_score=args.min_score, n_jobs=args.jobs, progress=report_progress("aligning")
    )
    write_whole(args.out / LEFT_OUT, json.dumps(left_out, indent=1))
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
    speech: Sequence[SpokenRecording],
    folder: Path,
    given: Mapping[str, str],
    *,
    min_score: float = MIN_SCORE,
    n_jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[SpokenClip], dict[str, str]]:
    """Align recordings and keep those whose sound fits their words.

    Args:
        speech: the recordings.
        folder: the corpus; clips that it has stay.
        given: word -> ARPAbet phones; for words that neither these nor the dictionary have, espeak-ng's.
        min_score: the worst `Alignment.score` that is kept.
        n_jobs: processes.
        progress: called with (done, all) after each recording.

    Returns:
        The clips of the corpus, and clip -> why it was left out.
    """
    import joblib

    (folder / "audio").mkdir(parents=True, exist_ok=True)
    known = {clip.clip: clip for clip in read_clips(folder)}
    write_journal(folder, list(known.values()))
    left_out: dict[str, str] = {}
    wanted = [one for one in speech if one.clip not in known]
    words = _spoken_words(wanted, given)
    work = joblib.Parallel(n_jobs=n_jobs, return_as="generator")
    results = work(joblib.delayed(_gather_one)(one, folder / "audio", words, min_score) for one in wanted)
    with (folder / JOURNAL).open("a", encoding="utf-8") as journal:
        for n_done, (one, result) in enumerate(zip(wanted, results, strict=True), start=1):
            if isinstance(result, str):
                left_out[one.clip] = result
            else:
                known[one.clip] = result
                journal.write(result.to_line() + "\n")
                journal.flush()
            if progress is not None:
                progress(n_done, len(wanted))
    return list(known.values()), left_out


def _spoken_words(speech: Sequence[SpokenRecording], given: Mapping[str, str]) -> dict[str, str]:
    """Return pronunciations of all words that the dictionary lacks: those given, else by letter-to-sound rules."""
    aligner = PhoneAligner()
    aligner.add_words(given)
    unknown = {word for one in speech for word in aligner.unknown_words(one.text)}
    aligner.close()
    return {**pronunciations(sorted(unknown)), **given}


def _gather_one(one: SpokenRecording, audio: Path, words: Mapping[str, str], min_score: float) -> SpokenClip | str:
    """Align one recording and write its sound; return its clip, or why it is left out."""
    aligner = process_aligner()
    try:
        aligner.add_words({word: words[word] for word in one.text.split() if word in words})
        wave, rate_hz = read_wave(one.path)
        found = aligner.align(wave, rate_hz, one.text)
    except AlignmentError as err:
        return str(err)
    except (OSError, RuntimeError) as err:
        return f"the recording cannot be read ({err})"
    reason = doubt(found, min_score)
    if reason is not None:
        return reason
    write_flac(audio / f"{one.clip}.flac", to_corpus_rate(wave, rate_hz), CORPUS_RATE_HZ)
    return SpokenClip(one.clip, one.speaker, one.text, found.phones, len(wave) / rate_hz, None)


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
