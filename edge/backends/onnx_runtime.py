"""The network on the CPU by ONNX Runtime: one thread, buffers bound once, state by ping-pong.

A frame is one call on bound buffers, without copies and without arrays made. One thread, because two cost five times
the CPU and miss more deadlines (measured); denormals count as zero, since a state that decays in silence would slow
every frame.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np

from edge.backends.cpu_session import CpuSession
from edge.backends.graph_interface import TensorFacts, check_interface
from edge.errors import BackendError, ModelError
from edge.manifest import Manifest

# Products of int8 that do not saturate on x86 without VNNI; no effect on other processors. Where a network's weights
# use all eight bits, as those of `paper` do, saturation cost an activation 0.13 of its correlation.
EXACT_PRODUCTS = ("session.x64quantprecision", "1")
_PROVIDER = "CPUExecutionProvider"
_SETTINGS = {
    "session.intra_op.allow_spinning": "0",
    "session.inter_op.allow_spinning": "0",
    "session.set_denormal_as_zero": "1",
    EXACT_PRODUCTS[0]: EXACT_PRODUCTS[1],
}
_LOG_ERRORS_ONLY = 3  # ONNX Runtime's severity; what matters comes as an exception


class OnnxRuntimeBackend:
    """ONNX Runtime on the CPU: runs everywhere."""

    name = "onnxruntime"

    def probe(self, manifest: Manifest) -> str | None:
        """Return None where onnxruntime is installed, else what to do."""
        if importlib.util.find_spec("onnxruntime") is None:
            return "onnxruntime is not installed: pip install onnxruntime"
        return None

    def open(self, manifest: Manifest) -> OnnxRuntimeSession:
        """Load the network.

        Raises:
            ModelError: The file is missing, damaged, not ONNX, or disagrees with the manifest.
            BackendError: onnxruntime is missing or cannot be loaded.
        """
        content = manifest.verify_graph()
        try:
            import onnxruntime
        except ImportError as err:
            raise BackendError(
                "backend onnxruntime", f"the package cannot be loaded: {err}", "pip install onnxruntime"
            ) from err
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = _LOG_ERRORS_ONLY
        for key, value in _SETTINGS.items():
            options.add_session_config_entry(key, value)
        asked = f"network {manifest.graph_path}"
        try:
            session = onnxruntime.InferenceSession(content, options, providers=[_PROVIDER])
        except Exception as err:  # its errors have no common base below Exception
            raise ModelError(
                asked,
                f"ONNX Runtime {onnxruntime.__version__} cannot load it: {_first_line(err)}",
                "Export it again, or update onnxruntime where the file is newer than the library",
            ) from err
        feature_shape = check_interface(
            manifest,
            asked,
            [_facts(node) for node in session.get_inputs()],
            [_facts(node) for node in session.get_outputs()],
        )
        return OnnxRuntimeSession(session, manifest, feature_shape)


class OnnxRuntimeSession(CpuSession):
    """The network with its state; made by `OnnxRuntimeBackend.open`.

    Args:
        session: The library's session.
        manifest: Names and shapes, already checked.
        feature_shape: Shape of the feature input.
    """

    def __init__(self, session: Any, manifest: Manifest, feature_shape: tuple[int, ...]) -> None:
        super().__init__(manifest, feature_shape, "ONNX Runtime")
        self._session: Any = session
        self._bindings = [self._bind(side) for side in range(2)]

    def run_side(self, side: int) -> None:
        """Run the network on the buffers of a side."""
        try:
            self._session.run_with_iobinding(self._bindings[side])
        except Exception as err:  # its errors have no common base below Exception
            raise BackendError(self._asked, _first_line(err), "Restart; if it comes again, report it") from err

    def release(self) -> None:
        """Let the library go."""
        self._bindings = []
        self._session = None

    def _bind(self, side: int) -> Any:
        """Bind every input and output to its buffer."""
        binding = self._session.io_binding()
        for name, array in self.inputs(side).items():
            binding.bind_input(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        for name, array in self.outputs(side).items():
            binding.bind_output(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        return binding


def _facts(node: Any) -> TensorFacts:
    """Return what ONNX Runtime says of an input or output."""
    shape = tuple(d if isinstance(d, int) else None for d in node.shape)
    dtype = str(node.type).removeprefix("tensor(").removesuffix(")")
    return TensorFacts(str(node.name), shape, "float32" if dtype == "float" else dtype)


def _first_line(err: Exception) -> str:
    """Return the part of a library's message that a person can use."""
    return str(err).strip().splitlines()[0] if str(err).strip() else type(err).__name__
