"""An engine against ONNX Runtime, on the double of TensorRT whose engines are ONNX files."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from edge.manifest import load_manifest
from engine_build.__main__ import main
from tests import fake_cuda, fake_tensorrt
from tests.calibration.small_network import make_small_network, write_small_network
from tests.requirements import need

need("onnx", importlib.util.find_spec("onnx") is not None, "pip install 'au-edge[calibrate]'")


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    gpu = fake_cuda.FakeGpu()
    fake_cuda.install(monkeypatch, gpu)
    fake_tensorrt.install(monkeypatch, gpu)
    return write_small_network(tmp_path)


def test_a_faithful_engine_passes_and_its_numbers_are_written(
    network: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = fake_tensorrt.write_fake_engine(tmp_path / "x.engine", load_manifest(network))
    report = tmp_path / "verify.json"
    assert main(["verify", str(engine), str(network), "--json", str(report)]) == 0
    found = json.loads(report.read_text())
    assert found["over_budget"] == []
    assert found["difference"]["n_frames"] > 1000
    assert found["difference"]["activations"]["largest"] < 1e-5
    assert found["engine"]["library"] == "tensorrt"
    assert found["frame_ms"]["engine"]["p50"] > 0
    assert "jawOpen" in capsys.readouterr().out


def test_an_engine_that_says_something_else_fails_and_names_the_activation(
    network: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from onnx import numpy_helper

    manifest = load_manifest(network)
    model = make_small_network()
    weight = next(t for t in model.graph.initializer if t.name == "wf")
    values = numpy_helper.to_array(weight).copy()
    values[1] *= -1  # the second activation is turned round
    weight.CopyFrom(numpy_helper.from_array(values, "wf"))
    original = manifest.graph_path.read_bytes()
    manifest.graph_path.write_bytes(model.SerializeToString())
    engine = fake_tensorrt.write_fake_engine(tmp_path / "x.engine", manifest)
    manifest.graph_path.write_bytes(original)
    assert main(["verify", str(engine), str(network)]) == 1
    assert "over the budget of 0.02: mouthPucker" in capsys.readouterr().err


def test_numbers_that_are_none_are_over_any_budget() -> None:
    from calibration.roll_out import RollOut
    from engine_build.engine.verify import verdict
    from tests.calibration.small_network import CHANNELS

    class Facts:
        channels = CHANNELS

    good = RollOut(np.zeros((8, len(CHANNELS)), np.float32), np.zeros((8, 3), np.float32))
    bad = RollOut(good.activations + np.float32("nan"), good.head_deg)
    found = verdict(good, bad, Facts, 1.0)
    assert found["over_budget"] == list(CHANNELS)
    assert not found["is_finite"]


def test_a_missing_engine_is_named(network: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "nowhere.engine", str(network)]) == 78
    assert "nowhere.engine" in capsys.readouterr().err


def test_a_truncated_engine_is_named_before_anything_is_loaded(
    network: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = fake_tensorrt.write_fake_engine(tmp_path / "x.engine", load_manifest(network))
    engine.write_bytes(engine.read_bytes()[:-100])
    monkeypatch.setattr("engine_build.engine.verify.OnnxRuntimeBackend", lambda: pytest.fail("was loaded"))
    assert main(["verify", str(engine), str(network)]) == 78
    assert "truncated, or another file" in capsys.readouterr().err


def test_a_report_that_cannot_be_written_is_an_error_with_its_path(
    network: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = fake_tensorrt.write_fake_engine(tmp_path / "x.engine", load_manifest(network))
    assert main(["verify", str(engine), str(network), "--json", str(engine / "verify.json")]) == 69
    assert "verify.json: Not a directory" in capsys.readouterr().err
