"""A TensorRT whose engines are ONNX files run by ONNX Runtime on the memory of the fake GPU.

Only what edge calls, with the names and parameters of the real bindings (checked in test_tensorrt.py against
TensorRT-RTX's). An engine is FAKE_HEADER and the ONNX bytes.
"""

from __future__ import annotations

import enum
import hashlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

from edge.backends.engine_file import Fingerprint, fingerprint_bytes, sidecar_path
from edge.manifest import Manifest
from tests.fake_cuda import FakeGpu

FAKE_HEADER = b"fake engine 1\n"
VERSION = "10.3.0"


class TensorIOMode(enum.Enum):
    NONE = 0
    INPUT = 1
    OUTPUT = 2


class DataType(enum.Enum):
    FLOAT = 0
    HALF = 1
    INT8 = 2


class LayerInformationFormat(enum.Enum):
    ONELINE = 0
    JSON = 1


class Severity(enum.Enum):
    INTERNAL_ERROR = 0
    ERROR = 1
    WARNING = 2


class ILogger:
    Severity = Severity

    def __init__(self) -> None:
        self.is_made = True


class Dims(tuple):
    """A shape."""


class EngineInspector:
    def __init__(self, engine: ICudaEngine) -> None:
        self._engine = engine

    def get_engine_information(self, format: LayerInformationFormat) -> str:
        return "\n".join(f"{node.op_type} FLOAT" for node in self._engine.model.graph.node)


class IExecutionContext:
    def __init__(self, engine: ICudaEngine) -> None:
        self._engine = engine
        self._addresses: dict[str, int] = {}
        self._gpu = engine.gpu
        self._gpu.events.append("make execution context")

    def __del__(self) -> None:
        self._gpu.events.append("free execution context")

    def set_tensor_address(self, name: str, memory: int) -> bool:
        assert isinstance(memory, int)
        if name not in self._engine.names or name == self._engine.runtime.unbindable:
            return False
        self._addresses[name] = memory
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        if set(self._addresses) != set(self._engine.names):
            self._engine.runtime.logger.log(Severity.ERROR, "IExecutionContext::enqueueV3: address is not set")
            return False
        if self._engine.runtime.fails_to_enqueue:
            self._engine.runtime.logger.log(Severity.ERROR, "enqueueV3: Error Code 1: Cuda Runtime (bad things)")
            return False
        self._gpu.call("execute_async_v3")
        addresses = dict(self._addresses)
        self._gpu.stream(stream_handle).enqueue(lambda: self._run(addresses))
        return True

    def _run(self, addresses: dict[str, int]) -> None:
        engine = self._engine
        fed = {
            value.name: self._gpu.floats(addresses[value.name]).reshape(engine.shape(value))
            for value in engine.model.graph.input
        }
        names = [value.name for value in engine.model.graph.output]
        for name, value in zip(names, engine.session.run(names, fed), strict=True):
            self._gpu.floats(addresses[name])[:] = value.ravel()


class ICudaEngine:
    def __init__(self, runtime: Runtime, content: bytes) -> None:
        import onnx
        import onnxruntime

        self.runtime, self.gpu = runtime, runtime.gpu
        self.model = onnx.load_from_string(content)
        self.session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        self._values = {v.name: v for v in [*self.model.graph.input, *self.model.graph.output]}
        self.names = list(self._values)
        self.gpu.events.append("make engine")

    def __del__(self) -> None:
        self.gpu.events.append("free engine")

    @staticmethod
    def shape(value) -> tuple[int, ...]:
        return tuple(d.dim_value if d.HasField("dim_value") else -1 for d in value.type.tensor_type.shape.dim)

    @property
    def num_io_tensors(self) -> int:
        return len(self.names)

    def get_tensor_name(self, index: int) -> str:
        return self.names[index]

    def get_tensor_shape(self, name: str) -> Dims:
        return Dims(self.shape(self._values[name]))

    def get_tensor_dtype(self, name: str) -> DataType:
        return self.runtime.dtypes.get(name, DataType.FLOAT)

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        is_input = any(value.name == name for value in self.model.graph.input)
        return TensorIOMode.INPUT if is_input else TensorIOMode.OUTPUT

    def create_execution_context(self) -> IExecutionContext | None:
        if self.runtime.is_out_of_memory:
            self.runtime.logger.log(Severity.ERROR, "Error Code 2: OutOfMemory (requested 9 GiB)")
            return None
        return IExecutionContext(self)

    def create_engine_inspector(self) -> EngineInspector:
        return EngineInspector(self)


class Runtime:
    gpu: FakeGpu
    is_out_of_memory = False
    fails_to_enqueue = False
    unbindable = ""
    dtypes: dict[str, DataType] = {}  # noqa: RUF012

    def __init__(self, logger: ILogger) -> None:
        assert logger.is_made, "the real bindings crash where ILogger.__init__ was not called"
        self.logger = logger
        self.gpu.events.append("make runtime")

    def __del__(self) -> None:
        self.gpu.events.append("free runtime")

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> ICudaEngine | None:
        self.gpu.call("deserialize_cuda_engine")
        if not serialized_engine.startswith(FAKE_HEADER):
            self.logger.log(
                Severity.ERROR, "IRuntime::deserializeCudaEngine: Error Code 1: Serialization\n (magic tag)"
            )
            return None
        return ICudaEngine(self, serialized_engine[len(FAKE_HEADER) :])


PUBLIC = (ILogger, Runtime, ICudaEngine, IExecutionContext, EngineInspector)
ENUMS = (TensorIOMode, DataType, LayerInformationFormat)


def install(monkeypatch: pytest.MonkeyPatch, gpu: FakeGpu, name: str = "tensorrt") -> type[Runtime]:
    """Put the fake where edge imports it from; TensorRT-RTX is then not installed.

    Returns:
        The runtime class, whose attributes make it fail.
    """
    module = ModuleType(name)

    class BoundRuntime(Runtime):
        pass

    BoundRuntime.gpu = gpu
    module.__version__ = VERSION  # type: ignore[attr-defined]
    for item in (ILogger, ICudaEngine, IExecutionContext, EngineInspector, *ENUMS):
        setattr(module, item.__name__, item)
    module.Runtime = BoundRuntime  # type: ignore[attr-defined]
    for other in ("tensorrt", "tensorrt_rtx", "tensorrt_rtx_bindings"):
        monkeypatch.setitem(sys.modules, other, None)
    monkeypatch.setitem(sys.modules, name, module)
    return BoundRuntime


def write_fingerprint(engine: Path, fingerprint: Fingerprint) -> None:
    """Write an engine's sidecar."""
    sidecar_path(engine).write_bytes(fingerprint_bytes(fingerprint))


def write_fake_engine(engine: Path, manifest: Manifest, **changes: object) -> Path:
    """Write an engine of a network for the fake GPU, with its fingerprint."""
    content = FAKE_HEADER + manifest.graph_path.read_bytes()
    engine.write_bytes(content)
    facts: dict[str, object] = {
        "model_name": manifest.name, "model_sha256": manifest.sha256, "library": "tensorrt", "library_version": VERSION,
        "gpu": "Orin", "compute_capability": "8.7", "precision": "int8", "options": {},
        "engine_sha256": hashlib.sha256(content).hexdigest(), "engine_bytes": len(content), "built": "", "build_s": 0.0,
    }  # fmt: skip
    write_fingerprint(engine, Fingerprint(**(facts | changes)))  # type: ignore[arg-type]
    return engine
