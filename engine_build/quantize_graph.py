"""Put quantise/dequantise pairs into an ONNX graph: symmetric int8, weight scales per output channel, float biases.

The form is the one that ONNX Runtime fuses and TensorRT parses: Q/DQ before each quantised convolution and right after
it, before its leaky ReLU (ONNX Runtime makes no integer product without the second); weights stored as int8 with a
DequantizeLinear. Where the scales come from is the caller's business.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]
INT8_LIMIT = 127  # symmetric: -128 is never used


@dataclass(frozen=True)
class QuantizableNode:
    """A convolution whose products may be done in int8.

    Attributes:
        name: Of the node.
        data: Tensor that flows in.
        weight: Initialiser.
        output: Tensor that flows out, before its activation function.
    """

    name: str
    data: str
    weight: str
    output: str


def quantizable_nodes(model: Any, keep_float: Collection[str] = ()) -> list[QuantizableNode]:
    """Return the convolutions with constant weights, in graph order.

    Args:
        model: ONNX model.
        keep_float: Names of weights, or parts of them, that stay in float.
    """
    constants = {tensor.name for tensor in model.graph.initializer}
    found = []
    for node in model.graph.node:
        if node.op_type != "Conv" or node.input[1] not in constants:
            continue
        if any(part in node.input[1] for part in keep_float):
            continue
        found.append(QuantizableNode(node.name, node.input[0], node.input[1], node.output[0]))
    return found


def calibrated_tensors(nodes: list[QuantizableNode]) -> list[str]:
    """Return the activations that need a scale, each once."""
    names: dict[str, None] = {}
    for node in nodes:
        names[node.data] = None
        names[node.output] = None
    return list(names)


def weight_scales(weight: Float32Array) -> Float32Array:
    """Return a scale per output channel (axis 0) from its largest absolute value."""
    largest = np.abs(weight).reshape(len(weight), -1).max(axis=1)
    scales: Float32Array = (np.maximum(largest, 1e-8) / INT8_LIMIT).astype(np.float32)
    return scales


def insert_pairs(
    model: Any,
    nodes: list[QuantizableNode],
    scales: Mapping[str, float],
    choose_weight_scales: Callable[[Float32Array], Float32Array] = weight_scales,
) -> Any:
    """Return a copy of the model with Q/DQ pairs.

    Args:
        model: Float ONNX model.
        nodes: From `quantizable_nodes`.
        scales: Of each of `calibrated_tensors`: what one step of int8 means.
        choose_weight_scales: Weight [n_out, ...] -> scales [n_out].
    """
    import onnx
    from onnx import helper, numpy_helper

    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    zero = numpy_helper.from_array(np.zeros((), np.int8), "int8_zero")
    graph.initializer.append(zero)
    by_name = {node.name: node for node in nodes}
    shared: dict[str, str] = {}
    ordered: list[Any] = []

    def pair(tensor: str) -> str:
        """Append a pair for a tensor (once) and return its dequantised name."""
        if tensor not in shared:
            scale = f"{tensor}_scale"
            graph.initializer.append(numpy_helper.from_array(np.float32(scales[tensor]).reshape(()), scale))
            ordered.append(helper.make_node("QuantizeLinear", [tensor, scale, zero.name], [f"{tensor}_q"]))
            ordered.append(helper.make_node("DequantizeLinear", [f"{tensor}_q", scale, zero.name], [f"{tensor}_dq"]))
            shared[tensor] = f"{tensor}_dq"
        return shared[tensor]

    renamed: dict[str, str] = {}
    for node in graph.node:
        for i, name in enumerate(node.input):
            node.input[i] = renamed.get(name, name)
        quantized = by_name.get(node.name)
        if quantized is None:
            ordered.append(node)
            continue
        node.input[0] = renamed.get(quantized.data) or pair(quantized.data)
        weight = numpy_helper.to_array(weights[quantized.weight])
        scale = choose_weight_scales(weight)
        node.input[1] = _store_weight(graph, ordered, quantized.weight, weight, scale)
        ordered.append(node)
        renamed[quantized.output] = pair(quantized.output)
    nodes_now = [onnx.NodeProto() for _ in ordered]
    for copy, node in zip(nodes_now, ordered, strict=True):
        copy.CopyFrom(node)
    del graph.node[:]
    graph.node.extend(nodes_now)
    _drop_unused(graph)
    onnx.checker.check_model(result, full_check=True)
    return result


def _store_weight(graph: Any, ordered: list[Any], name: str, weight: Float32Array, scale: Float32Array) -> str:
    """Store a weight as int8 and return the name of its dequantised form."""
    from onnx import helper, numpy_helper

    spread = scale.reshape(-1, *[1] * (weight.ndim - 1))
    rounded = np.clip(np.rint(weight / spread), -INT8_LIMIT, INT8_LIMIT).astype(np.int8)
    graph.initializer.append(numpy_helper.from_array(rounded, f"{name}_q"))
    graph.initializer.append(numpy_helper.from_array(scale.astype(np.float32), f"{name}_scale"))
    graph.initializer.append(numpy_helper.from_array(np.zeros(len(scale), np.int8), f"{name}_zero"))
    inputs = [f"{name}_q", f"{name}_scale", f"{name}_zero"]
    ordered.append(helper.make_node("DequantizeLinear", inputs, [f"{name}_dq"], axis=0))
    return f"{name}_dq"


def _drop_unused(graph: Any) -> None:
    """Remove initialisers that no node reads any more."""
    read = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)
