"""Write half precision into a graph, for libraries that take precisions from it (TensorRT 11, TensorRT-RTX).

Only products with constant weights, and the leaky ReLU behind them, become half; inputs, outputs, state and everything
that sums over time stay float32. A general converter also rounds the constants of running means, whose error then
gathers: measured 0.0023 instead of 0.000008 (rms of activations).
"""

from __future__ import annotations

from typing import Any

from calibration.onnx_graph import copy_of, replace_nodes

_PRODUCTS = ("Conv", "Gemm", "MatMul")
_FOLLOWERS = ("LeakyRelu", "Relu")


def to_half_precision(model: Any) -> Any:
    """Return a copy of an ONNX model whose products are in half precision."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    result = copy_of(model)
    graph = result.graph
    constants = {t.name: t for t in graph.initializer if t.data_type == TensorProto.FLOAT}
    halves: dict[str, str] = {}  # float tensor -> its half-precision twin
    ordered: list[Any] = []

    def half(name: str) -> str:
        """Return the half-precision twin of a tensor, made where it is first needed."""
        if name not in halves:
            halves[name] = f"{name}_half"
            if name in constants:
                value = numpy_helper.to_array(constants[name]).astype(np.float16)
                graph.initializer.append(numpy_helper.from_array(value, halves[name]))
            else:
                ordered.append(helper.make_node("Cast", [name], [halves[name]], to=TensorProto.FLOAT16))
        return halves[name]

    for node in graph.node:
        is_product = node.op_type in _PRODUCTS and node.input[1] in constants
        is_follower = node.op_type in _FOLLOWERS and node.input[0] in halves
        if is_product or is_follower:
            inputs = [half(name) if name else "" for name in node.input]
            del node.input[:]
            node.input.extend(inputs)
            output = str(node.output[0])
            node.output[0] = halves[output] = f"{output}_half"
            ordered.append(node)
            ordered.append(helper.make_node("Cast", [halves[output]], [output], to=TensorProto.FLOAT))
        else:
            ordered.append(node)
    replace_nodes(result, _without_unread(ordered, {value.name for value in graph.output}))
    return result


def _without_unread(nodes: list[Any], outputs: set[str]) -> list[Any]:
    """Return the nodes without casts that nobody reads."""
    read = {name for node in nodes for name in node.input} | outputs
    return [node for node in nodes if node.op_type != "Cast" or node.output[0] in read]
