"""Begin a training run with weights that are there: a checkpoint of another run, or a network that was exported.

An exported network holds everything but what only training has: the heads for phones and lip geometry begin anew, and
its batch norms, which an export folds into the convolutions, are set so that the network first computes what the graph
computes. Those in `calibration/networks` come with the package in float; of one that is too big for that (`paper`), the
int8 network in `edge/models` will do: its large weights are rounded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import InputError

TRAINING_HEADS = ("phones.", "geometry.")  # parameters that no export has


def start_weights(path: Path, network: Any, features: NDArray[np.float32]) -> None:
    """Give a network the weights that a run begins with.

    Args:
        path: `best.pt` of a run, or the manifest (`.json`) of an exported float32 network or of an int8 one.
        network: Changed in place.
        features: [batch, n_frames, ...] of training, to set the batch norms by where the weights come from an export.

    Raises:
        InputError: The file cannot be read, or its weights are another network's.
    """
    import pickle

    import torch

    if path.suffix == ".json":
        _take_export(path, network, features)
        return
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")["network"]
        network.load_state_dict(state)
    except (OSError, EOFError, pickle.UnpicklingError, RuntimeError, KeyError) as err:
        raise InputError(
            f"weights to start from, {path}", f"cannot be used ({err})", "Give best.pt of a run of the same network"
        ) from err


def _take_export(path: Path, network: Any, features: NDArray[np.float32]) -> None:
    import torch

    from calibration.float_network import read_network
    from calibration.onnx_graph import parse_onnx
    from calibration.stored_weights import dequantise
    from edge.manifest import load_manifest
    from engine_build.network.fold import folded_pairs

    manifest = load_manifest(path)
    if manifest.precision == "int8":
        model = dequantise(parse_onnx(manifest.verify_graph(), f"network {manifest.graph_path}"))
    else:
        model = read_network(manifest)[0]
    found = exported_weights(model, float(manifest.frame_rate))
    pairs = folded_pairs(network)
    biases = {}
    for name, convolution, _ in pairs:
        biases[name] = found.pop(f"{name}.bias", np.zeros(convolution.out_channels, np.float32))
    ours = network.state_dict()
    norms = {id(norm) for _, _, norm in pairs}
    inside = tuple(f"{name}." for name, module in network.named_modules() if id(module) in norms)
    wanted = {name for name in ours if not name.startswith((*TRAINING_HEADS, *inside))}
    asked = f"weights to start from, {path}"
    missing = sorted(name for name in wanted if name not in found)
    wrong = sorted(name for name in wanted & found.keys() if found[name].shape != tuple(ours[name].shape))
    if missing or wrong:
        what = f"no {', '.join(missing[:4])}" if missing else f"other sizes of {', '.join(wrong[:4])}"
        raise InputError(asked, what, "Set `network`, `options` and `features` to those of that network")
    network.load_state_dict(
        {name: torch.from_numpy(np.ascontiguousarray(found[name])) for name in wanted}, strict=False
    )
    _set_norms(network, pairs, biases, features)


def exported_weights(model: Any, frames_per_s: float = 30.0) -> dict[str, NDArray[np.float32]]:
    """Return the weights of an exported graph under the names that the network has for them.

    Most keep their name, behind that of the wrappers around the network; products written as MatMul hold theirs
    transposed under a number, and are known by the name of their node.

    Args:
        model: The ONNX model.
        frames_per_s: Its frames a second.
    """
    from onnx import numpy_helper

    from engine_build.network.layers import MEAN_PRIOR_S
    from engine_build.network.stream_frame import network_weights

    stored = {tensor.name: numpy_helper.to_array(tensor).astype(np.float32) for tensor in model.graph.initializer}
    found = {_own_name(name, "."): value for name, value in stored.items() if not name.startswith("onnx::")}
    if "prior_sum" in found:  # written frame by frame
        columns = int(model.graph.input[0].type.tensor_type.shape.dim[2].dim_value)
        return network_weights(found, columns, MEAN_PRIOR_S * frames_per_s)
    for node in model.graph.node:
        numbered = [name for name in node.input if name.startswith("onnx::") and name in stored]
        if not numbered:
            continue
        place = _own_name(node.name.lstrip("/"), "/").split("/")
        value = stored[numbered[0]]
        if node.op_type == "MatMul":
            found[".".join([*place[:-1], "weight"])] = value.T
        elif node.op_type == "Conv":  # a product with whole maps; its bias kept the name
            found[_own_name(node.input[2], ".").replace("bias", "weight")] = value.reshape(len(value), -1)
        elif node.op_type == "Add" and place[0] == "normalise":
            found["normalise.mean_prior"] = value / (MEAN_PRIOR_S * frames_per_s)
    return found


def _own_name(name: str, separator: str) -> str:
    """Take the wrappers off a name: the one frame's, and the lip seal's."""
    while name.startswith(f"network{separator}"):
        name = name[len(f"network{separator}") :]
    return name


def _set_norms(
    network: Any, pairs: list[tuple[str, Any, Any]], biases: dict[str, NDArray[np.float32]], features: Any
) -> None:
    """Let every norm give back what it takes away: the statistics of its input, and the folded bias behind them."""
    import torch

    batch = torch.from_numpy(np.ascontiguousarray(features))
    for name, _, norm in pairs:  # in order: each is measured behind norms that are set already
        seen: list[Any] = []
        hook = norm.register_forward_pre_hook(lambda module, given, seen=seen: seen.append(given[0]))
        network.eval()
        with torch.no_grad():
            network(batch, network.initial_state(len(batch)))
            hook.remove()
            mean, variance = seen[0].mean(dim=(0, 2, 3)), seen[0].var(dim=(0, 2, 3), unbiased=False)
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(variance)
            norm.weight.copy_(torch.sqrt(variance + norm.eps))
            norm.bias.copy_(mean + torch.from_numpy(biases[name]))
