"""An engine at work: execution contexts bound once, state by ping-pong on the device, a CUDA graph where it works.

Two execution contexts: one reads state A and writes state B, the other the reverse. A frame is then: features over (if
memory is not shared), one launch, results back, wait. Nothing is allocated.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge.backends.cuda import Buffer, DeviceMemory, Gpu
from edge.backends.cuda_graph import CudaGraph, record
from edge.backends.graph_interface import TensorFacts, check_interface
from edge.backends.tensorrt_library import Messages, load_library, make_logger
from edge.errors import BackendError, ModelError
from edge.frames import Float32Array
from edge.manifest import Manifest

if TYPE_CHECKING:
    import tensorrt as trt

_log = logging.getLogger("au-edge")
REBUILD = "Build again on this machine: python -m engine_build build MANIFEST --force"


class TensorRtSession:
    """An engine with its state; made by `TensorRtBackend.open`.

    Args:
        gpu: Open, on this thread; closed with the session.
        library_name: "tensorrt" or "tensorrt_rtx".
        path: Of the engine, for messages.
        manifest: Names and shapes.
    """

    def __init__(self, gpu: Gpu, library_name: str, path: Path, manifest: Manifest) -> None:
        self._gpu = gpu
        self._library_name = library_name
        self._asked = f"engine {path}"
        self._manifest = manifest
        self._explaining = gpu.explaining(f"running {self._asked}")
        self._messages = Messages()
        self._logger = make_logger(load_library(library_name), self._messages)
        self._runtime: trt.Runtime | None = None
        self._engine: trt.ICudaEngine | None = None
        self._contexts: list[trt.IExecutionContext] = []
        self._graphs: list[CudaGraph] = []
        self._states: list[list[DeviceMemory]] = []
        self._turn = 0
        self._closed = False
        self.graph_refusal = ""

    def load(self, content: bytes) -> None:
        """Deserialise the engine and bind its tensors.

        Raises:
            ModelError: The library refuses it, or it disagrees with the manifest.
            BackendError: Memory is short.
        """
        manifest = self._manifest
        self._runtime, engine = load_engine(self._library_name, self._logger, self._messages, self._asked, content)
        self._engine = engine
        feature_shape = check_interface(manifest, self._asked, *_tensors(self._library_name, engine))
        self._features: Buffer = self._gpu.buffer(feature_shape)
        self._activations: Buffer = self._gpu.buffer((1, manifest.n_channels))
        self._head: Buffer = self._gpu.buffer((1, 3))
        self._activations_row: Float32Array = self._activations.host[0]
        self._head_row: Float32Array = self._head.host[0]
        sizes = [4 * int(np.prod(state.shape)) for state in manifest.state]
        self._states = [[self._gpu.memory(size) for size in sizes] for _ in range(2)]
        for turn in range(2):
            self._contexts.append(self._bind(engine, self._states[turn], self._states[1 - turn]))

    @property
    def features(self) -> Float32Array:
        """Return the input buffer."""
        return self._features.host

    @property
    def activations(self) -> Float32Array:
        """Return the output buffer [n_channels]."""
        return self._activations_row

    @property
    def head_deg(self) -> Float32Array:
        """Return the output buffer [3]."""
        return self._head_row

    @property
    def uses_graph(self) -> bool:
        """Return whether frames are launched as recorded CUDA graphs."""
        return bool(self._graphs)

    def prepare(self, use_graph: bool) -> None:
        """Run both sides once, as recording demands, and record them."""
        for turn in range(2):
            self._enqueue(turn)
        self._gpu.synchronize()
        if use_graph:
            self._record()
        self.reset()

    def step(self) -> None:
        """Run one frame.

        Raises:
            BackendError: CUDA or the engine failed, or the session is closed.
        """
        if self._closed:
            raise BackendError(self._asked, "the session is closed", "Open the backend again")
        with self._explaining:
            if self._graphs:
                self._graphs[self._turn].launch()
            else:
                self._enqueue(self._turn)
            self._gpu.synchronize()
        self._turn = 1 - self._turn

    def reset(self) -> None:
        """Begin a stream anew: the state is zero."""
        with self._explaining:
            for side in self._states:
                for memory in side:
                    memory.clear()
            self._gpu.synchronize()
        self._turn = 0

    def warm_up(self, n_frames: int) -> None:
        """Run frames of zeros and reset."""
        self._features.host.fill(0)
        for _ in range(n_frames):
            self.step()
        self.reset()

    def layers(self) -> list[str]:
        """Return one line per layer of the engine, with its precision, as the library's inspector says."""
        if TYPE_CHECKING:
            import tensorrt as trt
        else:
            trt = load_library(self._library_name)
        if self._engine is None or not hasattr(self._engine, "create_engine_inspector"):
            return []
        text = self._engine.create_engine_inspector().get_engine_information(trt.LayerInformationFormat.ONELINE)
        return str(text).splitlines()

    def close(self) -> None:
        """Let go in reverse: graphs, contexts, engine, runtime, buffers, stream, CUDA context; may be called twice."""
        if self._closed:
            return
        self._closed = True
        for graph in self._graphs:
            graph.close()
        self._graphs = []
        # The library frees with the last reference: contexts before their engine, the engine before its runtime.
        self._contexts = []
        self._engine = None
        self._runtime = None
        if self._states:
            self._activations_row, self._head_row = self._activations_row.copy(), self._head_row.copy()
        self._gpu.close()

    def _bind(
        self, engine: trt.ICudaEngine, before: list[DeviceMemory], after: list[DeviceMemory]
    ) -> trt.IExecutionContext:
        """Return a new execution context with every tensor at its address."""
        manifest = self._manifest
        context = engine.create_execution_context()
        if context is None:
            remedy = "Close other programs that use the GPU, or build with a smaller --workspace-mib"
            raise BackendError(self._asked, f"no execution context: {self._messages.last()}", remedy)
        addresses = {
            manifest.input: self._features.address,
            manifest.activations: self._activations.address,
            manifest.head: self._head.address,
        }
        for state, memory_before, memory_after in zip(manifest.state, before, after, strict=True):
            addresses |= {state.input: memory_before.address, state.output: memory_after.address}
        for name, address in addresses.items():
            if not context.set_tensor_address(name, address):
                raise BackendError(self._asked, f"tensor {name!r} cannot be bound: {self._messages.last()}", REBUILD)
        return context

    def _enqueue(self, turn: int) -> None:
        """Put one frame's work on the stream."""
        self._features.to_device()
        if not self._contexts[turn].execute_async_v3(self._gpu.stream_handle):
            raise BackendError(self._asked, f"the frame cannot be run: {self._messages.last()}", REBUILD)
        self._activations.to_host()
        self._head.to_host()

    def _record(self) -> None:
        """Record both sides, or go on without."""
        recorded: list[CudaGraph] = []
        for enqueue in (_of_turn(self._enqueue, 0), _of_turn(self._enqueue, 1)):
            graph = record(self._gpu.stream_handle, enqueue)
            if isinstance(graph, str):
                for other in recorded:
                    other.close()
                self.graph_refusal = graph
                _log.info("tensorrt: frames are launched one by one: %s", graph)
                return
            recorded.append(graph)
        self._graphs = recorded


def _of_turn(enqueue: Callable[[int], None], turn: int) -> Callable[[], None]:
    """Return the call for one side."""
    return lambda: enqueue(turn)


def load_engine(
    library_name: str, logger: trt.ILogger, messages: Messages, asked: str, content: bytes
) -> tuple[trt.Runtime, trt.ICudaEngine]:
    """Return the library's runtime and the engine."""
    if TYPE_CHECKING:
        import tensorrt as trt
    else:
        trt = load_library(library_name)
    runtime = trt.Runtime(logger)
    engine = runtime.deserialize_cuda_engine(content)
    if engine is None:
        raise ModelError(asked, f"{library_name} {trt.__version__} cannot load it: {messages.last()}", REBUILD)
    return runtime, engine


def _tensors(library_name: str, engine: trt.ICudaEngine) -> tuple[list[TensorFacts], list[TensorFacts]]:
    """Return an engine's inputs and outputs."""
    if TYPE_CHECKING:
        import tensorrt as trt
    else:
        trt = load_library(library_name)
    sides: dict[Any, list[TensorFacts]] = {trt.TensorIOMode.INPUT: [], trt.TensorIOMode.OUTPUT: []}
    for i in range(engine.num_io_tensors):
        name = engine.get_tensor_name(i)
        dims = engine.get_tensor_shape(name)
        shape = tuple(None if dims[axis] < 0 else int(dims[axis]) for axis in range(len(dims)))
        dtype = engine.get_tensor_dtype(name)
        text = "float32" if dtype == trt.DataType.FLOAT else str(dtype).rsplit(".", 1)[-1].lower()
        sides[engine.get_tensor_mode(name)].append(TensorFacts(name, shape, text))
    return sides[trt.TensorIOMode.INPUT], sides[trt.TensorIOMode.OUTPUT]
