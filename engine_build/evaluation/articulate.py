"""Fit how far each channel is shown: the range of an ARKit capture, on speakers that the network never heard.

    python -m engine_build articulate models/stream.json corpus/grid --speakers "s31 s5"

The network's own measure is that of an average head, and squared error draws it to the mean. Rigs and robots are built
for the range of ARKit: this writes into the manifest the curves (`edge.postprocess.articulation`) that bring median and
99th percentile of every mouth channel in running speech to those of a captured talker, and how the channels part the
lips (`edge.postprocess.lips`).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.whole_files import write_json
from edge.errors import InputError
from edge.manifest import Curve, load_manifest
from edge.postprocess.articulation import hinge
from engine_build.data.corpus import Corpus, CorpusSpec, FeatureSpec
from engine_build.data.frame_labels import load_corpus
from engine_build.evaluation.evaluate import predict
from engine_build.labels.channels import CHANNELS
from engine_build.labels.geometry import face_geometry_mm
from engine_build.voices.alignment import SILENCE
from engine_build.voices.phone_shape import PHONES

# Median and 99th percentile in running speech. An ARKit capture of one talker (20 s) has jawOpen .05 / .42,
# mouthLowerDown .05 / .44, mouthUpperUp .05 / .44, mouthFunnel .06 / .42, mouthPucker .06 / .52, mouthStretch
# .04 / .25, mouthSmile .03 / .59, mouthClose .00 / .11. Medians stand higher here: what lies below a curve's bend is
# not seen, and the lips' movement with it. With these the gap within words follows true lips as well as the network's.
TALKER: dict[str, tuple[float, float]] = {
    "jawOpen": (0.113, 0.43),
    "mouthLowerDown": (0.10, 0.31),
    "mouthUpperUp": (0.09, 0.35),
    "mouthFunnel": (0.08, 0.26),
    "mouthPucker": (0.11, 0.42),
    "mouthStretch": (0.04, 0.20),
    "mouthSmile": (0.03, 0.20),
    "mouthClose": (0.01, 0.12),
}
KNEE = 0.8  # of the predicted median: a bend that wide has no corner that an eye would see
LEAST_GAIN, MOST_GAIN = 0.5, 5.0  # more would show the network's doubt as movement
LEAST_RANGE = 0.01  # a 99th percentile under this is no movement to be brought to a range
MET_MM, PARTED_MM = 0.5, 1.5  # the network's gap: all of lips that met lie under the first, few under the second


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("model", type=Path, help="manifest of an exported network; curves and lips are written into it")
    parser.add_argument("dataset", type=Path, help="folder with audio/ and labels.npz with phones")
    parser.add_argument("--labels", type=Path, help="labels file (default: DATASET/labels.npz)")
    parser.add_argument("--speakers", default="all", help='whose speech: "s31 s5", or "! s1"')
    parser.add_argument("--cache", type=Path, default=Path("cache"), help="folder for computed features")
    parser.add_argument("--of", type=Path, metavar="MANIFEST", help="take the curves of this network instead")


def run(args: argparse.Namespace) -> int:
    """Fit and write as the command line says."""
    if args.of:
        curves = {name: vars(curve) for name, curve in load_manifest(args.of).articulation.items()}
    else:
        manifest = load_manifest(args.model)
        spec = CorpusSpec(
            args.dataset.name or "dataset", str(args.dataset / "audio"),
            str(args.labels or args.dataset / "labels.npz"), speakers=args.speakers,
        )  # fmt: skip
        features = FeatureSpec(manifest.features, manifest.sample_rate_hz, manifest.frame_rate)
        corpus = load_corpus(spec, manifest.channels, features, args.cache, manifest.lookahead_ms)
        spoken = np.concatenate(predict(manifest, corpus))[running_speech(corpus)]
        curves = {name: vars(curve) for name, curve in fitted(spoken, manifest.channels).items()}
    raw = json.loads(args.model.read_text(encoding="utf-8"))
    raw["articulation"] = {name: {k: round(v, 4) for k, v in curve.items()} for name, curve in curves.items()}
    raw["lips"] = lips_of(raw["channels"])
    write_json(args.model, raw)
    load_manifest(args.model)
    for name, curve in raw["articulation"].items():
        print(f"{name}: from {curve['start']:.3f}, times {curve['gain']:.2f}", file=sys.stderr)
    return 0


def running_speech(corpus: Corpus) -> NDArray[np.bool_]:
    """Return which frames lie in a phone.

    Raises:
        InputError: The labels know no phones.
    """
    spoken: NDArray[np.bool_] = (corpus.phones >= 0) & (corpus.phones != PHONES.index(SILENCE))
    if not spoken.any():
        raise InputError(f"speech of {corpus.spec.labels}", "no phone times", "Give the labels that `voices` wrote")
    return spoken


def fitted(activations: NDArray[np.floating[Any]], channels: Sequence[str]) -> dict[str, Curve]:
    """Return the curves of the channels that move in speech.

    Args:
        activations: [n_frames, n_channels], what the network said of running speech.
        channels: Names in order; both sides of a face get one curve.
    """
    curves: dict[str, Curve] = {}
    for base, (median, high) in TALKER.items():
        sides = [i for i, name in enumerate(channels) if name in (base, f"{base}Left", f"{base}Right")]
        if not sides:
            continue
        said_median, said_high = np.percentile(activations[:, sides], [50, 99])
        if said_high < LEAST_RANGE:
            continue
        curve = curve_through(float(said_median), float(said_high), median, high)
        curves |= {channels[i]: curve for i in sides}
    return curves


def curve_through(said_median: float, said_high: float, median: float, high: float) -> Curve:
    """Return the curve that shows two values as two others; the upper one alone where no hinge is needed or enough.

    Args:
        said_median: What the network says half of the time.
        said_high: And at its 99th percentile.
        median: What is to be shown for the first, at most.
        high: What is to be shown for the second, as far as `MOST_GAIN` allows.
    """
    knee = KNEE * said_median

    def rise(start: float, value: float) -> float:
        curve = Curve(start, knee, 1.0)
        return hinge(value, curve) - hinge(0.0, curve)

    low, top = 0.0, said_median * 1.2
    for _ in range(40):
        start = (low + top) / 2
        if rise(start, said_median) / rise(start, said_high) > median / high:
            low = start
        else:
            top = start
    start = 0.0 if top < 1e-3 else top
    return Curve(start, knee if start else 0.0, float(np.clip(high / rise(start, said_high), LEAST_GAIN, MOST_GAIN)))


def lips_of(channels: Sequence[str]) -> Mapping[str, Any]:
    """Return the manifest's `lips`: slopes of the blendshape face's lip gap, with the jaw a little open."""
    base = np.zeros((1, len(CHANNELS)))
    base[0, CHANNELS.index("jawOpen")] = 0.2
    slopes = {}
    for name in channels:
        if name in CHANNELS:
            step = np.zeros_like(base)
            step[0, CHANNELS.index(name)] = 0.02
            slope = float((face_geometry_mm(base + step) - face_geometry_mm(base - step))[0, 0]) / 0.04
            if abs(slope) > 0.05:
                slopes[name] = round(slope, 3)
    rest_mm = float(face_geometry_mm(np.zeros_like(base))[0, 0])
    return {"gap_mm": slopes, "rest_mm": round(rest_mm, 4), "met_mm": MET_MM, "parted_mm": PARTED_MM}
