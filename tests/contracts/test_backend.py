"""What every backend keeps: the numbers of the network, its state, its buffers."""

from __future__ import annotations

import importlib.util
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from edge.contracts import InferenceBackend, InferenceSession
from edge.errors import BackendError, ModelError
from edge.manifest import Manifest
from tests.requirements import need
from tests.tiny_network import CHANNELS, FEATURE_SHAPE, Reference, write_network

Maker = Callable[[Manifest, pytest.MonkeyPatch], InferenceBackend]


def onnx_runtime(manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> InferenceBackend:
    from edge.backends.onnx_runtime import OnnxRuntimeBackend

    need("onnxruntime", importlib.util.find_spec("onnxruntime") is not None, "pip install onnxruntime")
    return OnnxRuntimeBackend()


def openvino(manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> InferenceBackend:
    from edge.backends.openvino import OpenVinoBackend

    need("openvino", importlib.util.find_spec("openvino") is not None, "pip install openvino")
    return OpenVinoBackend()


def tensorrt_on_a_double(is_integrated: bool, use_graph: bool) -> Maker:
    def make(manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> InferenceBackend:
        from edge.backends.tensorrt import TensorRtBackend
        from tests import fake_cuda, fake_tensorrt

        need("onnxruntime", importlib.util.find_spec("onnxruntime") is not None, "pip install onnxruntime")
        gpu = fake_cuda.FakeGpu(is_integrated)
        fake_cuda.install(monkeypatch, gpu)
        fake_tensorrt.install(monkeypatch, gpu)
        engine = fake_tensorrt.write_fake_engine(manifest.path.with_name("tiny.engine"), manifest)
        return TensorRtBackend(str(engine), use_graph)

    return make


MAKERS: dict[str, Maker] = {
    "onnxruntime": onnx_runtime,
    "openvino": openvino,
    "tensorrt_mapped_graph": tensorrt_on_a_double(True, True),
    "tensorrt_mapped_plain": tensorrt_on_a_double(True, False),
    "tensorrt_copied_graph": tensorrt_on_a_double(False, True),
    "tensorrt_copied_plain": tensorrt_on_a_double(False, False),
}


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return write_network(tmp_path)


@pytest.fixture(params=MAKERS)
def backend(request: pytest.FixtureRequest, manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> InferenceBackend:
    return MAKERS[request.param](manifest, monkeypatch)


@pytest.fixture
def session(backend: InferenceBackend, manifest: Manifest) -> Iterator[InferenceSession]:
    opened = backend.open(manifest)
    yield opened
    opened.close()


def features(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(FEATURE_SHAPE).astype(np.float32)


def test_it_keeps_the_contract_and_is_usable_here(
    backend: InferenceBackend, session: InferenceSession, manifest: Manifest
) -> None:
    assert isinstance(backend, InferenceBackend)
    assert isinstance(session, InferenceSession)
    assert backend.probe(manifest) is None
    assert session.features.shape == FEATURE_SHAPE
    assert session.features.dtype == session.activations.dtype == session.head_deg.dtype == np.float32
    assert session.features.flags.c_contiguous
    assert session.activations.shape == (len(CHANNELS),)
    assert session.head_deg.shape == (3,)


def test_a_long_roll_out_is_that_of_the_arithmetic(session: InferenceSession) -> None:
    reference = Reference()
    for seed in range(101):  # odd: both sides of a ping-pong are last once
        session.features[...] = features(seed)
        session.step()
        activations, head = reference.step(features(seed))
        np.testing.assert_allclose(session.activations, activations, atol=1e-5)
        np.testing.assert_allclose(session.head_deg, head, atol=1e-3)


@pytest.mark.parametrize("n_frames", [1, 2])
def test_reset_begins_a_stream_anew_on_either_side(session: InferenceSession, n_frames: int) -> None:
    for _ in range(n_frames):
        session.features[...] = features(1)
        session.step()
    session.reset()
    session.features[...] = features(2)
    session.step()
    np.testing.assert_allclose(session.activations, Reference().step(features(2))[0], atol=1e-5)


def test_warming_up_leaves_no_trace_in_the_state(session: InferenceSession) -> None:
    session.warm_up(3)
    session.features[...] = features(4)
    session.step()
    np.testing.assert_allclose(session.activations, Reference().step(features(4))[0], atol=1e-5)


def test_buffers_live_as_long_as_the_session_and_a_frame_keeps_no_memory(session: InferenceSession) -> None:
    addresses = [a.ctypes.data for a in (session.features, session.activations, session.head_deg)]
    session.warm_up(5)
    tracemalloc.start()
    try:
        for _ in range(50):
            session.step()
        ours = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/edge/backends/*")])
    finally:
        tracemalloc.stop()
    assert [a.ctypes.data for a in (session.features, session.activations, session.head_deg)] == addresses
    assert sum(trace.size for trace in ours.traces) < 2048  # what the doubles and libraries keep is theirs


def test_two_sessions_share_nothing(backend: InferenceBackend, manifest: Manifest, session: InferenceSession) -> None:
    other = backend.open(manifest)
    session.features[...] = features(1)
    session.step()
    other.features[...] = features(2)
    other.step()
    np.testing.assert_allclose(other.activations, Reference().step(features(2))[0], atol=1e-5)
    other.close()


def test_closing_twice_is_quiet_and_a_closed_session_says_so(session: InferenceSession) -> None:
    session.close()
    session.close()
    with pytest.raises(BackendError, match="closed"):
        session.step()


def test_a_graph_that_disagrees_is_refused_with_every_difference(backend: InferenceBackend, tmp_path: Path) -> None:
    def change(values: dict) -> None:
        values["input"] = "sound"
        values["channels"] = list(CHANNELS[:4])
        values["state"][0]["shape"] = [1, 7]
        values["state"].pop()

    with pytest.raises(ModelError) as caught:
        backend.open(write_network(tmp_path, change=change))
    for part in (
        "input 'sound' is missing",
        "input 'features' is not in the manifest",
        "input 'count' is not in the manifest",
        "output 'count_next' is not in the manifest",
        "output 'activations' has shape 1x5, not 1x4",
        "input 'hidden' has shape 1x4, not 1x7",
    ):
        assert part in str(caught.value)
