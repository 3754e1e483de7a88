"""Building engines: the real TensorRT-RTX parser and builder, our own check before it, other versions on a double."""

from __future__ import annotations

import errno
import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from edge.app import shipped_models
from edge.backends.engine_file import mismatch, read_engine, read_fingerprint
from edge.backends.tensorrt_library import find_library
from edge.errors import AuEdgeError, BackendError, ModelError
from edge.manifest import Manifest, load_manifest
from engine_build.__main__ import main
from engine_build.engine.build import find_surroundings, write_engine
from engine_build.engine.graph_check import check_graph
from engine_build.engine.half_precision import to_half_precision
from engine_build.engine.tensorrt_build import BuildOptions, build_engine
from tests import fake_cuda
from tests.calibration.small_network import make_small_network, write_small_network
from tests.requirements import need

try:
    import onnx
    from onnx import helper, numpy_helper
except ImportError:
    onnx = None
need("onnx", onnx is not None, "pip install 'au-edge[calibrate]'")
RTX = find_library("tensorrt_rtx")
HAS_RTX = not isinstance(RTX, str)


@pytest.fixture(scope="module")
def int8(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    from calibration.quantize import quantize
    from calibration.speech import SHIPPED_SET

    folder = tmp_path_factory.mktemp("int8")
    quantize(write_small_network(folder), SHIPPED_SET, folder / "small.json", "minmax")
    return load_manifest(folder / "small.json")


def changed(manifest: Manifest, folder: Path, change) -> Manifest:
    """Write a variant of a network with its manifest."""
    model = onnx.load(str(manifest.graph_path))
    change(model)
    content = model.SerializeToString()
    values = json.loads(manifest.path.read_text()) | {
        "graph": "variant.onnx",
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    (folder / "variant.onnx").write_bytes(content)
    (folder / "variant.json").write_text(json.dumps(values))
    return load_manifest(folder / "variant.json")


@pytest.mark.parametrize("name", shipped_models())
def test_every_shipped_network_is_built_by_the_real_builder(name: str, tmp_path: Path) -> None:
    need("tensorrt_rtx", HAS_RTX, str(RTX))
    path = shipped_models()[name]
    engine = tmp_path / "x.engine"
    assert main(["build", str(path), "--library", "tensorrt_rtx", "--out", str(engine)]) == 0
    fingerprint = read_fingerprint(engine)
    manifest = load_manifest(path)
    assert len(read_engine(engine, fingerprint)) > 10_000
    assert (fingerprint.model_sha256, fingerprint.library_version) == (manifest.sha256, RTX.__version__)
    assert fingerprint.precision == ("int8" if manifest.precision == "int8" else "fp16")


@pytest.mark.parametrize("name", shipped_models())
@pytest.mark.parametrize("version", ["8.6", "10.0", "10.3"])
def test_trtcheck_blocks_no_shipped_network(name: str, version: str) -> None:
    try:
        import trtcheck
    except ImportError:
        trtcheck = None
    need("trtcheck", trtcheck is not None, "pip install trtcheck")
    graph = load_manifest(shipped_models()[name]).graph_path
    found = subprocess.run(
        [sys.executable, "-m", "trtcheck", str(graph), "--target-trt", version, "--format", "json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    report = json.loads(found.stdout)
    assert report["target_trt"] == version
    assert report["critical_count"] == 0
    assert report["verdict"] != "blocked"
    assert report["conversion_likely"] is True


@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_a_float_network_is_built_in_both_float_precisions(precision: str, tmp_path: Path) -> None:
    need("tensorrt_rtx", HAS_RTX, str(RTX))
    manifest = load_manifest(write_small_network(tmp_path))
    model = check_graph(manifest.verify_graph(), manifest)
    built = build_engine("tensorrt_rtx", model, BuildOptions(precision), "small")
    assert built.typing == "strong"
    types = {line.rsplit("  ", 1)[-1] for line in built.layers if "CONVOLUTION" in line}
    assert types == ({"HALF"} if precision == "fp16" else {"FLOAT"})


def test_the_int8_network_is_built_with_quantised_layers(int8: Manifest, capsys: pytest.CaptureFixture[str]) -> None:
    need("tensorrt_rtx", HAS_RTX, str(RTX))
    out = int8.path.with_name("small.engine")
    assert main(["build", str(int8.path), "--library", "tensorrt_rtx", "--out", str(out), "--layers"]) == 0
    assert "QUANTIZE  INT8" in capsys.readouterr().out
    before = out.stat().st_mtime_ns
    assert main(["build", str(int8.path), "--library", "tensorrt_rtx", "--out", str(out)]) == 0
    assert "up to date" in capsys.readouterr().err
    assert out.stat().st_mtime_ns == before
    for again in (["--force"], ["--workspace-mib", "100"]):
        assert main(["build", str(int8.path), "--library", "tensorrt_rtx", "--out", str(out), *again]) == 0
        assert "built in" in capsys.readouterr().err


def int32_bias(model) -> None:
    """Quantise a bias as ONNX Runtime's own tools do."""
    graph = model.graph
    conv = next(n for n in graph.node if n.op_type == "Conv" and n.input[1].endswith("_dq"))
    n_out = len(numpy_helper.to_array(next(t for t in graph.initializer if t.name == conv.input[2])))
    graph.initializer.extend(
        [
            numpy_helper.from_array(np.ones(n_out, np.int32), "bias_q"),
            numpy_helper.from_array(np.full(n_out, 1e-4, np.float32), "bias_scale"),
            numpy_helper.from_array(np.zeros(n_out, np.int32), "bias_zero"),
        ]
    )
    node = helper.make_node(
        "DequantizeLinear", ["bias_q", "bias_scale", "bias_zero"], ["bias_dq"], name="bias_node", axis=0
    )
    graph.node.insert(0, node)
    conv.input[2] = "bias_dq"


def unsigned_activations(model) -> None:
    graph = model.graph
    graph.initializer.append(numpy_helper.from_array(np.array(128, np.uint8), "u8_zero"))
    for node in graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear") and node.input[2] == "int8_zero":
            node.input[2] = "u8_zero"


def asymmetric(model) -> None:
    zero = next(t for t in model.graph.initializer if t.name == "int8_zero")
    zero.CopyFrom(numpy_helper.from_array(np.array(3, np.int8), "int8_zero"))


REFUSED_BY_TENSORRT = {"int32 bias": int32_bias, "unsigned": unsigned_activations, "asymmetric": asymmetric}
SAID = {
    "int32 bias": r"layer 'bias_node' dequantises the int32 bias 'bias_q': leave biases in float",
    "unsigned": r"is uint8: only signed int8 builds",
    "asymmetric": r"zero point that is not 0: only symmetric int8 builds",
}


@pytest.mark.parametrize("variant", REFUSED_BY_TENSORRT)
def test_what_the_real_parser_refuses_our_check_explains_first(variant: str, int8: Manifest, tmp_path: Path) -> None:
    manifest = changed(int8, tmp_path, REFUSED_BY_TENSORRT[variant])
    with pytest.raises(ModelError, match=SAID[variant]):
        check_graph(manifest.verify_graph(), manifest)
    need("tensorrt_rtx", HAS_RTX, str(RTX))
    with pytest.raises(AuEdgeError, match="tensorrt_rtx"):
        build_engine("tensorrt_rtx", onnx.load(str(manifest.graph_path)), BuildOptions("int8"), "variant")


def dynamic_axis(model) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"


def state_without_output(model) -> None:
    del model.graph.output[2]


def newer_opset(model) -> None:
    model.opset_import[0].version = 19


def older_opset(model) -> None:
    model.opset_import[0].version = 11


def wrong_type(model) -> None:
    node = next(n for n in model.graph.node if n.op_type == "Tanh")
    node.CopyFrom(helper.make_node("NonZero", list(node.input), list(node.output), name="odd"))


def state_without_input(model) -> None:
    shape = [d.dim_value for d in model.graph.input[1].type.tensor_type.shape.dim]
    del model.graph.input[1]
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(shape, np.float32), "hidden_in"))


def runtime_operator(model) -> None:
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    node = next(n for n in model.graph.node if n.op_type == "Tanh")
    node.CopyFrom(helper.make_node("Gelu", list(node.input), list(node.output), name="odd", domain="com.microsoft"))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (dynamic_axis, r"input 'features' has shape \?x20x2, not fixed"),
        (state_without_output, "output 'hidden_out' is missing"),
        (state_without_input, "input 'hidden_in' is missing"),
        (newer_opset, "opset is 19, not 13 to 17"),
        (older_opset, "opset is 11, not 13 to 17"),
        (wrong_type, r"no valid ONNX.*(int64|tensor)"),
        (runtime_operator, r"layer 'odd' is com\.microsoft\.Gelu"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_network_that_cannot_become_an_engine_is_refused_with_the_reason(
    change, complaint: str, int8: Manifest, tmp_path: Path
) -> None:
    manifest = changed(int8, tmp_path, change)
    with pytest.raises(ModelError, match=complaint):
        check_graph(manifest.verify_graph(), manifest)


def test_an_unsupported_operator_is_named_with_its_layer_by_the_parser(tmp_path: Path) -> None:
    need("tensorrt_rtx", HAS_RTX, str(RTX))
    model = make_small_network()
    node = next(n for n in model.graph.node if n.op_type == "Tanh")
    node.CopyFrom(helper.make_node("Bernoulli", list(node.input), list(node.output), name="odd_layer"))
    with pytest.raises(ModelError, match=r"layer 'odd_layer' \(Bernoulli\): it is not supported"):
        build_engine("tensorrt_rtx", model, BuildOptions("fp32"), "small")


@pytest.mark.parametrize("content", [b"", b"no network", b"\x00" * 99])
def test_a_file_that_is_no_onnx_is_refused(content: bytes, tmp_path: Path) -> None:
    manifest = load_manifest(write_small_network(tmp_path, content))
    with pytest.raises(ModelError, match="no valid ONNX"):
        check_graph(content, manifest)


@pytest.mark.parametrize(("precision", "wanted"), [("int8", "fp16"), ("float32", "int8")])
def test_a_precision_that_the_network_does_not_have_is_refused(
    precision: str, wanted: str, int8: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = int8.path if precision == "int8" else write_small_network(tmp_path)
    assert main(["build", str(path), "--precision", wanted, "--library", "tensorrt_rtx"]) == 78
    assert "calibration quantize" in capsys.readouterr().err


@pytest.mark.parametrize("n_whole", [0, 1], ids=["at the engine", "at its fingerprint"])
def test_a_full_disk_leaves_the_old_engine_whole(
    n_whole: int, int8: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need("tensorrt_rtx", HAS_RTX, str(RTX))
    engine = tmp_path / "x.engine"
    assert main(["build", str(int8.path), "--library", "tensorrt_rtx", "--out", str(engine)]) == 0
    before, fingerprint = engine.read_bytes(), read_fingerprint(engine)

    calls = []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == n_whole + 1:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(BackendError, match=r"No space left on device.*free some space"):
        write_engine(engine, b"new" * 100, replace(fingerprint, engine_bytes=300))
    assert engine.read_bytes() == before
    assert read_fingerprint(engine) == fingerprint
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.engine", "x.engine.json"]


def test_half_precision_says_nearly_the_same(tmp_path: Path) -> None:
    from calibration.roll_out import roll_out

    manifest = load_manifest(write_small_network(tmp_path))
    model = make_small_network()
    features = np.random.default_rng(0).uniform(-1, 0, (200, 20, 2)).astype(np.float32)
    one, other = roll_out(model, manifest, features), roll_out(to_half_precision(model), manifest, features)
    difference = np.abs(one.activations - other.activations)
    assert 0 < difference.max() < 0.002
    assert difference[-50:].mean() < 2 * difference[:50].mean()


def make_builder_double(flags: dict[str, int], creation_flags: dict[str, int]) -> tuple[ModuleType, SimpleNamespace]:
    """Return a TensorRT of another version that only notes how it was asked to build."""
    module = ModuleType("tensorrt")
    asked = SimpleNamespace(flags=[], creation=None, level=None, pool=None, graph=b"")
    asked.layers = [
        SimpleNamespace(
            name=kind, type=kind, num_outputs=1, precision=None, get_output=lambda i, t=t: SimpleNamespace(dtype=t)
        )
        for kind, t in (("CONVOLUTION", "FLOAT"), ("ELEMENTWISE", "FLOAT"), ("ELEMENTWISE", "INT32"))
    ]

    class Config:
        builder_optimization_level = None
        profiling_verbosity = None

        def set_flag(self, flag: str) -> None:
            asked.flags.append(flag)

        def set_memory_pool_limit(self, pool: str, pool_size: int) -> None:
            asked.pool = (pool, pool_size)

    class Builder:
        def __init__(self, logger: object) -> None:
            pass

        def create_network(self, flags: int = 0) -> SimpleNamespace:
            asked.creation = flags
            return SimpleNamespace(num_layers=len(asked.layers), get_layer=asked.layers.__getitem__)

        def create_builder_config(self) -> Config:
            return Config()

        def build_serialized_network(self, network: object, config: Config) -> bytes:
            asked.level = config.builder_optimization_level
            return b"engine"

    class Parser:
        def __init__(self, network: object, logger: object) -> None:
            pass

        def parse(self, model: bytes) -> bool:
            asked.graph = model
            return True

    class ILogger:
        Severity = SimpleNamespace(ERROR=1, INTERNAL_ERROR=0)

        def __init__(self) -> None:
            pass

    module.__dict__.update(
        Runtime=object, Builder=Builder, OnnxParser=Parser, ILogger=ILogger, __version__="0",
        BuilderFlag=SimpleNamespace(**{name: name for name in flags}),
        NetworkDefinitionCreationFlag=SimpleNamespace(**creation_flags),
        LayerType=SimpleNamespace(CONVOLUTION="CONVOLUTION", MATRIX_MULTIPLY="M", CONSTANT="C"),
        DataType=SimpleNamespace(FLOAT="FLOAT"), MemoryPoolType=SimpleNamespace(WORKSPACE="workspace"),
        ProfilingVerbosity=SimpleNamespace(DETAILED=1),
    )  # fmt: skip
    return module, asked


# What the members of the flags are in each version, from NVIDIA's Python API references.
VERSIONS = {
    "8.6": (
        {"INT8": 1, "FP16": 0, "PREFER_PRECISION_CONSTRAINTS": 11},
        {"EXPLICIT_BATCH": 0, "EXPLICIT_PRECISION": 1},
        ["INT8"],
        0b01,
    ),
    "10.3": ({"INT8": 1, "FP16": 0, "BF16": 2}, {"EXPLICIT_BATCH": 0, "STRONGLY_TYPED": 1}, [], 0b11),
    "11": ({"TF32": 5}, {"STRONGLY_TYPED": 1}, [], 0b10),
    "without both": ({"TF32": 5}, {}, [], 0b00),
}


@pytest.mark.parametrize("version", VERSIONS)
def test_what_a_version_can_do_is_asked_of_it(version: str, int8: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    flags, creation, wanted_flags, wanted_creation = VERSIONS[version]
    module, asked = make_builder_double(flags, creation)
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    model = onnx.load(str(int8.graph_path))
    built = build_engine("tensorrt", model, BuildOptions("int8", 64, 3), "small")
    assert asked.flags == wanted_flags
    assert asked.creation == wanted_creation
    assert asked.pool == ("workspace", 64 << 20)
    assert asked.level == 3
    assert built.content == b"engine"
    assert built.typing == ("weak" if version == "8.6" else "strong")
    assert asked.graph == model.SerializeToString()
    assert [layer.precision for layer in asked.layers] == [None, None, None]


@pytest.mark.parametrize("version", VERSIONS)
def test_half_precision_is_in_the_graph_where_types_are_strong_and_never_in_sums_over_time(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, asked = make_builder_double(*VERSIONS[version][:2])
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    build_engine("tensorrt", make_small_network(), BuildOptions("fp16"), "small")
    types = {t.data_type for t in onnx.load_from_string(asked.graph).graph.initializer}
    assert (onnx.TensorProto.FLOAT16 in types) == (version != "8.6")
    if version == "8.6":
        assert asked.flags == ["FP16", "PREFER_PRECISION_CONSTRAINTS"]
        assert [layer.precision for layer in asked.layers] == [None, "FLOAT", None]
    else:
        assert asked.flags == []


def test_only_products_become_half_and_states_keep_their_type() -> None:
    graph = to_half_precision(make_small_network()).graph
    assert {v.type.tensor_type.elem_type for v in [*graph.input, *graph.output]} == {onnx.TensorProto.FLOAT}
    half = {n.op_type for n in graph.node if any(name.endswith("_half") for name in n.output)}
    assert half == {"Conv", "LeakyRelu", "Gemm", "Cast"}


def test_tensorrt_proper_builds_for_the_gpu_that_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    module, _ = make_builder_double({}, {})
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    fake_cuda.install(monkeypatch, fake_cuda.FakeGpu())
    here = find_surroundings("auto")
    assert (here.library, here.gpu, here.compute_capability) == ("tensorrt", "Orin", "8.7")
    fake_cuda.install(monkeypatch, fake_cuda.FakeGpu(n_devices=0))
    with pytest.raises(BackendError, match="builds only on the GPU that will run the engine: no CUDA device"):
        find_surroundings("tensorrt")


def test_no_library_at_all_is_said_with_both_ways_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tensorrt", "tensorrt_rtx", "tensorrt_rtx_bindings"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(BackendError, match=r"python3-libnvinfer.*tensorrt-rtx-cu12-bindings"):
        find_surroundings("auto")


def test_an_engine_of_another_network_or_version_does_not_fit(int8: Manifest) -> None:
    need("tensorrt_rtx", HAS_RTX, str(RTX))
    out = int8.path.with_name("fit.engine")
    assert main(["build", str(int8.path), "--library", "tensorrt_rtx", "--out", str(out)]) == 0
    here, fingerprint = find_surroundings("tensorrt_rtx"), read_fingerprint(out)
    assert mismatch(fingerprint, int8, here) is None
    assert "another network" in mismatch(fingerprint, replace(int8, sha256="0" * 64), here)
    assert "here is tensorrt_rtx 9" in mismatch(fingerprint, int8, replace(here, library_version="9"))
