"""From an ONNX model to an engine, by TensorRT 8.6 to 11 or TensorRT-RTX: what a version can do is asked of it.

A library that knows strong typing (10 and later, RTX) takes the precisions from the graph, so that half precision has
to be written into it. One that does not (8.6) chooses itself within what flags allow; there the layers that sum over
time are asked to stay in float32, since the network's running means forget slowly and half precision would bend them.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge.backends.tensorrt_library import Messages, load_library, make_logger
from edge.errors import BackendError, ModelError
from engine_build.engine.half_precision import to_half_precision

if TYPE_CHECKING:
    import tensorrt as trt

PRECISIONS = ("int8", "fp16", "fp32")
_WEAK_FLAGS = {"int8": ("INT8",), "fp16": ("FP16", "PREFER_PRECISION_CONSTRAINTS"), "fp32": ()}


@dataclass(frozen=True)
class BuildOptions:
    """How to build.

    Attributes:
        precision: One of `PRECISIONS`.
        workspace_mib: Memory that a layer may use while it runs.
        optimization_level: 0 to 5, how long to search for fast kernels; None for the library's own.
    """

    precision: str
    workspace_mib: int = 256
    optimization_level: int | None = None


@dataclass(frozen=True)
class BuiltEngine:
    """What a build gave.

    Attributes:
        content: The engine.
        layers: Name, kind and output types of each layer, as parsed.
        typing: "weak" or "strong".
        seconds: How long it took.
    """

    content: bytes
    layers: list[str]
    typing: str
    seconds: float


def is_weakly_typed(library: Any) -> bool:
    """Return whether a library knows only flags for precisions (8.6), and not the graph's own types.

    One that has neither those flags nor a name for strong typing knows nothing else than the graph's types (11).
    """
    has_flags = hasattr(library.BuilderFlag, "INT8")
    return has_flags and not hasattr(library.NetworkDefinitionCreationFlag, "STRONGLY_TYPED")


def build_engine(library_name: str, model: Any, options: BuildOptions, asked: str) -> BuiltEngine:
    """Parse and build.

    Args:
        library_name: "tensorrt" or "tensorrt_rtx".
        model: ONNX model, already checked.
        options: How.
        asked: The file, for messages.

    Raises:
        ModelError: The parser refuses the graph; the layers are named.
        BackendError: The builder fails (memory, GPU), or the library cannot be loaded.
    """
    if TYPE_CHECKING:
        import tensorrt as trt
    else:
        trt = load_library(library_name)
    begin = time.monotonic()
    weak = is_weakly_typed(trt)
    if options.precision == "fp16" and not weak:
        model = to_half_precision(model)
    messages = Messages()
    logger = make_logger(trt, messages)
    builder = trt.Builder(logger)
    if builder is None:
        raise BackendError(asked, f"{library_name} has no builder here: {messages.last()}", "Build on the device")
    network = builder.create_network(_network_flags(trt, weak))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(model.SerializeToString()):
        reasons = [_parser_error(parser.get_error(i)) for i in range(parser.num_errors)]
        found = "; ".join(reasons) or messages.last()
        remedy = "Export the network again with `python -m engine_build export`"
        raise ModelError(asked, f"{library_name} {trt.__version__} refuses it: {found}", remedy)
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace_mib << 20)
    if options.optimization_level is not None:
        config.builder_optimization_level = options.optimization_level
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    if weak:
        for flag in _WEAK_FLAGS[options.precision]:
            config.set_flag(getattr(trt.BuilderFlag, flag))
        if options.precision == "fp16":
            _keep_sums_in_float(trt, network)
    if hasattr(trt, "IProgressMonitor") and sys.stderr.isatty():
        config.progress_monitor = _make_monitor(trt)
    layers = [_describe(network.get_layer(i)) for i in range(network.num_layers)]
    built = builder.build_serialized_network(network, config)
    if built is None:
        raise BackendError(
            asked,
            f"{library_name} {trt.__version__} cannot build it: {messages.last()}",
            "Close other programs that use the GPU, or give another --workspace-mib",
        )
    return BuiltEngine(bytes(built), layers, "weak" if weak else "strong", time.monotonic() - begin)


def _network_flags(library: Any, weak: bool) -> int:
    """Return the creation flags that a version needs."""
    flags, kinds = 0, library.NetworkDefinitionCreationFlag
    if hasattr(kinds, "EXPLICIT_BATCH"):
        flags |= 1 << int(kinds.EXPLICIT_BATCH)  # a must in 8.6, without effect in 10
    if not weak and hasattr(kinds, "STRONGLY_TYPED"):
        flags |= 1 << int(kinds.STRONGLY_TYPED)
    return flags


def _keep_sums_in_float(library: Any, network: trt.INetworkDefinition) -> None:
    """Ask every layer that is no product to stay in float32."""
    kinds = library.LayerType
    free = {kinds.CONVOLUTION, kinds.MATRIX_MULTIPLY, kinds.CONSTANT, getattr(kinds, "FULLY_CONNECTED", None)}
    for i in range(network.num_layers):
        layer = network.get_layer(i)
        is_float = all(layer.get_output(k).dtype == library.DataType.FLOAT for k in range(layer.num_outputs))
        if layer.type not in free and is_float:
            layer.precision = library.DataType.FLOAT


def _parser_error(error: Any) -> str:
    """Return a parser's complaint with the layer where the library names it."""
    text = " ".join(str(error.desc()).split())
    if "UNSUPPORTED" in str(error.code()):
        text = f"it is not supported ({text})"  # the parser's own words are the condition that failed, such as "false"
    if hasattr(error, "node_name") and error.node_operator():
        return f"layer {error.node_name()!r} ({error.node_operator()}): {text}"
    return f"node {error.node()}: {text}"


def _describe(layer: trt.ILayer) -> str:
    """Return one line about a layer."""
    types = [str(layer.get_output(i).dtype).rsplit(".", 1)[-1] for i in range(layer.num_outputs)]
    return f"{layer.name}  {str(layer.type).rsplit('.', 1)[-1]}  {','.join(types)}"


def _make_monitor(library: Any) -> Any:
    """Return a progress monitor that keeps one line on the terminal."""

    class Monitor(library.IProgressMonitor):  # type: ignore[misc]
        """Called by the builder, also from its own threads."""

        def __init__(self) -> None:
            library.IProgressMonitor.__init__(self)
            self._n_steps: dict[str, int] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            """Begin a phase."""
            self._n_steps[phase_name] = num_steps

        def step_complete(self, phase_name: str, step: int) -> bool:
            """Show it and go on."""
            line = f"{phase_name}: {step + 1} of {self._n_steps.get(phase_name, 0)}"
            print(f"\r{line[:78]:<78}", end="", file=sys.stderr, flush=True)
            return True

        def phase_finish(self, phase_name: str) -> None:
            """End a phase."""
            self._n_steps.pop(phase_name, None)
            if not self._n_steps:
                print(f"\r{'':<78}\r", end="", file=sys.stderr, flush=True)

    return Monitor()
