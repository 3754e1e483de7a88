"""Keep a float network in half the bytes: its large weights are stored in half precision and widened when it is loaded.

And the way back from int8, for whoever trains a network further whose float weights are too big to come along.

Only what a file holds becomes smaller. Every library widens the weights once, at load, and computes in float32. A
rounded weight is off by at most a 2048th of itself, a sixteenth of what int8 rounds (measured on the shipped networks:
rms of activations 0.000005, largest 0.00014). Constants that sum over time are small and stay float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from calibration.onnx_graph import copy_of, replace_nodes

MIN_WEIGHTS = 4096  # smaller ones would save nothing
_PRODUCTS = ("Conv", "Gemm", "MatMul")
_STORED = "_stored"


def narrow(model: Any) -> Any:
    """Return a copy of a float32 ONNX model whose large weights are stored in half precision, each behind a Cast."""
    from onnx import TensorProto, helper, numpy_helper

    result = copy_of(model)
    read = {name for node in result.graph.node if node.op_type in _PRODUCTS for name in node.input[1:2]}
    casts = []
    for tensor in result.graph.initializer:
        is_large = int(np.prod(tensor.dims)) >= MIN_WEIGHTS
        if tensor.name not in read or not is_large or tensor.data_type != TensorProto.FLOAT:
            continue
        name = str(tensor.name)
        halves = numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(numpy_helper.from_array(halves, f"{name}{_STORED}"))
        casts.append(
            helper.make_node("Cast", [f"{name}{_STORED}"], [name], name=f"{name}_widened", to=TensorProto.FLOAT)
        )
    replace_nodes(result, [*casts, *result.graph.node])
    return result


def widen(model: Any) -> Any:
    """Return a copy of an ONNX model in which no weight is behind a Cast: what `narrow` stored is float32 again."""
    from onnx import TensorProto, numpy_helper

    result = copy_of(model)
    graph = result.graph
    stored = {t.name: t for t in graph.initializer if t.data_type == TensorProto.FLOAT16}
    others = []
    for node in graph.node:
        target = next((int(a.i) for a in node.attribute if a.name == "to"), None)
        if node.op_type == "Cast" and node.input[0] in stored and target == TensorProto.FLOAT:
            values = numpy_helper.to_array(stored[node.input[0]]).astype(np.float32)
            graph.initializer.append(numpy_helper.from_array(values, str(node.output[0])))
        else:
            others.append(node)
    replace_nodes(result, others)
    return result


def dequantise(model: Any) -> Any:
    """Return a copy of an int8 ONNX model as a float32 one: weights as they were rounded, activations not rounded.

    The weights have the names that they had before `calibration.graph` quantised them.
    """
    from onnx import numpy_helper

    result = copy_of(model)
    graph = result.graph
    stored = {str(tensor.name): numpy_helper.to_array(tensor) for tensor in graph.initializer}
    others, source = [], {}
    for node in graph.node:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
            others.append(node)
            continue
        source[str(node.output[0])] = str(node.input[0])
        if node.input[0] in stored and node.op_type == "DequantizeLinear":
            levels, step, zero = (stored[name] for name in node.input)
            axis = next((int(a.i) for a in node.attribute if a.name == "axis"), 1)
            shape = [-1 if i == axis and step.ndim else 1 for i in range(levels.ndim)]
            values = (levels.astype(np.float32) - zero.reshape(shape)) * step.reshape(shape)
            name = str(node.input[0]).removesuffix("_q")
            source[str(node.output[0])] = name
            graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), name))
    for node in others:
        for i, name in enumerate(node.input):
            while name in source:
                name = source[name]
            node.input[i] = name
    replace_nodes(result, others)
    return result
