"""Write a trained network as ONNX, one frame a call, with the manifest that the runtime reads.

    python -m engine_build export runs/stream --out models/stream.json
    python -m engine_build export calibration/networks/stream.json --out models/stream.json

The graph takes the features and every state tensor and gives activations, head and every new state; batch norms are
folded into the convolutions, shapes are static. Of a network that was exported before, the same weights are written
anew, as a graph of today. It is checked: by onnx's checker, and by running random features
through torch and ONNX Runtime.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from calibration.whole_files import write_json
from edge.errors import ArgumentsError, ConfigurationError, InputError, ModelError
from edge.manifest import FORMAT, load_manifest
from engine_build.training.config import TrainConfig, load_config

OPSET = 17  # the newest that TensorRT 8.6 reads; LayerNormalization is the only newcomer that we could want
TOLERANCE = 1e-4  # of activations between torch and ONNX Runtime, both float32
N_CHECK_FRAMES = 20
MAX_SEAL_MM = 4.0  # a larger one would close open vowels


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "run_folder",
        type=Path,
        help="folder of a training run (config.json, best.pt), or manifest of an exported float32 network",
    )
    parser.add_argument("--out", type=Path, required=True, help="manifest to write; NAME.float32.onnx goes beside it")
    parser.add_argument("--name", help="name in the manifest (default: the file's)")
    parser.add_argument("--version", help="version of the weights (default: 1, or as it was)")
    parser.add_argument("--licence", help="licence of the weights (default: unspecified, or as it was)")
    parser.add_argument(
        "--seal-mm", type=float, help="close lips that are nearly closed by so much; 0: not (default: 0, or as it was)"
    )
    parser.add_argument("--checkpoint", help="which weights of a run (default: best.pt)")
    parser.add_argument(
        "--mix", type=Path, metavar="RUN",
        help="mean with the weights of the run that this one went on from, or of a file (RUN/start.pt)",
    )  # fmt: skip
    parser.add_argument("--mix-share", type=float, default=0.5, help="share of RUN in the mean (default 0.5)")


def run(args: argparse.Namespace) -> int:
    """Export as the command line says."""
    facts: dict[str, Any] = {"version": "1", "licence": "unspecified"}
    if args.run_folder.suffix == ".json":
        from engine_build.training.exported import load_exported

        if args.mix or args.checkpoint:
            option = "--mix" if args.mix else "--checkpoint"
            raise ArgumentsError(f"{option} with {args.run_folder}", "it is no run", "Export the run with it")
        config, network, facts = load_exported(args.run_folder)
    else:
        config, network = load_trained(args.run_folder, args.checkpoint or "best.pt")
    if args.mix:
        folder, checkpoint = (args.mix.parent, args.mix.name) if args.mix.suffix == ".pt" else (args.mix, "best.pt")
        mix_weights(network, load_trained(folder, checkpoint)[1], args.mix_share)
    given = {"name": args.name or args.out.stem, "version": args.version, "licence": args.licence}
    facts |= {name: value for name, value in given.items() if value}
    sealed_before_mm = facts.pop("lip_seal_mm", 0.0)
    seal_mm = sealed_before_mm if args.seal_mm is None else args.seal_mm
    if seal_mm:
        network = sealed(network, config, seal_mm)
        facts["lip_seal_mm"] = seal_mm
    worst = export_network(network, config, args.out, facts)
    print(f"{args.out}: torch and ONNX Runtime differ by at most {worst:.1e}", file=sys.stderr)
    return 0


def load_trained(folder: Path, checkpoint: str = "best.pt") -> tuple[TrainConfig, Any]:
    """Return the configuration and the network of a run, ready to predict.

    Raises:
        InputError: There is no such run, or it has no such checkpoint.
    """
    import torch

    from engine_build.training.train import build_network

    config = load_config(folder / "config.json")
    try:
        state = torch.load(folder / checkpoint, weights_only=True, map_location="cpu")
    except (OSError, RuntimeError) as err:
        raise InputError(f"weights {folder / checkpoint}", f"cannot be read ({err})", "Train first") from err
    network = build_network(config)
    network.load_state_dict(state.get("average", state["network"]))  # a checkpoint has both, best.pt the average only
    network.masked_channels = list(state.get("masked", ()))
    silence_channels(network, [config.channels.index(name) for name in network.masked_channels])
    network.eval()
    return config, network


def mix_weights(network: Any, other: Any, share: float) -> None:
    """Move a network's weights towards those of another, of which it is a continuation.

    A network that was trained further for one purpose gives up a little of all others; between the two lie networks
    that keep most of both (Wortsman et al., Robust fine-tuning of zero-shot models, arXiv 2109.01903).

    Args:
        network: Changed in place.
        other: Of the same sizes.
        share: 0 leaves the network as it is, 1 makes it the other.

    Raises:
        ConfigurationError: The share is not one.
        InputError: The other is another network.
    """
    import torch

    if not 0.0 <= share <= 1.0:
        raise ConfigurationError(f"mix of {share}", "out of range", "Use a share from 0 to 1")
    ours, theirs = network.state_dict(), other.state_dict()
    if {name: value.shape for name, value in ours.items()} != {name: value.shape for name, value in theirs.items()}:
        raise InputError(
            "weights to mix", "they are of a network of other sizes", "Name the run that this one went on from"
        )
    with torch.no_grad():
        for name, value in ours.items():
            if value.is_floating_point():
                value.lerp_(theirs[name], share)


def sealed(network: Any, config: TrainConfig, seal_mm: float) -> Any:
    """Return the network with lips that all but meet closed behind it.

    Raises:
        ConfigurationError: The distance is not one, or the network has no channel to close lips with.
    """
    from engine_build.network.lip_seal import LipSeal, SealedNetwork

    if not 0.0 < seal_mm <= MAX_SEAL_MM:
        raise ConfigurationError(f"seal of {seal_mm} mm", "out of range", f"Use a value up to {MAX_SEAL_MM}")
    if "mouthClose" not in config.channels:
        raise ConfigurationError("a lip seal", "no channel `mouthClose`", "Leave --seal-mm out")
    closed: Any = SealedNetwork(network, LipSeal(config.channels, seal_mm)).eval()
    closed.masked_channels = list(getattr(network, "masked_channels", ()))
    return closed


def silence_channels(network: Any, indices: Sequence[int]) -> None:
    """Make activations rest for good: nothing has taught them, so that what they show would be chance."""
    import torch

    with torch.no_grad():
        network.face.weight[list(indices)] = 0.0
        network.face.bias[list(indices)] = -20.0  # sigmoid: 2e-9


def export_network(network: Any, config: TrainConfig, manifest_path: Path, facts: Mapping[str, Any]) -> float:
    """Write graph and manifest.

    Args:
        network: A trained network.
        config: Its configuration.
        manifest_path: The JSON file; the graph becomes `<stem>.float32.onnx` beside it.
        facts: `name`, `version`, `licence`, and optional keys of the manifest.

    Returns:
        Largest difference between torch and ONNX Runtime over a stretch of frames.

    Raises:
        ModelError: The written graph does not compute what the network computes.
    """
    import onnx
    import torch

    from engine_build.network.fold import fold_batch_norms

    graph_path = manifest_path.with_name(f"{manifest_path.stem}.float32.onnx")
    graph_path.parent.mkdir(parents=True, exist_ok=True)
    folded = fold_batch_norms(copy.deepcopy(network).eval())
    step, state = _one_frame_step(folded)
    names = list(state)
    unfinished = graph_path.with_suffix(".tmp")
    with torch.no_grad():
        torch.onnx.export(
            step,
            (torch.zeros(feature_shape(config)), *state.values()),
            str(unfinished),
            input_names=["features", *(f"{name}_in" for name in names)],
            output_names=["activations", "head", *(f"{name}_out" for name in names)],
            opset_version=OPSET,
            dynamo=False,
        )
    graph = onnx.load(str(unfinished))
    onnx.checker.check_model(graph, full_check=True)
    worst = _compare(network, unfinished, config, state)
    if not worst <= TOLERANCE:
        raise ModelError(f"export to {graph_path}", f"it differs from torch by {worst:.1e}", "Report this as a bug")
    os.replace(unfinished, graph_path)
    states = [
        {"input": f"{name}_in", "output": f"{name}_out", "shape": list(value.shape)} for name, value in state.items()
    ]
    masked = list(getattr(network, "masked_channels", ()))
    write_manifest(manifest_path, graph_path, config, states, "float32", {"masked_channels": masked, **facts})
    return worst


def _one_frame_step(network: Any) -> tuple[Any, dict[str, Any]]:
    """Return a module of which one call is one frame with flat inputs and outputs, and its state of zeros by name."""
    import torch

    from engine_build.network.stream_frame import stream_frame

    frame = stream_frame(network)
    if frame is not None:
        return frame.eval(), frame.initial_state()
    state = network.initial_state(1)

    class Step(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, features: Any, *before: Any) -> tuple[Any, ...]:
            out = self.network(features[None], dict(zip(state, before, strict=True)))
            return (out.activations[:, 0], out.head_deg[:, 0], *(out.state[name] for name in state))

    return Step().eval(), state


def feature_shape(config: TrainConfig) -> tuple[int, ...]:
    """Return the shape of one frame's features, as the extractor and the graph have it."""
    from engine_build.data.corpus import make_extractor

    shape: tuple[int, ...] = make_extractor(config.feature_spec()).shape
    return shape


def _compare(network: Any, graph_path: Path, config: TrainConfig, zeros: Mapping[str, Any]) -> float:
    """Return the largest difference of activations between torch and ONNX Runtime over random frames with state."""
    import onnxruntime
    import torch

    session = onnxruntime.InferenceSession(str(graph_path), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    state = network.initial_state(1)
    fed = {f"{name}_in": value.numpy() for name, value in zeros.items()}
    worst = 0.0
    for _ in range(N_CHECK_FRAMES):
        features = rng.uniform(-1.2, 0.0, feature_shape(config)).astype(np.float32)
        with torch.no_grad():
            out = network(torch.from_numpy(features)[None], state)
        state = out.state
        results = session.run(None, {"features": features, **fed})
        fed = dict(zip(fed, results[2:], strict=True))
        worst = max(worst, float(np.abs(results[0] - out.activations[:, 0].numpy()).max()))
    return worst


def write_manifest(
    path: Path,
    graph_path: Path,
    config: TrainConfig,
    states: list[dict[str, Any]],
    precision: str,
    facts: Mapping[str, Any],
) -> None:
    """Write the manifest of a graph and read it back with the runtime's own reader."""
    raw = {
        "format": FORMAT,
        "graph": graph_path.name,
        "sha256": hashlib.sha256(graph_path.read_bytes()).hexdigest(),
        "precision": precision,
        "sample_rate_hz": config.sample_rate_hz,
        "frame_rate": list(config.frame_rate),
        "features": dict(config.features),
        "input": "features",
        "state": states,
        "activations": "activations",
        "head": "head",
        "channels": list(config.channels),
        "lookahead_ms": config.lookahead_ms,
        "created": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        **facts,
    }
    write_json(path, raw)
    load_manifest(path)
