"""Look at an ONNX file before TensorRT does: what it would refuse, said with the layer and the remedy.

Source: TensorRT's ONNX parser takes only symmetric int8 with float biases (an int32 bias behind DequantizeLinear is
refused, so are non-zero zero points), opset 17 at most in version 8.6 (`parse_onnx`), and every shape must be fixed.
"""

from __future__ import annotations

from typing import Any

from calibration.onnx_graph import parse_onnx
from calibration.stored_weights import widen
from edge.backends.graph_interface import TensorFacts, check_interface
from edge.errors import ModelError
from edge.manifest import Manifest

N_NAMED = 4  # a mistake of the exporter is in every layer: a few show which
_RUNTIME_ONLY = {
    "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger", "DynamicQuantizeLinear", "Loop", "If", "Scan",
}  # fmt: skip
_REMEDY = "Quantise the float32 network with `python -m calibration quantize`, which writes the form that builds"


def check_graph(content: bytes, manifest: Manifest) -> Any:
    """Return the ONNX model, with float32 weights, after checking that it can become an engine.

    Args:
        content: The file's bytes.
        manifest: Its manifest.

    Raises:
        ModelError: It is no ONNX, disagrees with the manifest, or has what TensorRT refuses; layers are named.
    """
    asked = f"network {manifest.graph_path}"
    model = widen(parse_onnx(content, asked))
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [_facts(value) for value in model.graph.input if value.name not in constants]
    check_interface(manifest, asked, inputs, [_facts(value) for value in model.graph.output])
    mistakes = _operator_mistakes(model) + _quantisation_mistakes(model)
    if mistakes:
        more = [f"{len(mistakes) - N_NAMED} more layers"] if len(mistakes) > N_NAMED else []
        found = "; ".join([*mistakes[:N_NAMED], *more])
        raise ModelError(asked, f"TensorRT would refuse it: {found}", _REMEDY)
    return model


def _facts(value: Any) -> TensorFacts:
    """Return what ONNX says of an input or output."""
    from onnx import TensorProto

    kind = value.type.tensor_type
    shape = tuple(int(d.dim_value) if d.HasField("dim_value") else None for d in kind.shape.dim)
    name = TensorProto.DataType.Name(kind.elem_type).lower()
    return TensorFacts(value.name, shape, "float32" if name == "float" else name)


def _operator_mistakes(model: Any) -> list[str]:
    """Return the layers that only ONNX Runtime knows, or that TensorRT cannot have in a fixed frame."""
    mistakes = []
    for node in model.graph.node:
        if node.domain not in ("", "ai.onnx"):
            mistakes.append(f"layer {_name(node)} is {node.domain}.{node.op_type}, an operator of ONNX Runtime alone")
        elif node.op_type in _RUNTIME_ONLY:
            mistakes.append(f"layer {_name(node)} is {node.op_type}")
    return mistakes


def _quantisation_mistakes(model: Any) -> list[str]:
    """Return the Q/DQ layers that are not symmetric int8."""
    import numpy as np
    from onnx import TensorProto, numpy_helper

    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    mistakes = []
    for node in model.graph.node:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
            continue
        data = constants.get(node.input[0])
        if node.op_type == "DequantizeLinear" and data is not None and data.data_type == TensorProto.INT32:
            mistakes.append(f"layer {_name(node)} dequantises the int32 bias {data.name!r}: leave biases in float")
            continue
        zero = constants.get(node.input[2]) if len(node.input) > 2 else None
        if zero is None:
            mistakes.append(f"layer {_name(node)} has no constant zero point: it would be unsigned")
        elif zero.data_type != TensorProto.INT8:
            kind = TensorProto.DataType.Name(zero.data_type).lower()
            mistakes.append(f"layer {_name(node)} is {kind}: only signed int8 builds")
        elif np.any(numpy_helper.to_array(zero)):
            mistakes.append(f"layer {_name(node)} has a zero point that is not 0: only symmetric int8 builds")
    return mistakes


def _name(node: Any) -> str:
    """Return a layer's name, or that of what it makes."""
    return repr(str(node.name or node.output[0]))
