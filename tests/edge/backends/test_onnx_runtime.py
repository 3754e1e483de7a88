"""Files that ONNX Runtime must refuse with a message a person can act on."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from edge.backends.onnx_runtime import OnnxRuntimeBackend
from edge.errors import BackendError, ModelError
from tests.requirements import need
from tests.tiny_network import make_graph, write_network

need("onnxruntime", importlib.util.find_spec("onnxruntime") is not None, "pip install onnxruntime")


def test_a_missing_network_is_named(tmp_path: Path) -> None:
    manifest = write_network(tmp_path)
    manifest.graph_path.unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        OnnxRuntimeBackend().open(manifest)


def test_a_truncated_network_is_told_from_a_whole_one(tmp_path: Path) -> None:
    manifest = write_network(tmp_path)
    manifest.graph_path.write_bytes(manifest.graph_path.read_bytes()[:-100])
    with pytest.raises(ModelError, match="truncated or another file"):
        OnnxRuntimeBackend().open(manifest)


@pytest.mark.parametrize("content", [b"", b"RIFF....WAVE", b"\x00" * 1000], ids=["empty", "wav", "zeros"])
def test_a_file_that_is_no_network_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ModelError, match=r"ONNX Runtime .* cannot load it|cannot be read as ONNX"):
        OnnxRuntimeBackend().open(write_network(tmp_path, content))


def test_a_network_with_a_dynamic_axis_is_refused(tmp_path: Path) -> None:
    model = make_graph()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    with pytest.raises(ModelError, match=r"input 'features' has shape \?x2x3, not fixed"):
        OnnxRuntimeBackend().open(write_network(tmp_path, model.SerializeToString()))


def test_a_batch_of_more_than_one_is_refused(tmp_path: Path) -> None:
    model = make_graph()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 3
    with pytest.raises(ModelError):
        OnnxRuntimeBackend().open(write_network(tmp_path, model.SerializeToString()))


def test_an_unknown_operator_is_named(tmp_path: Path) -> None:
    model = make_graph()
    model.graph.node[6].op_type = "Tangent"
    with pytest.raises(ModelError, match="Tangent"):
        OnnxRuntimeBackend().open(write_network(tmp_path, model.SerializeToString()))


def test_a_missing_package_is_named_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = write_network(tmp_path)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(BackendError, match="pip install onnxruntime"):
        OnnxRuntimeBackend().open(manifest)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "pip install onnxruntime" in OnnxRuntimeBackend().probe(manifest)


def test_products_of_8_bit_weights_do_not_saturate(tmp_path: Path) -> None:
    """A network that another program quantised: on x86 without VNNI 255 * 127 * 2 does not fit in the 16 bits there."""
    from onnx import helper, numpy_helper

    model = make_graph()
    constants = {
        "map": np.array([1, 6, 1, 1], np.int64), "zero": np.int8(0), "in_step": np.float32(1 / 127),
        "kernel": np.full((3, 6, 1, 1), 127, np.int8), "steps": np.full(3, 1 / 127, np.float32),
        "zeros": np.zeros(3, np.int8), "bias": np.zeros(3, np.float32), "out_step": np.float32(6 / 127),
        "row": np.array([1, 3], np.int64),
    }  # fmt: skip
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items())
    nodes = [node for node in model.graph.node if node.output[0] not in ("h", "t", "head")]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.graph.node.extend(
        helper.make_node(kind, inputs, [output], **more)
        for kind, inputs, output, more in (
            ("Reshape", ["features", "map"], "m", {}),
            ("QuantizeLinear", ["m", "in_step", "zero"], "m_q", {}),
            ("DequantizeLinear", ["m_q", "in_step", "zero"], "m_dq", {}),
            ("DequantizeLinear", ["kernel", "steps", "zeros"], "w_dq", {"axis": 0}),
            ("Conv", ["m_dq", "w_dq", "bias"], "y", {}),
            ("QuantizeLinear", ["y", "out_step", "zero"], "y_q", {}),
            ("DequantizeLinear", ["y_q", "out_step", "zero"], "y_dq", {}),
            ("Reshape", ["y_dq", "row"], "head", {}),
        )
    )
    session = OnnxRuntimeBackend().open(write_network(tmp_path, model.SerializeToString()))
    session.features[:] = 1.0
    session.step()
    np.testing.assert_allclose(session.head_deg, 6.0, rtol=1e-5)
