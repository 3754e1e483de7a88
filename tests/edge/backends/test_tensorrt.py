"""The TensorRT backend on doubles of its libraries: memory, order, graphs, and what it says when things are missing."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from edge.backends.cuda import find_gpu
from edge.backends.engine_file import cache_folders, engine_file_name, find_engine, read_fingerprint, sidecar_path
from edge.backends.tensorrt import TensorRtBackend
from edge.backends.tensorrt_library import Messages, find_library, make_logger
from edge.backends.tensorrt_session import TensorRtSession
from edge.errors import BackendError, ModelError
from tests import fake_cuda, fake_tensorrt
from tests.requirements import need
from tests.tiny_network import FEATURE_SHAPE, Reference, make_graph, write_network

try:
    import onnxruntime
except ImportError:
    onnxruntime = None
need("onnxruntime", onnxruntime is not None, "pip install onnxruntime")


class Board:
    """A fake machine with the tiny network's engine on it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, is_integrated: bool = True) -> None:
        self.gpu = fake_cuda.FakeGpu(is_integrated)
        self.libcuda = fake_cuda.install(monkeypatch, self.gpu)
        self.runtime = fake_tensorrt.install(monkeypatch, self.gpu)
        self.manifest = write_network(folder)
        self.engine = fake_tensorrt.write_fake_engine(folder / "tiny.engine", self.manifest)

    def open(self, **options: bool) -> TensorRtSession:
        return TensorRtBackend(str(self.engine), **options).open(self.manifest)

    def assert_released(self) -> None:
        """Everything that was made is gone, the context last."""
        events = self.gpu.events
        assert self.gpu.n_device_allocations == 0
        assert events.count("make execution context") == events.count("free execution context")
        assert events.count("make engine") == events.count("free engine")
        assert events.count("make runtime") == events.count("free runtime")
        assert self.libcuda.n_alive == 0
        assert events[-2:] == ["pop context", "detach context"]


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Board:
    return Board(tmp_path, monkeypatch)


def test_teardown_is_the_reverse_of_opening(board: Board) -> None:
    session = board.open()
    session.step()
    session.close()
    session.close()
    board.assert_released()
    order = ["destroy graph", "free execution context", "free engine", "free runtime", "free device", "pop context"]
    places = [board.gpu.events.index(event) for event in order]
    assert places == sorted(places)
    assert np.isfinite(session.activations).all()  # what was last said stays readable


@pytest.mark.parametrize("is_integrated", [True, False])
@pytest.mark.parametrize("use_graph", [True, False])
def test_nothing_is_allocated_or_bound_per_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_integrated: bool, use_graph: bool
) -> None:
    board = Board(tmp_path, monkeypatch, is_integrated)
    session = board.open(use_graph=use_graph)
    before, copies = len(board.gpu.events), board.gpu.n_copies
    for _ in range(10):
        session.step()
    assert len(board.gpu.events) == before
    per_frame = (board.gpu.n_copies - copies) / 10
    # Recorded copies are launched with the graph; the state is never copied.
    assert per_frame == (0 if is_integrated or use_graph else 3)
    assert board.libcuda.n_launches == (10 if use_graph else 0)
    session.close()
    board.assert_released()


@pytest.mark.parametrize("failure", ["unsupported", "cuStreamEndCapture", "cuGraphInstantiateWithFlags", "no driver"])
def test_where_graphs_do_not_work_frames_are_launched_plainly(
    board: Board, failure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if failure == "unsupported":
        board.gpu.supports_graphs = False
    elif failure == "no driver":

        def missing() -> None:
            raise OSError("libcuda.so.1: cannot open shared object file")

        monkeypatch.setattr("edge.backends.cuda_graph.load_driver", missing)
    else:
        board.libcuda.results[failure] = 900
    session = board.open()
    assert not session.uses_graph
    assert session.graph_refusal
    reference = Reference()
    for seed in range(5):
        session.features[...] = np.random.default_rng(seed).standard_normal(FEATURE_SHAPE)
        session.step()
        np.testing.assert_allclose(session.activations, reference.step(session.features)[0], atol=1e-5)
    session.close()
    board.assert_released()


def test_a_launch_that_fails_is_told(board: Board) -> None:
    session = board.open()
    board.libcuda.results["cuGraphLaunch"] = 700
    with pytest.raises(BackendError, match="CUDA error 700"):
        session.step()
    session.close()


CASES = {
    "truncated": (lambda b: b.engine.write_bytes(b.engine.read_bytes()[:-9]), ModelError, "truncated"),
    "damaged": (lambda b: b.engine.write_bytes(b"x" * b.engine.stat().st_size), ModelError, "damaged"),
    "no engine": (lambda b: b.engine.unlink(), ModelError, "cannot be read"),
    "no fingerprint": (lambda b: sidecar_path(b.engine).unlink(), ModelError, "fingerprint .* cannot be read"),
    "foreign fingerprint": (lambda b: sidecar_path(b.engine).write_text("[1]"), ModelError, "no fingerprint"),
    "other version": (
        lambda b: fake_tensorrt.write_fake_engine(b.engine, b.manifest, library_version="8.6.2"),
        ModelError,
        r"built by tensorrt 8\.6\.2, here is tensorrt 10\.3\.0",
    ),
    "other gpu": (
        lambda b: fake_tensorrt.write_fake_engine(b.engine, b.manifest, gpu="Xavier", compute_capability="7.2"),
        ModelError,
        r"built for Xavier \(compute capability 7\.2\), here is Orin \(8\.7\)",
    ),
    "other network": (
        lambda b: fake_tensorrt.write_fake_engine(b.engine, b.manifest, model_sha256="0" * 64),
        ModelError,
        "built from another network",
    ),
    "no context": (lambda b: setattr(b.runtime, "is_out_of_memory", True), BackendError, "OutOfMemory"),
    "unbindable": (lambda b: setattr(b.runtime, "unbindable", "head"), BackendError, "'head' cannot be bound"),
    "does not run": (lambda b: setattr(b.runtime, "fails_to_enqueue", True), BackendError, "bad things"),
    "half outputs": (
        lambda b: setattr(b.runtime, "dtypes", {"activations": fake_tensorrt.DataType.HALF}),
        ModelError,
        "output 'activations' is half, not float32",
    ),
    "memory": (
        lambda b: b.gpu.fail.update(mem_alloc=fake_cuda.MemoryError("cuMemAlloc failed: out of memory")),
        BackendError,
        "out of memory.*Close other programs",
    ),
    "no device": (lambda b: setattr(b.gpu, "n_devices", 0), BackendError, "no CUDA device.*usermod"),
    "old driver": (
        lambda b: b.gpu.fail.update(init=fake_cuda.Error("cuInit failed: CUDA driver version is insufficient")),
        BackendError,
        "older than the CUDA",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_said_with_a_remedy_and_nothing_is_left(board: Board, case: str) -> None:
    breaks, kind, pattern = CASES[case]
    breaks(board)
    with pytest.raises(kind) as caught:
        board.open()
    assert re.search(pattern, str(caught.value), re.DOTALL), str(caught.value)
    assert caught.value.remedy
    del caught
    if "retain context" in board.gpu.events:
        board.assert_released()


@pytest.mark.parametrize("case", ["no device", "old driver", "other version", "other gpu", "no fingerprint"])
def test_the_probe_says_the_same_before_anything_is_opened(board: Board, case: str) -> None:
    breaks, _, pattern = CASES[case]
    assert TensorRtBackend(str(board.engine)).probe(board.manifest) is None
    breaks(board)
    assert re.search(pattern, TensorRtBackend(str(board.engine)).probe(board.manifest), re.DOTALL)
    assert "retain context" not in board.gpu.events


@pytest.mark.parametrize("value", [None, 5, "text", [1], {"a": 1}, True, 1e999], ids=str)
def test_a_fingerprint_with_a_value_of_another_type_is_refused_or_right(board: Board, value: object) -> None:
    path = sidecar_path(board.engine)
    original = json.loads(path.read_text())
    for name in original:
        path.write_text(json.dumps(original | {name: value}))
        try:
            fingerprint = read_fingerprint(board.engine)
        except ModelError:
            continue
        assert isinstance(value, type(getattr(fingerprint, name))) or name == "build_s"
    for content in (b"", b"{", b"\xff\xfe", b"[]", b"null", b"{}", b"[" * 100_000):
        path.write_bytes(content)
        with pytest.raises(ModelError):
            read_fingerprint(board.engine)


def test_a_wrong_engine_content_is_the_librarys_to_refuse(board: Board) -> None:
    content = b"other engine " + b"x" * 100
    board.engine.write_bytes(content)
    import hashlib

    fake_tensorrt.write_fingerprint(
        board.engine,
        type(read_fingerprint(board.engine))(
            **(
                vars(read_fingerprint(board.engine))
                | {"engine_sha256": hashlib.sha256(content).hexdigest(), "engine_bytes": len(content)}
            )
        ),
    )
    with pytest.raises(ModelError, match=r"tensorrt 10\.3\.0 cannot load it.*Serialization \(magic tag\)"):
        board.open()


def test_missing_packages_are_named_with_the_line_to_install_them(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pycuda", None)
    monkeypatch.setitem(sys.modules, "pycuda.driver", None)
    assert "pip install pycuda" in TensorRtBackend().probe(board.manifest)
    with pytest.raises(BackendError, match="pip install pycuda"):
        TensorRtBackend().open(board.manifest)
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    probe = TensorRtBackend().probe(board.manifest)
    assert "apt install python3-libnvinfer" in probe
    assert "pip install pycuda" in probe


def test_without_a_gpu_the_large_libraries_are_not_loaded(tmp_path: Path) -> None:
    need("tensorrt_rtx", not isinstance(find_library("tensorrt_rtx"), str), "install the RTX wheels")
    manifest = write_network(tmp_path)
    program = (
        "import sys; from pathlib import Path; from edge.manifest import load_manifest\n"
        "from edge.backends.tensorrt import TensorRtBackend\n"
        "from edge.backends.cuda import find_gpu\n"
        f"why = TensorRtBackend().probe(load_manifest(Path({str(manifest.path)!r})))\n"
        "print(isinstance(find_gpu(), str), 'tensorrt_rtx_bindings' in sys.modules, bool(why))"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    no_gpu, is_loaded, has_reason = (word == "True" for word in found.stdout.split())
    if no_gpu:
        assert has_reason
        assert not is_loaded


def test_a_stubs_only_installation_is_not_taken_for_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    from types import ModuleType

    monkeypatch.setitem(sys.modules, "tensorrt", ModuleType("tensorrt"))
    assert "type stubs" in find_library("tensorrt")


def test_the_cache_is_searched_for_the_engine_that_fits(
    board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("edge.backends.engine_file.SYSTEM_CACHE", tmp_path / "system")
    assert "no engine of network tiny" in TensorRtBackend().probe(board.manifest)
    for folder in cache_folders():
        folder.mkdir(parents=True)
    name = engine_file_name(board.manifest, "int8", "tensorrt")
    fake_tensorrt.write_fake_engine(cache_folders()[0] / name, board.manifest, gpu="Xavier")
    assert "built for Xavier" in TensorRtBackend().probe(board.manifest)
    fake_tensorrt.write_fake_engine(cache_folders()[1] / name, board.manifest)
    assert TensorRtBackend().probe(board.manifest) is None
    session = TensorRtBackend().open(board.manifest)
    session.step()
    session.close()


def test_an_engine_for_any_gpu_fits_any(board: Board) -> None:
    from edge.backends.engine_file import Surroundings

    fake_tensorrt.write_fake_engine(board.engine, board.manifest, gpu="any", compute_capability="")
    here = Surroundings("tensorrt", fake_tensorrt.VERSION, "Thor", "11.0")
    assert find_engine(board.manifest, here, str(board.engine)) == board.engine


def test_another_thread_has_no_context(board: Board) -> None:
    session = board.open()
    errors: list[Exception] = []

    def step() -> None:
        try:
            session.step()
        except BackendError as err:
            errors.append(err)

    thread = threading.Thread(target=step)
    thread.start()
    thread.join()
    assert "only on the thread that opened it" in str(errors[0])
    session.close()


def test_a_board_is_described(board: Board) -> None:
    facts = find_gpu()
    assert (facts.name, facts.compute_capability, facts.is_integrated) == ("Orin", "8.7", True)


def test_layers_are_listed(board: Board) -> None:
    session = board.open()
    assert len(session.layers()) == len(make_graph().graph.node)
    session.close()
    assert session.layers() == []


def test_the_logger_keeps_errors_only_and_not_for_ever(board: Board) -> None:
    messages = Messages()
    logger = make_logger(sys.modules["tensorrt"], messages)
    severity = fake_tensorrt.Severity
    logger.log(severity.WARNING, "mild")
    assert messages.last() == "the library gives no reason"
    for i in range(50):
        logger.log(severity.ERROR, f"bad\n {i}")
    assert messages.last() == "bad 49"
    assert len(messages.lines) == 20


def takes(signature: str, wanted: list[str]) -> bool:
    """Return whether a signature, as pybind11 prints it, can be called with these parameters in this order."""
    inner = re.search(r"\((.*)\)\s*->", signature)
    found = re.findall(r"(\w+): [\w.\[\], |]+?( = [^,]+)?(?:, |$)", inner.group(1)) if inner else []
    rest = found[len(wanted) :]
    return [name for name, _ in found[: len(wanted)]] == wanted and all(default for _, default in rest)


def test_the_double_has_the_names_and_parameters_of_the_real_library() -> None:
    real = find_library("tensorrt_rtx")
    need("tensorrt_rtx", not isinstance(real, str), str(real))
    for kind in fake_tensorrt.PUBLIC:
        for name, method in vars(kind).items():
            if name.startswith("_") or name in ("shape",) or not callable(method):
                continue
            theirs = getattr(getattr(real, kind.__name__), name)
            if isinstance(method, type):
                continue
            wanted = list(method.__code__.co_varnames[: method.__code__.co_argcount])
            signatures = [line for line in theirs.__doc__.splitlines() if "->" in line and name in line]
            assert any(takes(line, wanted) for line in signatures), f"{kind.__name__}.{name}: {signatures}"
    assert hasattr(real.ICudaEngine, "num_io_tensors")
    for kind in fake_tensorrt.ENUMS:
        for member in kind.__members__:
            assert hasattr(getattr(real, kind.__name__), member)
    assert set(fake_tensorrt.Severity.__members__) <= set(real.ILogger.Severity.__members__)


def test_the_real_library_refuses_what_is_no_engine_and_we_say_so(tmp_path: Path) -> None:
    real = find_library("tensorrt_rtx")
    need("tensorrt_rtx", not isinstance(real, str), str(real))
    from edge.backends.tensorrt_session import load_engine

    messages = Messages()
    with pytest.raises(ModelError, match=r"tensorrt_rtx .* cannot load it: .*rror"):
        load_engine("tensorrt_rtx", make_logger(real, messages), messages, "engine x", b"no engine" * 100)
