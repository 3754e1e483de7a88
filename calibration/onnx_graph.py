"""Give an ONNX graph other nodes: the last step of every rewriting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edge.errors import ModelError


def parse_onnx(content: bytes, asked: str) -> Any:
    """Return the ONNX model in a file's bytes.

    Args:
        content: The file's bytes.
        asked: The file, for the message.

    Raises:
        ModelError: It is no ONNX.
    """
    import onnx

    try:
        model = onnx.load_from_string(content)
        onnx.checker.check_model(model)
    except Exception as err:  # protobuf's and onnx's errors have no common base below Exception
        raise ModelError(asked, f"it is no valid ONNX ({str(err).splitlines()[0]})", "Export it again") from err
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
