"""Give an ONNX graph other nodes: the last step of every rewriting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edge.errors import ModelError

MIN_OPSET, MAX_OPSET = 13, 17  # a scale per channel came with 13; TensorRT 8.6 reads up to 17


def parse_onnx(content: bytes, asked: str) -> Any:
    """Return the ONNX model in a file's bytes, after checking opset, operators, types and shapes.

    Args:
        content: The file's bytes.
        asked: The file, for the message.

    Raises:
        ModelError: It is no ONNX, or of an opset that we do not read, or wrong in itself.
    """
    import onnx

    export = "Export it again: python -m engine_build export RUN --out NAME.json"
    try:
        model = onnx.load_from_string(content)
        opsets = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
        # Before the rest: of another opset nearly everything is wrong, and says so in words that mislead.
        if len(model.graph.node) and not (opsets and MIN_OPSET <= opsets[0] <= MAX_OPSET):
            found = f"its opset is {opsets[0] if opsets else 'missing'}, not {MIN_OPSET} to {MAX_OPSET}"
            raise ModelError(asked, found, export)
        onnx.checker.check_model(model, full_check=True)
    except ModelError:
        raise
    except Exception as err:  # protobuf's and onnx's errors have no common base below Exception
        raise ModelError(asked, f"it is no valid ONNX ({str(err).splitlines()[0]})", export) from err
    return model


def copy_of(model: Any) -> Any:
    """Return a copy of a model that can be changed."""
    import onnx

    result = onnx.ModelProto()
    result.CopyFrom(model)
    return result


def replace_nodes(model: Any, nodes: Sequence[Any]) -> None:
    """Give a model these nodes in place of its own, drop the constants that nobody reads any more, and check it.

    Args:
        model: Changed in place.
        nodes: In order; they may be the model's own.
    """
    import onnx

    graph = model.graph
    # Copies, since clearing the graph's list takes its own nodes with it.
    ordered = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(ordered)
    read = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    onnx.checker.check_model(model, full_check=True)
