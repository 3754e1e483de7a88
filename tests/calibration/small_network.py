"""A small convolutional network with a recurrent state on log-mel columns, as the float network to be quantised."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

CHANNELS = ("jawOpen", "mouthPucker", "mouthSmileLeft", "browInnerUp")
FEATURES = {
    "kind": "log_mel", "n_fft": 512, "hop": 245, "n_columns": 2, "n_mels": 20, "fmin_hz": 100.0, "fmax_hz": 7000.0,
    "floor_db": -70.0, "offset_db": 30.0, "scale_db": 60.0,
}  # fmt: skip


def make_small_network(outlier: float = 1.0):
    """Return the ONNX model: [1, 20, 2] -> two conv 32 with leaky ReLU -> product -> mean with state -> face.

    Args:
        outlier: Factor of the largest weight in each row of the product: the steps of that layer become as coarse.
    """
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(7)

    def draw(*shape: int, gain: float = 1.4) -> np.ndarray:
        return (rng.standard_normal(shape) * gain / np.sqrt(np.prod(shape[1:]))).astype(np.float32)

    constants = {
        "as_map": np.array([1, 1, 20, 2], np.int64), "flat_shape": np.array([1, 1280], np.int64),
        "w1": draw(32, 1, 3, 1), "b1": draw(32, 1)[:, 0], "w2": draw(32, 32, 5, 1), "b2": draw(32, 1)[:, 0],
        "wi": draw(256, 1280), "bi": draw(256, 1)[:, 0], "wh": draw(256, 256, gain=0.8), "half": np.float32([0.5]),
        "wf": draw(len(CHANNELS), 256), "wt": draw(3, 256, gain=5.0),
    }  # fmt: skip
    constants["wi"][np.arange(256), np.abs(constants["wi"]).argmax(axis=1)] *= outlier
    nodes = [
        helper.make_node("Reshape", ["features", "as_map"], ["m"]),
        helper.make_node("Conv", ["m", "w1", "b1"], ["c1"], pads=[1, 0, 1, 0]),
        helper.make_node("LeakyRelu", ["c1"], ["l1"], alpha=0.01),
        helper.make_node("Conv", ["l1", "w2", "b2"], ["c2"], pads=[2, 0, 2, 0]),
        helper.make_node("LeakyRelu", ["c2"], ["l2"], alpha=0.01),
        helper.make_node("Reshape", ["l2", "flat_shape"], ["flat"]),
        helper.make_node("Gemm", ["flat", "wi", "bi"], ["i"], transB=1),
        helper.make_node("Gemm", ["hidden_in", "wh"], ["h"], transB=1),
        helper.make_node("Add", ["i", "h"], ["s"]),
        helper.make_node("Tanh", ["s"], ["t"]),
        helper.make_node("Add", ["t", "hidden_in"], ["u"]),
        helper.make_node("Mul", ["u", "half"], ["hidden_out"]),
        helper.make_node("Gemm", ["hidden_out", "wf"], ["f"], transB=1),
        helper.make_node("Sigmoid", ["f"], ["activations"]),
        helper.make_node("Gemm", ["hidden_out", "wt"], ["head"], transB=1),
    ]

    def value(name: str, *shape: int):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    for node in nodes:
        node.name = f"node_{node.output[0]}"
    graph = helper.make_graph(
        nodes,
        "small",
        [value("features", 1, 20, 2), value("hidden_in", 1, 256)],
        [value("activations", 1, len(CHANNELS)), value("head", 1, 3), value("hidden_out", 1, 256)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def write_small_network(folder: Path, content: bytes | None = None, **changes: object) -> Path:
    """Write graph and manifest and return the manifest's path."""
    content = make_small_network().SerializeToString() if content is None else content
    (folder / "small.float32.onnx").write_bytes(content)
    values = {
        "format": "au-edge-model/1", "name": "small", "version": "1", "graph": "small.float32.onnx",
        "sha256": hashlib.sha256(content).hexdigest(), "precision": "float32", "sample_rate_hz": 14700,
        "frame_rate": [30, 1], "features": FEATURES, "input": "features",
        "state": [{"input": "hidden_in", "output": "hidden_out", "shape": [1, 256]}], "activations": "activations",
        "head": "head", "channels": list(CHANNELS), "lookahead_ms": 0, "licence": "CC0-1.0", **changes,
    }  # fmt: skip
    path = folder / "small.float32.json"
    path.write_text(json.dumps(values))
    return path
