"""OpenVINO: what it refuses, and that it says what ONNX Runtime says on the shipped network."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from edge.app import shipped_models
from edge.backends.onnx_runtime import OnnxRuntimeBackend
from edge.backends.openvino import OpenVinoBackend
from edge.errors import BackendError, ModelError
from edge.manifest import load_manifest
from tests.requirements import need
from tests.tiny_network import make_graph, write_network

HAS_OPENVINO = importlib.util.find_spec("openvino") is not None


@pytest.mark.parametrize("name", shipped_models())
def test_both_cpu_libraries_say_the_same_over_a_stream(name: str) -> None:
    need("openvino", HAS_OPENVINO, "pip install openvino")
    manifest = load_manifest(shipped_models()[name])
    one, other = OnnxRuntimeBackend().open(manifest), OpenVinoBackend().open(manifest)
    rng = np.random.default_rng(0)
    worst = []
    for _ in range(200):
        features = rng.uniform(-1.0, 0.0, one.features.shape)
        one.features[...] = other.features[...] = features
        one.step()
        other.step()
        worst.append(np.abs(one.activations - other.activations).max())
    # Two roundings of one int8 network: a step here and there, which does not grow.
    assert np.mean(worst) < 0.02
    assert np.mean(worst[-50:]) < 2 * np.mean(worst[:50]) + 0.005


@pytest.mark.parametrize("content", [b"", b"RIFF....WAVE", b"\x00" * 1000], ids=["empty", "wav", "zeros"])
def test_a_file_that_is_no_network_is_refused(tmp_path: Path, content: bytes) -> None:
    need("openvino", HAS_OPENVINO, "pip install openvino")
    with pytest.raises(ModelError):
        OpenVinoBackend().open(write_network(tmp_path, content))


def test_a_dynamic_axis_is_refused(tmp_path: Path) -> None:
    need("openvino", HAS_OPENVINO, "pip install openvino")
    model = make_graph()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    with pytest.raises(ModelError, match=r"\?x2x3, not fixed"):
        OpenVinoBackend().open(write_network(tmp_path, model.SerializeToString()))


def test_a_missing_package_is_named_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = write_network(tmp_path)
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(BackendError, match="pip install openvino"):
        OpenVinoBackend().open(manifest)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "pip install openvino" in OpenVinoBackend().probe(manifest)
