"""Put quantise/dequantise pairs into an ONNX graph: the one form that ONNX Runtime is fast with and TensorRT accepts.

Symmetric int8, of which weights use seven bits (WEIGHT_LEVELS); a scale per output channel of each weight, one per
activation tensor; biases stay in float (TensorRT refuses int32 biases behind DequantizeLinear). A pair also stands
right behind a convolution: without it ONNX Runtime falls back to float (measured). Before a leaky ReLU it has the
scale of what comes after: what is positive is then the same number, and what is negative is multiplied by 0.01
afterwards.
A product without a bias needs no pair behind it: what it multiplies in integers it gives as float numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.onnx_graph import copy_of, replace_nodes
from edge.errors import ModelError

# Seven bits of a weight: x86 without VNNI adds two products of an activation (0 to 255 there) and a weight in 16 bits
# and saturates. 2 * 255 * 64 = 32640 fits, in every library; 127 does not, and costs more than what it resolves.
WEIGHT_LEVELS = 64
MIN_WEIGHTS = 4096  # a smaller convolution (the first one) costs more to quantise than it saves
MIN_PRODUCT = 1 << 17  # of a product with one row: smaller ones save less than the operations around them take
_ACTIVATIONS = ("LeakyRelu", "Relu")
_ZERO = "int8_zero"


@dataclass(frozen=True)
class QuantisedNode:
    """A convolution or a product that is to run in int8.

    Attributes:
        name: Its output tensor, which is unique.
        data: Tensor that flows in: needs a scale.
        weight: Initialiser.
        scaled_by: Tensor whose scale its output gets: behind the leaky ReLU that alone reads it, else the output. None
            of a product, whose output stays in float.
    """

    name: str
    data: str
    weight: str
    scaled_by: str | None


def quantised_nodes(model: Any) -> list[QuantisedNode]:
    """Return the convolutions and products that are worth it, in graph order.

    Raises:
        ModelError: There are none.
    """
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    readers: dict[str, list[Any]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    found = []
    for node in model.graph.node:
        is_product = _is_product(node)
        if not (is_product or node.op_type == "Conv") or node.input[1] not in weights:
            continue
        if int(np.prod(weights[node.input[1]].dims)) < (MIN_PRODUCT if is_product else MIN_WEIGHTS):
            continue
        output, data, weight = str(node.output[0]), str(node.input[0]), str(node.input[1])
        if is_product:
            found.append(QuantisedNode(output, data, weight, None))
            continue
        following = readers.get(output, [])
        is_activated = len(following) == 1 and following[0].op_type in _ACTIVATIONS
        scaled_by = str((following[0] if is_activated else node).output[0])
        found.append(QuantisedNode(output, data, weight, scaled_by))
    if not found:
        raise ModelError(
            f"quantising {model.graph.name or 'the network'}",
            f"it has no convolution with {MIN_WEIGHTS} constant weights or more",
            "Give the float32 network that `engine_build export` wrote",
        )
    return found


def _is_product(node: Any) -> bool:
    """Return whether a node is a product with rows of weights and no bias: see `biases_behind_products`."""
    turned = any(a.name == "transB" and a.i == 1 for a in node.attribute)
    return bool(node.op_type == "Gemm" and len(node.input) == 2 and turned)


def observed_tensors(nodes: list[QuantisedNode]) -> list[str]:
    """Return the tensors whose magnitudes decide the scales, each once."""
    names = [name for node in nodes for name in (node.data, node.scaled_by) if name is not None]
    return list(dict.fromkeys(names))


def weight_steps(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the step of each output channel, float32 [n_out]: its largest weight is 64 steps."""
    largest = np.abs(weight).reshape(len(weight), -1).max(axis=1)
    steps: NDArray[np.float32] = (np.maximum(largest, 1e-8) / WEIGHT_LEVELS).astype(np.float32)
    return steps


def insert_pairs(model: Any, nodes: list[QuantisedNode], steps: Mapping[str, float]) -> Any:
    """Return a copy of the model with Q/DQ pairs.

    Args:
        model: Float ONNX model.
        nodes: From `quantised_nodes`.
        steps: What one step of int8 means, for each of `observed_tensors`.
    """
    from onnx import numpy_helper

    result = copy_of(model)
    graph = result.graph
    graph.initializer.append(numpy_helper.from_array(np.zeros((), np.int8), _ZERO))
    writer = _PairWriter(graph, steps)
    by_name = {node.name: node for node in nodes}
    behind: dict[str, str] = {}
    for node in list(graph.node):
        quantised = by_name.get(str(node.output[0])) if node.output else None
        for i, name in enumerate(node.input):
            if name in behind:
                node.input[i] = behind[name]
        if quantised is not None:
            node.input[0] = writer.pair(quantised.data, steps[quantised.data])
            node.input[1] = writer.weight(quantised.weight)
        writer.nodes.append(node)
        if quantised is not None and quantised.scaled_by is not None:
            behind[quantised.name] = writer.pair(quantised.name, steps[quantised.scaled_by])
    replace_nodes(result, writer.nodes)
    return result


class _PairWriter:
    """Collect the nodes of the new graph in order."""

    def __init__(self, graph: Any, steps: Mapping[str, float]) -> None:
        self.nodes: list[Any] = []
        self._graph = graph
        self._weights = {tensor.name: tensor for tensor in graph.initializer}
        self._made: dict[str, str] = {}

    def pair(self, tensor: str, step: float) -> str:
        """Append the pair of a tensor, once, and return the name behind it."""
        from onnx import helper, numpy_helper

        if tensor not in self._made:
            scale, quantised, after = f"{tensor}_scale", f"{tensor}_q", f"{tensor}_dq"
            self._graph.initializer.append(numpy_helper.from_array(np.array(step, np.float32), scale))
            self.nodes.append(helper.make_node("QuantizeLinear", [tensor, scale, _ZERO], [quantised], name=quantised))
            self.nodes.append(helper.make_node("DequantizeLinear", [quantised, scale, _ZERO], [after], name=after))
            self._made[tensor] = after
        return self._made[tensor]

    def weight(self, name: str) -> str:
        """Store a weight as int8, once, and return the name of its dequantised form."""
        from onnx import helper, numpy_helper

        if name not in self._made:
            value = numpy_helper.to_array(self._weights[name])
            step = weight_steps(value)
            spread = step.reshape(-1, *[1] * (value.ndim - 1))
            rounded = np.clip(np.rint(value / spread), -WEIGHT_LEVELS, WEIGHT_LEVELS).astype(np.int8)
            parts: dict[str, NDArray[Any]] = {
                f"{name}_q": rounded,
                f"{name}_scale": step,
                f"{name}_zero": np.zeros(len(step), np.int8),
            }
            self._graph.initializer.extend(numpy_helper.from_array(array, part) for part, array in parts.items())
            self.nodes.append(
                helper.make_node("DequantizeLinear", list(parts), [f"{name}_dq"], name=f"{name}_dq", axis=0)
            )
            self._made[name] = f"{name}_dq"
        return self._made[name]
