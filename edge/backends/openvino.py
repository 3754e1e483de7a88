"""The network on the CPU by OpenVINO: an alternative where the network is large.

Measured against ONNX Runtime with int8 networks, one thread: 1.14 times as fast on the paper's, 1.05 on the small one,
for 45 MB more of memory; hence an option that `auto` does not take.
"""

from __future__ import annotations

import importlib.util
from typing import Any

from edge.backends.cpu_session import CpuSession
from edge.backends.graph_interface import TensorFacts, check_interface
from edge.errors import BackendError, ModelError
from edge.manifest import Manifest

_SETTINGS = {
    "INFERENCE_NUM_THREADS": 1,
    "NUM_STREAMS": 1,
    "PERFORMANCE_HINT": "LATENCY",
    "INFERENCE_PRECISION_HINT": "f32",  # what is not int8 stays float32, also where bfloat16 would be faster
}
_INSTALL = "pip install openvino"


class OpenVinoBackend:
    """OpenVINO on the CPU."""

    name = "openvino"

    def probe(self, manifest: Manifest) -> str | None:
        """Return None where openvino is installed, else what to do."""
        if importlib.util.find_spec("openvino") is None:
            return f"openvino is not installed: {_INSTALL}"
        return None

    def open(self, manifest: Manifest) -> OpenVinoSession:
        """Load the network.

        Raises:
            ModelError: The file is missing, damaged, not ONNX, or disagrees with the manifest.
            BackendError: openvino is missing or cannot be loaded.
        """
        content = manifest.verify_graph()
        try:
            import openvino
        except ImportError as err:
            raise BackendError("backend openvino", f"the package cannot be loaded: {err}", _INSTALL) from err
        asked = f"network {manifest.graph_path}"
        core = openvino.Core()
        try:
            model = core.read_model(content)
            inputs, outputs = ([_facts(port) for port in ports] for ports in (model.inputs, model.outputs))
        except RuntimeError as err:
            found = f"OpenVINO {openvino.__version__} cannot read it: {_last_line(err)}"
            raise ModelError(asked, found, "Export it again, or choose backend onnxruntime") from err
        feature_shape = check_interface(manifest, asked, inputs, outputs)
        try:
            compiled = core.compile_model(model, "CPU", _SETTINGS)
        except RuntimeError as err:
            raise BackendError(asked, f"OpenVINO cannot compile it: {_last_line(err)}", "Use onnxruntime") from err
        return OpenVinoSession(compiled, openvino.Tensor, manifest, feature_shape)


class OpenVinoSession(CpuSession):
    """The network with its state; made by `OpenVinoBackend.open`.

    Args:
        compiled: The library's compiled model.
        tensor: The library's tensor class.
        manifest: Names and shapes, already checked.
        feature_shape: Shape of the feature input.
    """

    def __init__(self, compiled: Any, tensor: Any, manifest: Manifest, feature_shape: tuple[int, ...]) -> None:
        super().__init__(manifest, feature_shape, "OpenVINO")
        self._requests: list[Any] = []
        for side in range(2):
            request = compiled.create_infer_request()
            for name, array in {**self.inputs(side), **self.outputs(side)}.items():
                request.set_tensor(name, tensor(array, shared_memory=True))
            self._requests.append(request)

    def run_side(self, side: int) -> None:
        """Run the network on the buffers of a side."""
        try:
            self._requests[side].infer(share_outputs=True)
        except RuntimeError as err:
            raise BackendError(self._asked, _last_line(err), "Restart; if it comes again, report it") from err

    def release(self) -> None:
        """Let the library go."""
        self._requests = []


def _facts(port: Any) -> TensorFacts:
    """Return what OpenVINO says of an input or output."""
    shape = tuple(int(d.get_length()) if d.is_static else None for d in port.get_partial_shape())
    dtype = str(port.get_element_type().to_dtype().name)
    return TensorFacts(str(port.get_any_name()), shape, dtype)


def _last_line(err: Exception) -> str:
    """Return the part of a library's message that a person can use: it puts source lines first."""
    lines = [line.strip() for line in str(err).splitlines() if line.strip()]
    return lines[-1] if lines else type(err).__name__
