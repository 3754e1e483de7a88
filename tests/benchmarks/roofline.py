"""The least time that this processor could take for a network, probed in the process that runs the network.

Each layer takes the longer of its products at the processor's peak and its weights at the speed of memory; layers come
one after another. Activations are not counted: they stay in the cache.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

NO_INSTRUCTION = "no integer product instruction of this processor is known to roofline.c"
_SOURCE = Path(__file__).with_name("roofline.c")
_N_PRODUCT_STEPS = 200_000  # about 2 ms
_READ_BYTES = 9_400_000  # the paper's weights in int8: what has to come from memory every frame


@dataclass(frozen=True)
class Layer:
    """Products with constant weights.

    Attributes:
        n_products: Multiply-adds of a frame.
        n_weights: Numbers.
        is_int8: Else float32.
    """

    n_products: int
    n_weights: int
    is_int8: bool


@dataclass(frozen=True)
class Peak:
    """What the processor did at most in a probe, per second."""

    float32_products: float
    int8_products: float
    bytes_read: float


class Prober:
    """The compiled probe.

    Args:
        folder: Where it is compiled.

    Raises:
        RuntimeError: There is no compiler, or the processor has no integer product instruction that is known here.
    """

    def __init__(self, folder: Path) -> None:
        if shutil.which("gcc") is None:
            raise RuntimeError("gcc is not installed")
        library = folder / "roofline.so"
        command = ["gcc", "-O3", "-march=native", "-shared", "-fPIC", str(_SOURCE), "-o", str(library)]
        subprocess.run(command, check=True, capture_output=True)
        self._library = ctypes.CDLL(str(library))
        for name in ("float32_products", "int8_products", "bytes_read"):
            getattr(self._library, name).restype = ctypes.c_double
        self._buffer = np.ones(_READ_BYTES // 8, np.int64)
        if self.probe().int8_products == 0:
            raise RuntimeError(NO_INSTRUCTION)

    def probe(self) -> Peak:
        """Return the peaks of this moment."""
        n = ctypes.c_long(_N_PRODUCT_STEPS)
        return Peak(
            self._library.float32_products(n),
            self._library.int8_products(n),
            self._library.bytes_read(ctypes.c_void_p(self._buffer.ctypes.data), ctypes.c_size_t(len(self._buffer))),
        )


def layers_of(path: Path) -> list[Layer]:
    """Return the products of an ONNX graph with constant weights, quantised by Q/DQ or not."""
    import onnx
    from onnx import numpy_helper, shape_inference

    graph = shape_inference.infer_shapes(onnx.load(str(path))).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    makers = {output: node for node in graph.node for output in node.output}
    shapes = {
        value.name: [d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*graph.value_info, *graph.output)
    }
    found = []
    for node in graph.node:
        if node.op_type not in ("Conv", "Gemm", "MatMul") or len(node.input) < 2:
            continue
        name, is_int8 = node.input[1], False
        while name not in constants and name in makers and makers[name].input:
            is_int8 |= makers[name].op_type == "DequantizeLinear"
            name = makers[name].input[0]
        if name not in constants:
            continue
        n_weights = int(constants[name].size)
        n_places = int(np.prod(shapes[node.output[0]][2:])) if node.op_type == "Conv" else 1
        found.append(Layer(n_weights * n_places, n_weights, is_int8))
    return found


def least_ms(layers: list[Layer], peak: Peak) -> float:
    """Return the least time in milliseconds."""
    total_s = 0.0
    for layer in layers:
        products = peak.int8_products if layer.is_int8 else peak.float32_products
        n_bytes = layer.n_weights * (1 if layer.is_int8 else 4)
        total_s += max(layer.n_products / products, n_bytes / peak.bytes_read)
    return total_s * 1000
