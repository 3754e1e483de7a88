"""Write large products in the forms that run as integers: over a map as a convolution, else with the bias behind them.

ONNX Runtime does not fuse a quantised Gemm that has a bias (it dequantises the weight every frame). A convolution it
does fuse, and a Gemm without a bias, which is the faster one where a frame is one row; TensorRT takes all of them. The
numbers are the same. In the paper's network a product over a map is the input product of the recurrent unit: 8192
values, a map of 512 x 4 x 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.graph import MIN_PRODUCT
from calibration.onnx_graph import copy_of, replace_nodes

MIN_WEIGHTS = 1 << 18  # smaller products are a small share of any network's time
_ORDER_KEEPING = ("Reshape", "Flatten", "Gather", "Squeeze", "Unsqueeze", "Identity")


def products_to_convolutions(model: Any) -> Any:
    """Return a copy of the model in which large Gemm and MatMul nodes over flattened maps are convolutions."""
    import onnx
    from onnx import numpy_helper, shape_inference

    result = copy_of(model)
    graph = result.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    shapes = _shapes(shape_inference.infer_shapes(result).graph)
    makers = {name: node for node in graph.node for name in node.output}
    ordered: list[Any] = []
    for node in graph.node:
        weight_name = node.input[1] if len(node.input) > 1 else ""
        if node.op_type not in ("Gemm", "MatMul") or weight_name not in weights:
            ordered.append(node)
            continue
        weight = numpy_helper.to_array(weights[weight_name])
        settings = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        if not settings.get("transB", 0):
            weight = weight.T
        is_plain = settings.get("alpha", 1.0) == settings.get("beta", 1.0) == 1.0 and not settings.get("transA", 0)
        source = _map_behind(str(node.input[0]), makers, shapes) if is_plain and weight.size >= MIN_WEIGHTS else None
        if source is None:
            ordered.append(node)
            continue
        ordered += _convolution(graph, node, np.ascontiguousarray(weight), source, shapes)
    replace_nodes(result, ordered)
    return result


def _shapes(graph: Any) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all tensors that have a fixed one."""
    values = [*graph.input, *graph.value_info, *graph.output]
    return {v.name: tuple(d.dim_value for d in v.type.tensor_type.shape.dim) for v in values}


def _map_behind(
    name: str, makers: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]
) -> tuple[str, tuple[int, ...]] | None:
    """Return the map [1, maps, rows, columns] that a vector is, in the same order, and its name."""
    n_values = int(np.prod(shapes.get(name, (0,))))
    while name in makers and makers[name].op_type in _ORDER_KEEPING:
        name = str(makers[name].input[0])
        shape = shapes.get(name, ())
        if int(np.prod(shape)) != n_values or n_values == 0:
            return None
        if len(shape) == 4 and shape[0] == 1:
            return name, shape
    return None


def _convolution(
    graph: Any,
    node: Any,
    weight: NDArray[np.float32],
    source: tuple[str, tuple[int, ...]],
    shapes: Mapping[str, tuple[int, ...]],
) -> list[Any]:
    """Return the nodes that stand for a product: weight [n_out, n_in] over the whole map."""
    from onnx import helper, numpy_helper

    name, shape = source
    output = str(node.output[0])
    kernel = numpy_helper.from_array(weight.reshape(len(weight), *shape[1:]), f"{node.input[1]}_kernel")
    target = numpy_helper.from_array(np.array(shapes[output], np.int64), f"{output}_shape")
    graph.initializer.extend([kernel, target])
    inputs = [name, kernel.name, *(node.input[2:3] if node.op_type == "Gemm" else [])]
    return [
        helper.make_node("Conv", inputs, [f"{output}_map"], name=f"{node.name}_conv", kernel_shape=list(shape[2:])),
        helper.make_node("Reshape", [f"{output}_map", target.name], [output], name=f"{node.name}_flat"),
    ]


def biases_behind_products(model: Any) -> Any:
    """Return a copy of the model in which a large Gemm of constant weights is a product, and an addition behind it.

    A recurrent product is one of them: half of its time goes into fetching weights, and on the shipped networks its
    error does not come round again (rms of activations 0.00103 instead of 0.00102, as much in the last quarter as in
    the first). Where one costs an activation too much of its correlation, `calibrate` leaves it in float.
    """
    from onnx import helper, numpy_helper

    result = copy_of(model)
    graph = result.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    turned: set[str] = set()
    ordered: list[Any] = []
    for node in graph.node:
        settings = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        is_plain = settings.get("alpha", 1.0) == settings.get("beta", 1.0) == 1.0 and not settings.get("transA", 0)
        is_ours = node.op_type == "Gemm" and is_plain and node.input[1] in weights
        is_ours = is_ours and all(name in weights for name in node.input[2:3])  # what comes from a layer is no bias
        if not is_ours or int(np.prod(weights[node.input[1]].dims)) < MIN_PRODUCT:
            ordered.append(node)
            continue
        weight = str(node.input[1])
        if not settings.get("transB", 0):
            rows = f"{weight}_rows"
            if rows not in turned:  # two products may share a weight
                turned.add(rows)
                values = np.ascontiguousarray(numpy_helper.to_array(weights[weight]).T)
                graph.initializer.append(numpy_helper.from_array(values, rows))
            weight = rows
        output = str(node.output[0])
        bias = list(node.input[2:3])
        product = f"{output}_product" if bias else output
        ordered.append(helper.make_node("Gemm", [node.input[0], weight], [product], name=node.name, transB=1))
        if bias:
            ordered.append(helper.make_node("Add", [product, bias[0]], [output], name=f"{node.name}_bias"))
    replace_nodes(result, ordered)
    return result
