"""A network of a few neurons as ONNX with its manifest, and the same arithmetic in numpy as the oracle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edge.manifest import Manifest, load_manifest

FEATURE_SHAPE = (1, 2, 3)
N_HIDDEN = 4
CHANNELS = ("jawOpen", "mouthPucker", "mouthSmileLeft", "browInnerUp", "eyeBlinkLeft")


def weights() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(11)
    shapes = {"w": (6, N_HIDDEN), "u": (N_HIDDEN, N_HIDDEN), "v": (N_HIDDEN, len(CHANNELS)), "z": (N_HIDDEN, 3)}
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


class Reference:
    """The tiny network in numpy."""

    def __init__(self) -> None:
        self.hidden = np.zeros((1, N_HIDDEN), np.float32)
        self.count = np.zeros((1, 1), np.float32)
        self.weights = weights()

    def step(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        w = self.weights
        self.hidden = np.tanh(features.reshape(1, 6) @ w["w"] + self.hidden @ w["u"] + 0.1 * self.count)
        self.count = self.count + 1
        activations = 1 / (1 + np.exp(-(self.hidden @ w["v"])))
        return activations[0], 30 * np.tanh(self.hidden @ w["z"])[0]


def make_graph():
    """Return the ONNX model."""
    from onnx import TensorProto, helper, numpy_helper

    def value(name: str, shape: tuple[int, ...]):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    constants = weights() | {
        "flat": np.array([1, 6], np.int64), "tenth": np.float32([0.1]), "one": np.float32([1]),
        "range": np.float32([30]),
    }  # fmt: skip
    nodes = [
        helper.make_node("Reshape", ["features", "flat"], ["f"]),
        helper.make_node("MatMul", ["f", "w"], ["fw"]),
        helper.make_node("MatMul", ["hidden", "u"], ["hu"]),
        helper.make_node("Mul", ["count", "tenth"], ["c"]),
        helper.make_node("Add", ["fw", "hu"], ["s"]),
        helper.make_node("Add", ["s", "c"], ["p"]),
        helper.make_node("Tanh", ["p"], ["hidden_next"]),
        helper.make_node("Add", ["count", "one"], ["count_next"]),
        helper.make_node("MatMul", ["hidden_next", "v"], ["a"]),
        helper.make_node("Sigmoid", ["a"], ["activations"]),
        helper.make_node("MatMul", ["hidden_next", "z"], ["h"]),
        helper.make_node("Tanh", ["h"], ["t"]),
        helper.make_node("Mul", ["t", "range"], ["head"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [value("features", FEATURE_SHAPE), value("hidden", (1, N_HIDDEN)), value("count", (1, 1))],
        [
            value("activations", (1, len(CHANNELS))),
            value("head", (1, 3)),
            value("hidden_next", (1, N_HIDDEN)),
            value("count_next", (1, 1)),
        ],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def manifest_values(content: bytes) -> dict[str, object]:
    """Return the manifest's JSON values for a graph's bytes."""
    return {
        "format": "au-edge-model/1", "name": "tiny", "version": "1", "graph": "tiny.onnx",
        "sha256": hashlib.sha256(content).hexdigest(), "precision": "float32", "sample_rate_hz": 44100,
        "frame_rate": [30, 1], "features": {"kind": "tiny"}, "input": "features",
        "state": [
            {"input": "hidden", "output": "hidden_next", "shape": [1, N_HIDDEN]},
            {"input": "count", "output": "count_next", "shape": [1, 1]},
        ],
        "activations": "activations", "head": "head", "channels": list(CHANNELS), "lookahead_ms": 0,
        "licence": "CC0-1.0",
    }  # fmt: skip


def write_network(
    folder: Path, content: bytes | None = None, change: Callable[[dict[str, object]], object] | None = None
) -> Manifest:
    """Write network and manifest and load the manifest.

    Args:
        folder: Where to.
        content: Other bytes than the tiny network's.
        change: Edits the manifest's values in place before they are written.
    """
    if content is None:
        content = make_graph().SerializeToString()
    (folder / "tiny.onnx").write_bytes(content)
    values = manifest_values(content)
    if change is not None:
        change(values)
    path = folder / "tiny.json"
    path.write_text(json.dumps(values))
    return load_manifest(path)
