"""Write the int8 version of a network with its manifest and a report.

In: a float32 network (the name of one that comes with the package, or a manifest) and a folder of speech. Out: beside
the manifest that is asked for, the Q/DQ graph (NAME.int8.onnx), and the report in reports/NAME.calibration.json. The
same graph runs on ONNX Runtime and builds on TensorRT.

    python -m calibration quantize stream --speech recordings/ --out mine/stream.json
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calibration.card import metrics_of
from calibration.choice import CORRELATION_LOSS_GOAL, Calibration, calibrate
from calibration.command_line import count, positive
from calibration.float_network import DEFAULT_NETWORK, find_network, read_network
from calibration.report import as_text
from calibration.rewrite import biases_behind_products, products_to_convolutions
from calibration.scales import METHODS
from calibration.speech import SHIPPED_SET, SpeechSet, load_speech
from calibration.whole_files import write_together
from edge.errors import ModelError
from edge.manifest import Manifest, load_manifest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "network", nargs="?", default=DEFAULT_NETWORK, help="float32 network: a shipped name, or a manifest (stream)"
    )
    parser.add_argument("--speech", type=Path, help="folder of representative speech (default: the shipped set)")
    parser.add_argument("--files", type=count, default=0, help="how many of them, evenly spread (default: all)")
    parser.add_argument("--out", type=Path, help="manifest to write (default: calibrated/NAME.json)")
    parser.add_argument("--method", choices=("auto", *METHODS), default="auto", help="default: auto, the best of all")
    parser.add_argument(
        "--max-correlation-loss", type=positive, default=CORRELATION_LOSS_GOAL, metavar="LOSS",
        help=f"layers go back to float until no activation loses more of its correlation ({CORRELATION_LOSS_GOAL})",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Quantise as the command line says."""
    source = find_network(args.network)
    out = args.out or Path("calibrated") / f"{source.stem}.json"
    speech = args.speech or SHIPPED_SET
    report = quantize(source, speech, out, args.method, args.files, args.max_correlation_loss)
    print(as_text(report))
    print(f"{out}: written; run it with `au-edge run -o model.path={out}`", file=sys.stderr)
    return 0


def quantize(
    source: Path,
    speech_folder: Path,
    out: Path,
    method: str = "auto",
    n_files: int = 0,
    max_correlation_loss: float = CORRELATION_LOSS_GOAL,
) -> dict[str, Any]:
    """Quantise a network and write it.

    Args:
        source: Manifest of the float32 network.
        speech_folder: See `load_speech`.
        out: Manifest to write.
        method: See `calibrate`.
        n_files: See `load_speech`.
        max_correlation_loss: See `calibrate`.

    Returns:
        The report, as it was written.

    Raises:
        ModelError: The network is int8 already, or cannot be used, or the files cannot be written; nothing is changed.
        InputError: The speech cannot be used.
    """
    manifest = load_manifest(source)
    if out.resolve() == source.resolve():
        raise ModelError(f"quantising {source} into itself", "the float32 network would be lost", "Give another --out")
    model, n_float_bytes = read_network(manifest)
    speech = load_speech(speech_folder, manifest.sample_rate_hz, n_files)
    rewritten = biases_behind_products(products_to_convolutions(model))
    calibration = calibrate(rewritten, manifest, speech, method, max_correlation_loss)
    quantised: bytes = calibration.model.SerializeToString()
    report = make_report(manifest, speech, calibration, n_float_bytes, quantised)
    graph_path = out.with_name(f"{out.stem}.int8.onnx")
    raw = json.loads(source.read_text(encoding="utf-8"))
    raw |= {"graph": graph_path.name, "sha256": report["int8_sha256"], "precision": "int8"}
    raw["metrics"] = {**raw.get("metrics", {}), "int8_against_float": metrics_of(report)}
    try:
        write_together({graph_path: quantised, report_path(out): as_json(report), out: as_json(raw)})
    except OSError as err:
        found = f"{err.strerror or err}; what was there is unchanged"
        raise ModelError(f"writing {out}", found, "Free some space or choose another place") from err
    load_manifest(out).verify_graph()
    return report


def as_json(raw: Mapping[str, Any]) -> bytes:
    """Return JSON as it is written to files."""
    return (json.dumps(raw, indent=1) + "\n").encode()


def report_path(out: Path) -> Path:
    """Return where the report of a manifest goes: not beside it, where every .json is a manifest."""
    return out.parent / "reports" / f"{out.stem}.calibration.json"


def make_report(
    manifest: Manifest, speech: SpeechSet, calibration: Calibration, n_float_bytes: int, quantised: bytes
) -> dict[str, Any]:
    """Return everything that was found, as plain values."""
    return {
        "network": {"name": manifest.name, "version": manifest.version, "sha256": manifest.sha256},
        "int8_sha256": hashlib.sha256(quantised).hexdigest(),
        "speech": {
            "n_files": len(speech.files),
            "seconds": round(speech.seconds, 2),
            "sha256": speech.sha256,
        },
        "bytes": {"float32": n_float_bytes, "int8": len(quantised)},
        "method": calibration.method,
        "methods": calibration.methods,
        "left_in_float": calibration.left_in_float,
        "tensors": calibration.tensors,
        "difference": calibration.difference,
    }
