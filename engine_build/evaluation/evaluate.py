"""Measure an exported network on recordings with labels; writes report.html and report.json.

    python -m engine_build evaluate models/stream.json my_dataset --out report/

MODEL is a manifest. DATASET is a folder with `audio/`, `labels.npz` and, where known, `phones.json`
({clip: {"phones": [[name, start_s, end_s], ...], "words": [...]}}, or the file that `voices` makes). The network runs
frame by frame with its state, as in the runtime, every clip from the state of a stream that has just begun.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.whole_files import write_json
from edge.backends.onnx_runtime import EXACT_PRODUCTS
from edge.errors import InputError
from edge.machine.whole_file import write_whole
from edge.manifest import Manifest, load_manifest
from engine_build.data.corpus import Corpus, CorpusSpec, FeatureSpec
from engine_build.data.frame_labels import load_corpus
from engine_build.evaluation.metrics import (
    ClipFaces,
    Span,
    channel_metrics,
    lip_metrics,
    phone_metrics,
    precision_metrics,
    silence_activity,
)
from engine_build.evaluation.sentences import by_speaker, clips_by_speaker, plot_sentences
from engine_build.evaluation.shown import read_shown

N_PLOTTED_CLIPS = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("model", type=Path, help="manifest of an exported network")
    parser.add_argument("dataset", type=Path, help="folder with audio/ and labels.npz")
    parser.add_argument("--out", type=Path, default=Path("report"), help="folder for the report (default: report)")
    parser.add_argument("--audio", type=Path, help="folder of recordings (default: DATASET/audio)")
    parser.add_argument("--labels", type=Path, help="labels file (default: DATASET/labels.npz)")
    parser.add_argument("--phones", type=Path, help="phones and words (default: DATASET/phones.json, if there)")
    parser.add_argument("--clips", default="all", help='which clips: "all", "7 %% 10", "7 ! 10" (index modulo)')
    parser.add_argument("--speakers", default="all", help='whose clips, where the labels tell: "s31 s5", or "! s1"')
    parser.add_argument("--compare", type=Path, help="manifest of the same network in another precision")
    parser.add_argument(
        "--shown",
        type=Path,
        metavar="FOLDER",
        help="measure too what `au-edge render --format npz` wrote for the clips",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the numbers here too, as beside a model card")
    parser.add_argument(
        "--plot", type=Path, metavar="FOLDER", help="draw the middle sentence of each speaker against the true lips"
    )
    parser.add_argument("--cache", type=Path, help="folder for computed features (default: OUT/cache)")


def run(args: argparse.Namespace) -> int:
    """Evaluate as the command line says."""
    manifest = load_manifest(args.model)
    spec = CorpusSpec(
        args.dataset.name or "dataset",
        str(args.audio or args.dataset / "audio"),
        str(args.labels or args.dataset / "labels.npz"),
        clips=args.clips,
        speakers=args.speakers,
    )
    phones_path = args.phones or args.dataset / "phones.json"
    spoken = read_spoken(phones_path) if args.phones or phones_path.exists() else {}
    other = load_manifest(args.compare) if args.compare else None
    report = evaluate(manifest, spec, spoken, args.cache or args.out / "cache", other, args.shown)
    write_report(report, args.out)
    if args.json is not None:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        write_json(args.json, _plain(report.numbers))
    if args.plot is not None:
        rate = float(manifest.frame_rate)
        for path in plot_sentences(args.plot, report.corpus, report.clips, report.shown, report.words, rate):
            print(path)
    print(summary(report.numbers), file=sys.stderr)
    print(args.out / "report.html")
    return 0


@dataclass(frozen=True)
class Evaluation:
    """What was measured, and what the plots need.

    Attributes:
        numbers: As in report.json.
        corpus: The recordings.
        clips: Faces of every clip.
        words: Clip name -> words.
        shown: Faces that the whole program showed of every clip; None where it was not measured.
    """

    numbers: dict[str, Any]
    corpus: Corpus
    clips: list[ClipFaces]
    words: Mapping[str, Sequence[Span]]
    shown: list[ClipFaces] | None = None


def read_spoken(path: Path) -> dict[str, dict[str, list[Span]]]:
    """Return clip -> {"phones": [...], "words": [...]}, also from a file of phones only, as `voices` writes it.

    Raises:
        InputError: It cannot be read or is not of that form.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return {
            clip: {kind: [Span(str(n), float(a), float(b)) for n, a, b in entry.get(kind, ())] for kind in _KINDS}
            for clip, entry in ((clip, {"phones": e} if isinstance(e, list) else e) for clip, e in raw.items())
        }
    except (OSError, ValueError, TypeError, AttributeError) as err:
        raise InputError(
            f"phones {path}", f"cannot be used ({err})", 'Give {clip: {"phones": [[name, start, end]]}}'
        ) from err


_KINDS = ("phones", "words")


def evaluate(
    manifest: Manifest,
    spec: CorpusSpec,
    spoken: Mapping[str, Mapping[str, Sequence[Span]]],
    cache: Path,
    other: Manifest | None = None,
    shown: Path | None = None,
) -> Evaluation:
    """Run a network over a corpus and measure.

    Args:
        manifest: The network.
        spec: The corpus.
        spoken: Phones and words where known.
        cache: Folder for features.
        other: The same network in another precision.
        shown: Folder of what the whole program made of the clips; see `evaluation.shown`.
    """
    features = FeatureSpec(manifest.features, manifest.sample_rate_hz, manifest.frame_rate)
    corpus = load_corpus(spec, manifest.channels, features, cache)
    predicted = predict(manifest, corpus)
    lookahead = round(manifest.lookahead_ms * float(manifest.frame_rate) / 1000.0)
    # a face that is known later than its sound is compared with the face of that sound
    ahead = [np.concatenate([face[lookahead:], np.repeat(face[-1:], lookahead, axis=0)]) for face in predicted]
    clips = _faces(corpus, ahead, manifest.channels, spoken)
    rate = float(manifest.frame_rate)
    numbers: dict[str, Any] = {
        "model": manifest.name,
        "version": manifest.version,
        "precision": manifest.precision,
        "lookahead_ms": manifest.lookahead_ms,
        "corpus": spec.name,
        "clips": len(clips),
        "seconds": round(int(corpus.first[-1]) / rate, 1),
        "channels": channel_metrics(clips, manifest.channels),
        **_measured(clips, manifest.channels, rate),
    }
    groups = clips_by_speaker(corpus)
    if len(groups) > 1:
        numbers["speakers"] = by_speaker(clips, groups, rate)
    faces = None
    if shown is not None:
        faces = _faces(corpus, read_shown(shown, corpus, manifest.channels, rate), manifest.channels, spoken)
        numbers["shown"] = _measured(faces, manifest.channels, rate)
        if len(groups) > 1:
            numbers["shown"]["speakers"] = by_speaker(faces, groups, rate)
    if other is not None:
        numbers["against_" + other.precision] = precision_metrics(
            predict(other, corpus), predicted, clips, manifest.channels
        )
    words = {clip: entry.get("words", ()) for clip, entry in spoken.items()}
    return Evaluation(numbers, corpus, clips, words, faces)


def _faces(
    corpus: Corpus,
    predicted: Sequence[NDArray[np.float32]],
    channels: Sequence[str],
    spoken: Mapping[str, Mapping[str, Sequence[Span]]],
) -> list[ClipFaces]:
    """Put predicted and true faces of every clip beside each other."""
    from engine_build.labels.channels import CHANNELS
    from engine_build.labels.geometry import eye_distance_mm, face_geometry_mm

    rows = np.array([channels.index(name) if name in channels else -1 for name in CHANNELS])
    clips = []
    for k, name in enumerate(corpus.clips):
        frames = corpus.clip_frames(k)
        clips.append(
            ClipFaces(
                name,
                predicted[k],
                corpus.activations[frames],
                corpus.confidence[frames] > 0,
                face_geometry_mm(np.where(rows >= 0, predicted[k][:, rows], 0.0)),
                corpus.geometry[frames].astype(np.float64) * eye_distance_mm(),
                tuple(spoken.get(name, {}).get("phones", ())),
            )
        )
    return clips


def _measured(clips: Sequence[ClipFaces], channels: Sequence[str], rate: float) -> dict[str, Any]:
    """Return what is measured of faces, whoever made them."""
    return {
        "lips": lip_metrics(clips, rate),
        "phones": phone_metrics(clips, rate) if any(clip.phones for clip in clips) else {},
        "silence": silence_activity(clips, channels, rate),
    }


def predict(manifest: Manifest, corpus: Corpus) -> list[NDArray[np.float32]]:
    """Return the activations [n_frames, n_channels] of every clip, by ONNX Runtime, frame by frame with the state."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry(*EXACT_PRODUCTS)
    session = onnxruntime.InferenceSession(manifest.verify_graph(), options, providers=["CPUExecutionProvider"])
    wanted = [manifest.activations, *(state.output for state in manifest.state)]
    faces = []
    for k in range(len(corpus.clips)):
        fed = {state.input: np.zeros(state.shape, np.float32) for state in manifest.state}
        frames = np.asarray(corpus.features[corpus.clip_frames(k)], np.float32)
        clip = np.empty((len(frames), manifest.n_channels), np.float32)
        for row, frame in zip(clip, frames, strict=True):
            row[:], *after = session.run(wanted, {manifest.input: frame[None], **fed})
            fed = {state.input: value for state, value in zip(manifest.state, after, strict=True)}
        faces.append(clip)
    return faces


def summary(numbers: Mapping[str, Any]) -> str:
    """Return a few lines for a terminal."""
    lines = [f"{numbers['model']} ({numbers['precision']}) on {numbers['clips']} clips, {numbers['seconds']} s"]
    lines += _lines(numbers)
    if "shown" in numbers:
        lines += ["as the whole program showed it:", *_lines(numbers["shown"])]
    return "\n".join(lines)


def _lines(measured: Mapping[str, Any]) -> list[str]:
    lines = [
        f"  {name}: r {values['r']:.3f}, error {values['error_mm']:.2f} mm "
        f"(movement {values['movement_error_mm']:.2f} of {values['movement_mm']:.2f} mm), "
        f"lag {values['lag_ms']:+.0f} ms"
        for name, values in measured["lips"].items()
    ]
    for name, found in measured.get("speakers", {}).items():
        correlations = ", ".join(f"{lip} {values['r']:.3f}" for lip, values in found["lips"].items())
        lines.append(f"  {name} ({found['clips']} clips): r {correlations}")
    for key in ("phones", "silence"):
        if measured[key]:
            lines.append(f"  {key}: " + ", ".join(f"{name} {value:.3f}" for name, value in measured[key].items()))
    return lines


def write_report(report: Evaluation, folder: Path) -> None:
    """Write report.json and report.html."""
    from engine_build.evaluation.report import render_html

    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "report.json", _plain(report.numbers))
    html = render_html(
        report.numbers, report.corpus, report.clips[:: max(1, len(report.clips) // N_PLOTTED_CLIPS)], report.words
    )
    write_whole(folder / "report.html", html)


def _plain(value: Any) -> Any:
    """Return JSON values in which a number that is none is null: NaN is no JSON, and strict readers refuse it."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
