"""Put an exported float32 network among those that come with the package, in both forms.

In: the manifest of a float32 network, as `engine_build export` wrote it. Out, all of it or nothing: the float network
with its large weights in half precision (calibration/networks), the int8 network made from it, its report and manifest
(edge/models), and the numbers in its model card. For a checkout: it writes into the packages.

    python -m calibration ship runs/export/stream.json --facts facts.json
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import edge
from calibration.card import with_numbers
from calibration.choice import CORRELATION_LOSS_GOAL
from calibration.command_line import count, positive
from calibration.float_network import NETWORKS, read_network
from calibration.quantize import as_json, quantize, report_path
from calibration.report import as_text, rms
from calibration.roll_out import compute_features, roll_out
from calibration.scales import METHODS
from calibration.speech import SHIPPED_SET, load_speech
from calibration.stored_weights import narrow
from calibration.whole_files import write_together
from edge.errors import ModelError
from edge.manifest import Manifest, load_manifest

MODELS = Path(edge.__file__).parent / "models"
MAX_STORAGE_DIFFERENCE = 1e-3  # largest of any activation: a tenth of what int8 may cost on average
_LASTING = ("trained_on", "description")  # facts that an export does not know and a newer version mostly keeps


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("manifest", type=Path, help="manifest of the exported float32 network")
    parser.add_argument("--name", help="name to ship it under (default: the manifest's)")
    parser.add_argument("--facts", type=Path, help="JSON file with further facts: metrics, trained_on, version")
    parser.add_argument("--speech", type=Path, default=SHIPPED_SET, help="speech (default: the shipped set)")
    parser.add_argument("--files", type=count, default=0, help="how many of its files, evenly spread (default: all)")
    parser.add_argument("--method", choices=("auto", *METHODS), default="auto", help="see quantize (default: auto)")
    parser.add_argument("--max-correlation-loss", type=positive, default=CORRELATION_LOSS_GOAL, help="see quantize")
    parser.add_argument(
        "--int8-only", action="store_true", help="leave the float network out: it is too big to come along"
    )
    parser.add_argument("--networks", type=Path, default=NETWORKS, help=argparse.SUPPRESS)
    parser.add_argument("--models", type=Path, default=MODELS, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Ship as the command line says."""
    exported = load_manifest(args.manifest)
    name = args.name or exported.name
    target = args.models / f"{name}.json"
    raw = _facts(args.manifest, target, args.facts) | {"name": name}
    with tempfile.TemporaryDirectory() as folder:
        source, worst = store_float(exported, Path(folder) / f"{name}.json", raw, args.speech, args.files)
        made = Path(folder) / "int8" / f"{name}.json"
        report = quantize(source, args.speech, made, args.method, args.files, args.max_correlation_loss)
        files = {args.models / path.name: path for path in (load_manifest(made).graph_path, made)}
        if not args.int8_only:
            files |= {args.networks / path.name: path for path in (load_manifest(source).graph_path, source)}
        content = {there: here.read_bytes() for there, here in files.items()}
    content[report_path(target)] = as_json(report)
    card = target.with_suffix(".md")
    old = card.read_text(encoding="utf-8") if card.exists() else f"# {name}: model card\n"
    content[card] = with_numbers(old, report).encode()
    try:
        write_together(content)
    except OSError as err:
        found = f"{err.strerror or err}; what was there is unchanged"
        raise ModelError(f"shipping {name}", found, "Free some space") from err
    print(as_text(report))
    for path in content:
        print(f"{path}: written", file=sys.stderr)
    print(f"storing weights in half precision changed no activation by more than {worst:.1e}", file=sys.stderr)
    return 0


def store_float(
    exported: Manifest, out: Path, raw: dict[str, Any], speech_folder: Path, n_files: int
) -> tuple[Path, float]:
    """Write a float network with its large weights in half precision.

    Args:
        exported: The network as it was exported.
        out: Manifest to write.
        raw: Its content; graph and hash are set here.
        speech_folder: What both forms are compared on.
        n_files: How many of its files; 0 for all.

    Returns:
        The manifest, and the largest difference of an activation to the network as it was exported.

    Raises:
        ModelError: Half precision changes it too much.
    """
    model, _ = read_network(exported)
    stored = narrow(model)
    speech = load_speech(speech_folder, exported.sample_rate_hz, n_files)
    features = compute_features(exported, speech.recordings)
    before, after = roll_out(model, exported, features), roll_out(stored, exported, features)
    difference = after.activations - before.activations
    worst = float(abs(difference).max(initial=0))
    if not worst <= MAX_STORAGE_DIFFERENCE:
        found = f"it changes an activation by {worst:.1e} (rms {rms(difference):.1e})"
        raise ModelError(f"storing {exported.name} in half precision", found, "Look for weights beyond 65504")
    content: bytes = stored.SerializeToString()
    graph_path = out.with_name(f"{out.stem}.float32.onnx")
    raw = raw | {"graph": graph_path.name, "sha256": hashlib.sha256(content).hexdigest()}
    write_together({graph_path: content, out: as_json(raw)})
    return out, worst


def _facts(exported: Path, shipped: Path, given: Path | None) -> dict[str, Any]:
    """Return the manifest's content: what was exported, what lasts of the shipped one, and what was given."""
    raw: dict[str, Any] = json.loads(exported.read_text(encoding="utf-8"))
    if shipped.exists():
        old = json.loads(shipped.read_text(encoding="utf-8"))
        raw |= {key: old[key] for key in _LASTING if key in old and key not in raw}
    if given is not None:
        try:
            more = json.loads(given.read_text(encoding="utf-8"))
            raw |= more | {"metrics": {**raw.get("metrics", {}), **more.get("metrics", {})}}
        except (OSError, ValueError, AttributeError, TypeError) as err:
            raise ModelError(f"facts {given}", f"it is no JSON object ({err})", "Correct it") from err
    return raw
