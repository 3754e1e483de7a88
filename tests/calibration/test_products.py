"""Products of one row of numbers with many weights: their form in int8, and what the libraries make of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from calibration.graph import MIN_PRODUCT, insert_pairs, observed_tensors, quantised_nodes
from calibration.rewrite import biases_behind_products
from edge.backends.tensorrt_library import find_library
from tests.requirements import need, need_module

onnx = need_module("onnx")
onnxruntime = need_module("onnxruntime")

N_IN, N_OUT = 512, 256
Run = Callable[[bytes, Any], Any]


def product(turned: int = 1, bias: bool = True) -> Any:
    """Return a network of one product and a leaky ReLU: [1, N_IN] -> [1, N_OUT]."""
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    weight = (rng.standard_normal((N_OUT, N_IN)) * rng.uniform(0.1, 2.0, (N_OUT, 1)) / np.sqrt(N_IN)).astype(np.float32)
    constants = {"w": weight if turned else np.ascontiguousarray(weight.T), "b": rng.standard_normal(N_OUT)}
    names = ["x", "w", "b"] if bias else ["x", "w"]
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", names, ["c"], name="product", transB=turned),
            helper.make_node("LeakyRelu", ["c"], ["y"], name="leaky", alpha=0.01),
        ],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, N_IN])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, N_OUT])],
        [numpy_helper.from_array(constants[name].astype(np.float32), name) for name in names[1:]],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def in_int8(model: Any) -> bytes:
    rewritten = biases_behind_products(model)
    content: bytes = insert_pairs(rewritten, quantised_nodes(rewritten), {"x": 3.5 / 127}).SerializeToString()
    return content


def by_onnx_runtime(content: bytes, x: Any) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]


def by_openvino(content: bytes, x: Any) -> Any:
    openvino = need_module("openvino")
    core = openvino.Core()
    return core.compile_model(core.read_model(content), "CPU")([x])[0]


def numbers() -> Any:
    return np.random.default_rng(3).standard_normal((1, N_IN)).clip(-3.5, 3.5).astype(np.float32)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("turned", [0, 1])
def test_a_bias_behind_a_product_changes_nothing(turned: int, bias: bool) -> None:
    assert N_IN * N_OUT >= MIN_PRODUCT
    model = product(turned, bias)
    rewritten = biases_behind_products(model)
    x = numbers()
    np.testing.assert_allclose(
        by_onnx_runtime(rewritten.SerializeToString(), x), by_onnx_runtime(model.SerializeToString(), x), atol=1e-5
    )
    assert [n.op_type for n in rewritten.graph.node] == ["Gemm", *(["Add"] if bias else []), "LeakyRelu"]
    nodes = quantised_nodes(rewritten)
    assert observed_tensors(nodes) == ["x"]  # the output stays in float


@pytest.mark.parametrize("run", [by_onnx_runtime, by_openvino])
@pytest.mark.parametrize("turned", [0, 1])
def test_int8_says_what_float_says(run: Run, turned: int) -> None:
    x, model = numbers(), product(turned)
    reference = by_onnx_runtime(model.SerializeToString(), x)
    error = run(in_int8(model), x) - reference
    assert np.sqrt(np.mean(np.square(error))) < 0.02 * np.sqrt(np.mean(np.square(reference)))


def test_onnx_runtime_multiplies_integers(tmp_path: Any) -> None:
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(in_int8(product()), options, providers=["CPUExecutionProvider"])
    kinds = [node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node]
    assert kinds == ["QuantizeLinear", "QGemm", "Add", "LeakyRelu"]


def test_tensorrt_builds_it() -> None:
    from engine_build.engine.tensorrt_build import BuildOptions, build_engine

    library = find_library("tensorrt_rtx")
    need("tensorrt_rtx", not isinstance(library, str), str(library))
    built = build_engine("tensorrt_rtx", onnx.load_from_string(in_int8(product())), BuildOptions("int8"), "product")
    assert any("INT8" in line for line in built.layers)


def test_small_products_and_sums_of_two_layers_stay_as_they_are() -> None:
    from onnx import TensorProto, helper, numpy_helper

    weight = np.zeros((N_OUT, N_IN), np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["x", "w", "x2"], ["c"], name="sum", transB=1),
            helper.make_node("Gemm", ["c", "small", "b"], ["y"], name="small_product", transB=1),
        ],
        "others",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, k]) for n, k in (("x", N_IN), ("x2", N_OUT))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8])],
        [
            numpy_helper.from_array(weight, "w"),
            numpy_helper.from_array(np.zeros((8, N_OUT), np.float32), "small"),
            numpy_helper.from_array(np.zeros(8, np.float32), "b"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    assert biases_behind_products(model).graph == model.graph


def test_a_weight_of_two_products_is_turned_once() -> None:
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(6)
    weight = (rng.standard_normal((N_IN, N_IN)) / np.sqrt(N_IN)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "w"], ["c"], name="a"), helper.make_node("Gemm", ["c", "w"], ["y"], name="b")],
        "twice",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, N_IN])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, N_IN])],
        [numpy_helper.from_array(weight, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    x = numbers()
    said = by_onnx_runtime(biases_behind_products(model).SerializeToString(), x)
    np.testing.assert_allclose(said, x @ weight @ weight, atol=1e-4)
