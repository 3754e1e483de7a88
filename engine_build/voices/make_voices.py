"""Make more voices for training from a folder of recordings with labels.

Under --out appear: `changed/<kind>/` (the recordings in other voices; the recordings' labels hold for them),
`augmented/` (the recordings in rooms and noise; their labels hold here too), `synth_<name>/` (synthetic speakers,
labelled through phones), `synth_validation/` (speakers that training must not hear), `nonspeech/` (sounds for which the
mouth stays shut), `recordings/labels.npz` (the real labels with phones) and `SPLIT.json`.
A stopped run goes on where it was. Whole speakers are for validation where --validation-speakers names them, else the
recordings whose sorted index is 7 modulo 10; they teach nothing. GRID's clip names say their sentence: no --words then.

example: python -m engine_build voices mydata/audio --labels mydata/labels.npz --words mydata/words.json --out voices
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from edge.errors import InputError
from edge.machine.whole_file import write_whole
from engine_build.cluster import add_jobs_arguments, on_cluster
from engine_build.voices.augmented_corpus import make_augmented_corpus
from engine_build.voices.changed_corpus import list_recordings, make_changed_corpus
from engine_build.voices.labelling import GEOMETRY, Teacher, add_phones, load_teacher, measure_posture, write_labels
from engine_build.voices.neural_synthesisers import Hibari, Kokoro, Piper
from engine_build.voices.phone_shape import LabelledSentence, PhoneShapeModel, fit_phone_shape
from engine_build.voices.recording_phones import align_recordings
from engine_build.voices.rest_corpus import make_rest_corpus
from engine_build.voices.shape_file import load_shape_model, save_shape_model
from engine_build.voices.speech_folders import list_speech
from engine_build.voices.spoken_corpus import SpokenClip, make_spoken_corpus
from engine_build.voices.synthesisers import Espeak, Festival, Flite, Synthesiser
from engine_build.voices.voice_change import KINDS_FROM_MALE

SYNTHESISERS: dict[str, Callable[[], Synthesiser]] = {
    "espeak": Espeak,
    "flite": Flite,
    "festival": Festival,
    "piper": Piper,
    "hibari": Hibari,
    "kokoro": Kokoro,
}
STEPS = ("changed", "spoken", "nonspeech", "augmented")
HELD_OUT_VOICES = ("kokoro_jf_tebukuro", "kokoro_jf_tebukuro+gb", "flite_rms")
VALIDATION_MODULUS, VALIDATION_REMAINDER = 10, 7
SHAPE_WIDTH = 96


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    kinds = [kind.name for kind in KINDS_FROM_MALE]
    parser.add_argument("recordings", type=Path, help="folder of WAV or FLAC recordings of speech")
    parser.add_argument("--labels", type=Path, required=True, help="their labels.npz, with geometry")
    parser.add_argument("--words", type=Path, help="JSON: clip -> text (default: words.json there, or GRID's names)")
    parser.add_argument("--validation-speakers", nargs="*", default=[], metavar="NAME", help="filmed, but not to learn")
    parser.add_argument(
        "--most-clips", type=int, default=0, help="of one filmed speaker that teach or are changed (default: all)"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the corpora")
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS), help="what to make (default: all)")
    parser.add_argument("--kinds", nargs="+", choices=kinds, default=kinds, help="kinds of changed voice")
    parser.add_argument("--synthesisers", nargs="+", choices=sorted(SYNTHESISERS), help="default: those installed")
    parser.add_argument("--clips", type=int, default=400, help="clips for each synthesiser (default 400)")
    parser.add_argument("--hold-out", nargs="*", default=list(HELD_OUT_VOICES), help="voices kept for validation")
    parser.add_argument("--epochs", type=int, default=36, help="passes in fitting the phone-to-shape model")
    add_jobs_arguments(parser, "align and change voices")
    parser.add_argument("--seed", type=int, default=0)


def run(args: argparse.Namespace) -> int:
    """Make the corpora.

    Returns:
        0.

    Raises:
        InputError: recordings, labels or words are missing or do not fit one another.
    """
    with on_cluster(args):
        return _run(args)


def _run(args: argparse.Namespace) -> int:
    if not args.recordings.is_dir() or not list_recordings(args.recordings):
        raise InputError(f"recordings {args.recordings}", "no WAV or FLAC file there", "Name the folder of the sound")
    if not args.labels.is_file():
        raise InputError(f"labels {args.labels}", "no such file", "Make it with `python -m engine_build label`")
    args.out.mkdir(parents=True, exist_ok=True)
    with np.load(args.labels) as archive:
        channels = [str(name) for name in archive["channels"]]
    if "nonspeech" in args.steps:
        make_rest_corpus(
            args.out / "nonspeech", args.clips, channels, seed=args.seed, progress=report_progress("nonspeech")
        )
    if "changed" in args.steps:
        kinds = [kind for kind in KINDS_FROM_MALE if kind.name in args.kinds]
        make_changed_corpus(
            _changed_recordings(args),
            args.out / "changed",
            kinds,
            seed=args.seed,
            n_jobs=args.jobs,
            progress=report_progress("changed voices"),
        )
    if "augmented" in args.steps:
        changed = [args.out / "changed" / kind for kind in args.kinds]
        make_augmented_corpus(
            [args.recordings, *(folder for folder in changed if folder.is_dir())],
            args.out / "augmented",
            seed=args.seed,
            progress=report_progress("rooms and noise"),
        )
    if "spoken" in args.steps:
        _make_spoken(args, channels)
    return 0


def _make_spoken(args: argparse.Namespace, channels: Sequence[str]) -> None:
    """Align the recordings, fit the model, let the synthesisers speak, label what they said."""
    said = {one.path.stem: one.text for one in list_speech(args.recordings, args.words)}
    phones, misfits = align_recordings(
        args.recordings, said, args.out / "phones.json", report_progress("aligning"), args.jobs
    )
    if misfits:
        print(f"{len(misfits)} recordings do not fit their words and teach nothing: {', '.join(misfits[:8])}")
    (args.out / "recordings").mkdir(exist_ok=True)
    add_phones(args.labels, phones, args.out / "recordings" / "labels.npz")
    teacher = load_teacher(args.labels, phones)
    training, validation = split_teacher(teacher, args.validation_speakers, args.most_clips)
    model, names = _fitted(args.out / "phone_shape.pt", teacher, training, args)
    _print_fit(model, names, validation)
    posture = measure_posture(training, len(names) - len(GEOMETRY))
    for folder, clips in _speak(args).items():
        write_labels(folder, clips, model, posture, names, teacher.confidence, channels)
        print(f"{folder}: {len(clips)} clips, {len({clip.voice for clip in clips})} voices")
    document = {
        "validation_voices": list(args.hold_out),
        "validation_speakers": list(args.validation_speakers),
        "validation_clips": "" if args.validation_speakers else "sorted index % 10 == 7",
    }
    write_whole(args.out / "SPLIT.json", json.dumps(document, indent=1))


def split_teacher(
    teacher: Teacher, validation_speakers: Sequence[str] = (), most_clips: int = 0
) -> tuple[list[LabelledSentence], list[LabelledSentence]]:
    """Split real labels into those that teach and those that judge.

    Args:
        teacher: The labels.
        validation_speakers: Who judges; without any, the clips whose sorted index is 7 modulo 10.
        most_clips: Of one speaker that teach, evenly spread; 0 for all.

    Raises:
        InputError: A validation speaker is not in the labels, or nobody is left to teach.
    """
    unknown = sorted(set(validation_speakers) - set(teacher.speakers))
    if unknown:
        there = ", ".join(sorted(set(teacher.speakers)))
        raise InputError(f"validation speakers {', '.join(unknown)}", f"the labels have {there}", "Name some of those")
    order = sorted(range(len(teacher.clips)), key=lambda index: teacher.clips[index])
    if validation_speakers:
        held = {index for index in order if teacher.speakers[index] in validation_speakers}
    else:
        held = {index for rank, index in enumerate(order) if rank % VALIDATION_MODULUS == VALIDATION_REMAINDER}
    speakers = teacher.speakers or ("",) * len(teacher.clips)
    taught = spread_clips([index for index in order if index not in held], speakers, most_clips)
    if not taught:
        raise InputError("clips that teach", "all speakers are for validation", "Leave some to learn from")
    return [teacher.sentences[index] for index in sorted(taught)], [teacher.sentences[index] for index in sorted(held)]


def spread_clips(indices: Sequence[int], speakers: Sequence[str], most: int) -> list[int]:
    """Return at most so many clips of each speaker, evenly spread; all where `most` is 0."""
    if most <= 0:
        return list(indices)
    kept: list[int] = []
    for name in dict.fromkeys(speakers[index] for index in indices):
        own = [index for index in indices if speakers[index] == name]
        places = np.linspace(0, len(own) - 1, min(most, len(own))).round().astype(int)
        kept += [own[place] for place in places]
    return sorted(kept)


def _changed_recordings(args: argparse.Namespace) -> list[Path]:
    """Return the recordings to change: of speakers that teach, at most `--most-clips` of each."""
    files = list_recordings(args.recordings)
    with np.load(args.labels) as archive:
        who = {}
        if "speakers" in archive.files:
            pairs = zip(archive["clips"], archive["speakers"], strict=True)
            who = {str(clip): str(name) for clip, name in pairs}
    speakers = [who.get(file.stem, "") for file in files]
    heard = [index for index, name in enumerate(speakers) if name not in args.validation_speakers]
    return [files[index] for index in spread_clips(heard, speakers, args.most_clips)]


def _fitted(
    path: Path, teacher: Teacher, training: Sequence[LabelledSentence], args: argparse.Namespace
) -> tuple[PhoneShapeModel, tuple[str, ...]]:
    """Return the fitted model, from its file if it is there and knows the same tracks."""
    if path.exists():
        model, names = load_shape_model(path)
        if names == teacher.names:
            return model, names
    report = report_progress("phone-to-shape model")
    model = fit_phone_shape(
        training,
        weights=teacher.weights,
        seed=args.seed,
        n_epochs=args.epochs,
        width=SHAPE_WIDTH,
        progress=lambda done, n, loss: report(done, n),
    )
    save_shape_model(path, model, teacher.names, SHAPE_WIDTH)
    return model, teacher.names


def _print_fit(model: PhoneShapeModel, names: Sequence[str], validation: Sequence[LabelledSentence]) -> None:
    """Print how well the model follows recordings that it was not fitted to."""
    if not validation:
        return
    told = np.concatenate([model.predict(one.phones, one.duration_s, one.fps) for one in validation])
    true = np.concatenate([one.tracks for one in validation])
    for column, name in enumerate(names):
        if name in (*GEOMETRY, "jawOpen"):
            correlation = float(np.corrcoef(told[:, column], true[:, column])[0, 1])
            print(f"phones alone predict {name} of unheard clips with r = {correlation:.3f}")


def _speak(args: argparse.Namespace) -> dict[Path, list[SpokenClip]]:
    """Let every wanted synthesiser speak; held-out voices speak in a corpus of their own."""
    corpora: dict[Path, list[SpokenClip]] = {}
    validation = args.out / "synth_validation"
    for name in args.synthesisers or sorted(SYNTHESISERS):
        synthesiser = SYNTHESISERS[name]()
        missing = synthesiser.missing()
        if missing is not None:
            if args.synthesisers:
                raise InputError(f"synthesiser {name}", "not installed", f"Install it: {missing}")
            print(f"{name} is not installed ({missing}); going on without it")
            continue
        voices = synthesiser.voices()
        held = tuple(voice for voice in voices if f"{name}_{voice.name}" in args.hold_out)
        heard = tuple(voice for voice in voices if voice not in held)
        for folder, speakers, n_clips in (
            (args.out / f"synth_{name}", heard, args.clips),
            (validation, held, args.clips // 4),
        ):
            if speakers and n_clips:
                corpora[folder] = make_spoken_corpus(
                    synthesiser, folder, n_clips, voices=speakers, seed=args.seed, progress=report_progress(folder.name)
                )
    return corpora


def report_progress(what: str) -> Callable[[int, int], None]:
    """Return a function that prints progress with the time left, at most once a second.

    Args:
        what: what is being done.
    """
    started_s = time.monotonic()
    printed_s = [0.0]

    def report(n_done: int, n_all: int) -> None:
        now_s = time.monotonic()
        if n_done < n_all and now_s - printed_s[0] < 1.0:
            return
        printed_s[0] = now_s
        left_s = (now_s - started_s) / max(1, n_done) * (n_all - n_done)
        end = "\n" if n_done >= n_all or not sys.stderr.isatty() else ""
        print(f"\r{what}: {n_done} of {n_all}, {left_s:.0f} s left ", end=end, file=sys.stderr, flush=True)

    return report
