"""Write the int8 version of a network with its manifest and a report.

In: the manifest of a float32 network and a folder of speech. Out: beside the manifest that is asked for, the Q/DQ graph
(NAME.int8.onnx), and the report in reports/NAME.calibration.json. The same graph runs on ONNX Runtime and builds on
TensorRT.

    python -m calibration quantize models/stream.float32.json --speech recordings/ --out models/stream.json
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from calibration.choice import Calibration, calibrate
from calibration.report import as_text
from calibration.rewrite import products_to_convolutions
from calibration.scales import METHODS
from calibration.speech import SHIPPED_SET, SpeechSet, load_speech
from edge.errors import ModelError
from edge.manifest import Manifest, load_manifest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("manifest", type=Path, help="manifest of the float32 network")
    parser.add_argument("--speech", type=Path, help="folder of representative speech (default: the shipped set)")
    parser.add_argument("--files", type=int, default=0, help="how many of them, evenly spread (default: all)")
    parser.add_argument("--out", type=Path, required=True, help="manifest to write")
    parser.add_argument("--method", choices=("auto", *METHODS), default="auto", help="default: auto, the best of all")


def run(args: argparse.Namespace) -> int:
    """Quantise as the command line says."""
    report = quantize(args.manifest, args.speech or SHIPPED_SET, args.out, args.method, args.files)
    print(as_text(report))
    print(f"{args.out}: written", file=sys.stderr)
    return 0


def quantize(source: Path, speech_folder: Path, out: Path, method: str = "auto", n_files: int = 0) -> dict[str, Any]:
    """Quantise a network and write it.

    Args:
        source: Manifest of the float32 network.
        speech_folder: See `load_speech`.
        out: Manifest to write.
        method: See `calibrate`.
        n_files: See `load_speech`.

    Returns:
        The report, as it was written.

    Raises:
        ModelError: The network is int8 already, or cannot be used.
        InputError: The speech cannot be used.
    """
    import onnx

    manifest = load_manifest(source)
    if manifest.precision != "float32":
        raise ModelError(
            f"quantising {source}",
            f"its precision is {manifest.precision}",
            "Give the manifest of the float32 network: python -m engine_build export RUN --out NAME.float32.json",
        )
    content = manifest.verify_graph()
    speech = load_speech(speech_folder, manifest.sample_rate_hz, n_files)
    calibration = calibrate(products_to_convolutions(onnx.load_from_string(content)), manifest, speech, method)
    quantised: bytes = calibration.model.SerializeToString()
    report = make_report(manifest, speech, calibration, len(content), len(quantised))
    graph_path = out.with_name(f"{out.stem}.int8.onnx")
    raw = json.loads(source.read_text(encoding="utf-8"))
    raw |= {"graph": graph_path.name, "sha256": hashlib.sha256(quantised).hexdigest(), "precision": "int8"}
    raw["metrics"] = {**raw.get("metrics", {}), "int8_rms": calibration.difference["activations"]["rms"]}
    _write(graph_path, quantised)
    _write(report_path(out), (json.dumps(report, indent=1) + "\n").encode())
    _write(out, (json.dumps(raw, indent=1) + "\n").encode())
    load_manifest(out).verify_graph()
    return report


def report_path(out: Path) -> Path:
    """Return where the report of a manifest goes: not beside it, where every .json is a manifest."""
    return out.parent / "reports" / f"{out.stem}.calibration.json"


def make_report(
    manifest: Manifest, speech: SpeechSet, calibration: Calibration, n_float_bytes: int, n_int8_bytes: int
) -> dict[str, Any]:
    """Return everything that was found, as plain values."""
    return {
        "network": {"name": manifest.name, "version": manifest.version, "sha256": manifest.sha256},
        "speech": {
            "n_files": len(speech.files),
            "seconds": round(speech.seconds, 2),
            "sha256": speech.sha256,
        },
        "bytes": {"float32": n_float_bytes, "int8": n_int8_bytes},
        "method": calibration.method,
        "methods": calibration.methods,
        "tensors": calibration.tensors,
        "difference": calibration.difference,
    }


def _write(path: Path, content: bytes) -> None:
    """Write a file as a whole or not at all."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(content)
        os.replace(unfinished, path)
    except OSError as err:
        unfinished.unlink(missing_ok=True)
        raise ModelError(
            f"writing {path}", err.strerror or str(err), "Free some space or choose another place"
        ) from err
