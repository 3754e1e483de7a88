"""Write an int8 version of an exported network: scales from a roll-out with state over speech.

    python -m engine_build quantize models/stream.json --audio recordings/ --out models/stream.json

A simple static pass: the scale of a tensor is its 99.99th percentile over all frames (`python -m calibration` chooses
more carefully). The recurrent products and what follows them stay in float: they are 1 % of the work.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import InputError
from edge.manifest import Manifest, load_manifest
from engine_build.dataset import AUDIO_SUFFIXES, FeatureSpec, compute_features, read_audio
from engine_build.export import write_json
from engine_build.quantize_graph import INT8_LIMIT, calibrated_tensors, insert_pairs, quantizable_nodes

Float32Array = NDArray[np.float32]
PERCENTILE = 99.99  # of absolute values
DEFAULT_CLIPS = 40
KEEP_FLOAT = ("first.convolve", "convolutions.0.")  # first layers: few products, and the features deserve precision


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("manifest", type=Path, help="manifest of the float32 network")
    parser.add_argument("--audio", type=Path, required=True, help="folder of representative recordings")
    parser.add_argument("--clips", type=int, default=DEFAULT_CLIPS, help="how many of them, evenly spread")
    parser.add_argument("--out", type=Path, required=True, help="manifest to write; NAME.int8.onnx goes beside it")


def run(args: argparse.Namespace) -> int:
    """Quantise as the command line says."""
    manifest = load_manifest(args.manifest)
    paths = sorted(path for path in args.audio.iterdir() if path.suffix in AUDIO_SUFFIXES)
    if not paths:
        raise InputError(f"recordings in {args.audio}", "none", "Give a folder with WAV or FLAC files")
    chosen = [paths[i] for i in np.unique(np.linspace(0, len(paths) - 1, args.clips).astype(int))]
    difference = quantize(manifest, chosen, args.out)
    print(f"{args.out}: int8 and float32 differ by {difference:.4f} on average", file=sys.stderr)
    return 0


def quantize(manifest: Manifest, recordings: Sequence[Path], out: Path) -> float:
    """Write graph and manifest.

    Args:
        manifest: Of the float32 network.
        recordings: Representative speech.
        out: Manifest to write; the graph becomes `<stem>.int8.onnx` beside it.

    Returns:
        Mean absolute difference of activations between int8 and float32 on the recordings.
    """
    import onnx

    model = onnx.load_from_string(manifest.verify_graph())
    nodes = quantizable_nodes(model, KEEP_FLOAT)
    features = [_features(manifest, path) for path in recordings]
    scales = percentile_scales(model, manifest, calibrated_tensors(nodes), features)
    content = insert_pairs(model, nodes, scales).SerializeToString()
    graph_path = out.with_name(f"{out.stem}.int8.onnx")
    graph_path.parent.mkdir(parents=True, exist_ok=True)
    graph_path.write_bytes(content)
    raw = json.loads(manifest.path.read_text(encoding="utf-8"))
    raw |= {"graph": graph_path.name, "sha256": hashlib.sha256(content).hexdigest(), "precision": "int8"}
    write_json(out, raw)
    load_manifest(out)
    before = np.concatenate([outputs[0] for outputs in roll_out(model, manifest, features, ())])
    after = np.concatenate([outputs[0] for outputs in roll_out(content, manifest, features, ())])
    return float(np.abs(before - after).mean())


def _features(manifest: Manifest, path: Path) -> Float32Array:
    spec = FeatureSpec(manifest.features, manifest.sample_rate_hz, manifest.frame_rate)
    return compute_features(read_audio(path, manifest.sample_rate_hz), spec)


def roll_out(
    model: Any, manifest: Manifest, recordings: Iterable[Float32Array], tensors: Sequence[str]
) -> Iterator[list[NDArray[Any]]]:
    """Run every recording frame by frame with its state.

    Args:
        model: ONNX model or its bytes.
        manifest: Names and shapes.
        recordings: Features [n_frames, ...] of each.
        tensors: Inner tensors to be given too.

    Yields:
        For each recording: activations [n_frames, n_channels], then each tensor [n_frames, ...].
    """
    import onnx
    import onnxruntime

    proto = onnx.load_from_string(model) if isinstance(model, bytes) else model
    if tensors:
        widened = onnx.ModelProto()
        widened.CopyFrom(proto)
        present = {value.name for value in widened.graph.input}
        widened.graph.output.extend(onnx.ValueInfoProto(name=name) for name in tensors if name not in present)
        proto = widened
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    wanted = [manifest.activations, *(state.output for state in manifest.state), *tensors]
    n_states = len(manifest.state)
    for features in recordings:
        fed = {state.input: np.zeros(state.shape, np.float32) for state in manifest.state}
        rows: list[list[NDArray[Any]]] = []
        for frame in features:
            outputs = session.run(wanted, {manifest.input: frame[None], **fed})
            fed = {s.input: value for s, value in zip(manifest.state, outputs[1 : 1 + n_states], strict=True)}
            rows.append([outputs[0][0], *(value[0] for value in outputs[1 + n_states :])])
        yield [np.stack(column) for column in zip(*rows, strict=True)]


def percentile_scales(
    model: Any, manifest: Manifest, tensors: Sequence[str], recordings: Iterable[Float32Array]
) -> dict[str, float]:
    """Return the int8 step of each tensor from the largest percentile over recordings."""
    largest = dict.fromkeys(tensors, 1e-6)
    for outputs in roll_out(model, manifest, recordings, tensors):
        for name, values in zip(tensors, outputs[1:], strict=True):
            largest[name] = max(largest[name], float(np.percentile(np.abs(values), PERCENTILE)))
    return {name: value / INT8_LIMIT for name, value in largest.items()}
