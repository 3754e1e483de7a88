"""Compare an engine with the network it was built from, on the machine that will run it.

Both run over the same speech frame by frame with their own state; the table says for every activation how far the
engine is from ONNX Runtime. Exit code 1 where it is over the budget.

    python -m engine_build verify ENGINE edge/models/stream.json --json verify.json
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from calibration.command_line import positive
from calibration.report import compare
from calibration.roll_out import RollOut, compute_features
from calibration.speech import SHIPPED_SET, load_speech
from calibration.whole_files import write_together
from edge.backends.engine_file import read_engine, read_fingerprint
from edge.backends.onnx_runtime import OnnxRuntimeBackend
from edge.backends.tensorrt import TensorRtBackend
from edge.contracts import InferenceSession
from edge.errors import BackendError
from edge.frames import Float32Array
from edge.manifest import Manifest, load_manifest

DEFAULT_BUDGET = 0.02  # rms of one activation: a fiftieth of its range, which nobody sees
EXIT_OVER_BUDGET = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("engine", type=Path, help="the engine")
    parser.add_argument("manifest", type=Path, help="manifest of the network that it was built from")
    parser.add_argument("--speech", type=Path, default=SHIPPED_SET, help="folder of speech (default: the shipped set)")
    parser.add_argument("--budget", type=positive, default=DEFAULT_BUDGET, help="largest rms of one activation (0.02)")
    parser.add_argument("--json", type=Path, help="write the numbers to this file too")


def run(args: argparse.Namespace) -> int:
    """Verify as the command line says."""
    manifest = load_manifest(args.manifest)
    fingerprint = read_fingerprint(args.engine)
    read_engine(args.engine, fingerprint)  # what is wrong with the file is said before a missing GPU is
    features = compute_features(manifest, load_speech(args.speech, manifest.sample_rate_hz).recordings)
    reference, reference_ms = run_session(OnnxRuntimeBackend().open(manifest), manifest, features)
    engine, engine_ms = run_session(TensorRtBackend(str(args.engine)).open(manifest), manifest, features)
    found = verdict(reference, engine, manifest, args.budget)
    found["engine"] = asdict(fingerprint)
    found["frame_ms"] = {"onnxruntime": reference_ms, "engine": engine_ms}
    if args.json is not None:
        try:
            write_together({args.json: (json.dumps(found, indent=1) + "\n").encode()})
        except OSError as err:
            raise BackendError(f"writing {args.json}", err.strerror or str(err), "Choose another place") from err
    print(as_text(found))
    if found["over_budget"]:
        print(f"{args.engine}: over the budget of {args.budget}: {', '.join(found['over_budget'])}", file=sys.stderr)
        return EXIT_OVER_BUDGET
    return 0


def run_session(
    session: InferenceSession, manifest: Manifest, features: Float32Array
) -> tuple[RollOut, dict[str, float]]:
    """Return what a session says over a stream, and how long a frame takes; the session is closed.

    Args:
        session: Open.
        manifest: Its manifest.
        features: float32 [n_frames, ...] without the batch axis.
    """
    activations = np.empty((len(features), manifest.n_channels), np.float32)
    head_deg = np.empty((len(features), 3), np.float32)
    times_s = np.empty(len(features))
    try:
        session.warm_up(10)
        for frame, row in enumerate(features):
            session.features[0] = row
            begin = time.perf_counter()
            session.step()
            times_s[frame] = time.perf_counter() - begin
            activations[frame], head_deg[frame] = session.activations, session.head_deg
    finally:
        session.close()
    found = {name: round(float(np.percentile(times_s, p)) * 1e3, 3) for name, p in (("p50", 50), ("p99", 99))}
    return RollOut(activations, head_deg), found


def verdict(reference: RollOut, engine: RollOut, manifest: Manifest, budget: float) -> dict[str, Any]:
    """Return the differences and which activations are over the budget.

    Args:
        reference: Of ONNX Runtime.
        engine: Of the engine.
        manifest: Channel names.
        budget: Largest rms of one activation.
    """
    difference = compare(reference, engine, manifest.channels)
    is_finite = bool(np.isfinite(engine.activations).all() and np.isfinite(engine.head_deg).all())
    over = [name for name, value in difference["channels"].items() if not value["rms"] <= budget]
    return {"budget": budget, "is_finite": is_finite, "over_budget": over, "difference": difference}


def as_text(found: dict[str, Any]) -> str:
    """Return the table as people read it."""
    difference = found["difference"]
    lines = [f"{'activation':<22} {'rms':>9} {'largest':>9} {'bias':>9}"]
    for name, value in difference["channels"].items():
        mark = "  over" if name in found["over_budget"] else ""
        lines.append(f"{name:<22} {value['rms']:>9.5f} {value['largest']:>9.5f} {value['bias']:>+9.5f}{mark}")
    for name, value in difference["lip_geometry"].items():
        lines.append(f"{name:<22} {value['rms']:>9.4f} {value['largest']:>9.4f}")
    lines.append(f"over time: rms by quarter {', '.join(f'{v:.5f}' for v in difference['rms_by_quarter'])}")
    for name, value in found["frame_ms"].items():
        lines.append(f"a frame on {name}: p50 {value['p50']:.3f} ms, p99 {value['p99']:.3f} ms")
    return "\n".join(lines)
