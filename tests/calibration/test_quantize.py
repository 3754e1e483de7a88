"""The whole way from a float network and speech to an int8 network that says nearly the same."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from calibration.__main__ import main
from calibration.choice import split
from calibration.graph import (
    WEIGHT_LEVELS,
    QuantisedNode,
    insert_pairs,
    observed_tensors,
    quantised_nodes,
    weight_steps,
)
from calibration.lip_geometry import lip_geometry
from calibration.quantize import quantize, report_path
from calibration.report import as_text, compare, correlation, correlation_loss
from calibration.rewrite import products_to_convolutions
from calibration.roll_out import RollOut, compute_features, roll_out
from calibration.scales import METHODS
from calibration.speech import SHIPPED_SET, load_speech
from edge.backends.onnx_runtime import OnnxRuntimeBackend
from edge.errors import InputError, ModelError
from edge.manifest import load_manifest
from tests.calibration.small_network import make_small_network, write_small_network
from tests.requirements import need, need_module

need("onnx", importlib.util.find_spec("onnx") is not None, "pip install 'au-edge[calibrate]'")


@pytest.fixture(scope="module")
def quantised(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("quantised")
    source = write_small_network(folder)
    asked = ["--out", str(folder / "small.json"), "--max-correlation-loss", "0.1"]
    assert main(["quantize", str(source), *asked]) == 0
    return source, folder / "small.json"


def test_int8_says_what_float_says_and_its_error_does_not_grow(quantised: tuple[Path, Path]) -> None:
    report = json.loads(report_path(quantised[1]).read_text())
    difference = report["difference"]
    assert difference["n_frames"] > 1500
    assert 0 < difference["activations"]["rms"] < 0.01
    assert difference["activations"]["largest"] < 0.1
    assert difference["growth"] < 1.5
    assert set(report["methods"]) == set(METHODS)
    assert report["methods"][report["method"]]["rms"] == min(m["rms"] for m in report["methods"].values())
    assert all(t["saturated_share"] < 0.01 for t in report["tensors"].values())
    assert report["bytes"]["int8"] < 0.5 * report["bytes"]["float32"]


def test_what_int8_costs_stands_in_the_manifest_and_in_the_report_for_every_activation(
    quantised: tuple[Path, Path],
) -> None:
    report, manifest = json.loads(report_path(quantised[1]).read_text()), load_manifest(quantised[1])
    channels = report["difference"]["channels"]
    assert tuple(channels) == manifest.channels
    assert all(0.9 < facts["correlation"] <= 1 for facts in channels.values())
    least = report["difference"]["least_correlated"]
    assert least["correlation"] == min(facts["correlation"] for facts in channels.values())
    assert channels[least["channel"]]["correlation"] == least["correlation"]
    numbers = manifest.metrics["int8_against_float"]
    assert numbers["least_correlated"] == least
    assert numbers["mean"] == report["difference"]["mean_difference"]
    assert report["int8_sha256"] == manifest.sha256


@pytest.fixture(scope="module")
def coarse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network whose large layer has outliers: by itself in float it saves most, and w2 in float saves less."""
    content = make_small_network(outlier=1.3).SerializeToString()
    return write_small_network(tmp_path_factory.mktemp("coarse"), content)


def test_a_layer_that_costs_too_much_goes_back_to_float(coarse: Path, tmp_path: Path) -> None:
    before = quantize(coarse, SHIPPED_SET, tmp_path / "b.json", "minmax", max_correlation_loss=0.1)
    report = quantize(coarse, SHIPPED_SET, tmp_path / "o.json", "minmax", max_correlation_loss=0.02)
    assert correlation_loss(before["difference"]) > 0.02 >= correlation_loss(report["difference"])
    assert before["left_in_float"] == []
    assert report["left_in_float"] == ["wi_kernel"]
    assert "left in float wi_kernel" in as_text(report)


def test_as_little_as_will_do_goes_back_to_float(coarse: Path, tmp_path: Path) -> None:
    """Large layers cost most and gain most in float: here a small one will do, and int8 keeps its worth."""
    report = quantize(coarse, SHIPPED_SET, tmp_path / "o.json", max_correlation_loss=0.05)
    assert correlation_loss(report["difference"]) <= 0.05
    assert report["left_in_float"] == ["w2"]
    assert report["bytes"]["int8"] < 0.45 * report["bytes"]["float32"]


@pytest.mark.parametrize("seed", range(3))
def test_the_correlation_is_numpys_and_what_rests_has_none(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one = rng.standard_normal(500).astype(np.float32)
    other = one + rng.standard_normal(500).astype(np.float32)
    assert correlation(one, other) == pytest.approx(np.corrcoef(one, other)[0, 1], abs=1e-5)
    assert correlation(one * 1e-4, other) is None
    assert correlation(one, np.zeros(500, np.float32)) == 0.0


def test_the_report_is_about_the_file_that_was_written(quantised: tuple[Path, Path]) -> None:
    import onnx

    source, out = (load_manifest(path) for path in quantised)
    assert (source.precision, out.precision) == ("float32", "int8")
    speech = load_speech(SHIPPED_SET, source.sample_rate_hz)
    features = compute_features(source, speech.recordings)
    before, after = (roll_out(onnx.load(str(m.graph_path)), m, features) for m in (source, out))
    report = json.loads(report_path(quantised[1]).read_text())
    found = compare(before, after, source.channels)["activations"]["rms"]
    assert found == pytest.approx(report["difference"]["activations"]["rms"], abs=2e-6)
    assert report["speech"]["sha256"] == speech.sha256


def test_the_runtimes_own_backend_runs_it(quantised: tuple[Path, Path]) -> None:
    session = OnnxRuntimeBackend().open(load_manifest(quantised[1]))
    session.warm_up(3)
    session.step()
    assert np.isfinite(session.activations).all()


def test_the_form_is_symmetric_int8_with_float_biases(quantised: tuple[Path, Path]) -> None:
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(load_manifest(quantised[1]).graph_path)).graph
    constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    pairs = [n for n in graph.node if n.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert len(pairs) >= 8
    for node in pairs:
        assert constants[node.input[2]].dtype == np.int8
        assert (constants[node.input[2]] == 0).all()
        assert (constants[node.input[1]] > 0).all()
    weights = [constants[n.input[0]] for n in pairs if n.input[0] in constants]
    assert {w.shape for w in weights} == {(32, 32, 5, 1), (256, 32, 20, 2)}
    assert {int(np.abs(w.astype(int)).max()) for w in weights} == {64}  # seven bits: see WEIGHT_LEVELS
    for node in graph.node:
        if node.op_type == "Conv":
            assert constants[node.input[2]].dtype == np.float32


def by_onnx_runtime(content: bytes, x: np.ndarray) -> np.ndarray:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]


def by_openvino(content: bytes, x: np.ndarray) -> np.ndarray:
    openvino = need_module("openvino")
    core = openvino.Core()
    return core.compile_model(core.read_model(content), "CPU")([x])[0]


@pytest.mark.parametrize("run", [by_onnx_runtime, by_openvino])
@pytest.mark.parametrize("n", [16, 64, 640])
def test_the_largest_products_are_exact_also_where_16_bits_saturate(run, n: int) -> None:
    """On x86 without VNNI two products of an activation and a weight are added in 16 bits (255 * 127 * 2 = 64770)."""
    from onnx import TensorProto, helper, numpy_helper

    weight = np.stack([np.ones(n), -np.ones(n)]).astype(np.float32).reshape(2, n, 1, 1)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w", "b"], ["y"])],
        "largest",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, n, 1, 1])],
        [helper.make_tensor_value_info("y_dq", TensorProto.FLOAT, [1, 2, 1, 1])],
        [numpy_helper.from_array(array, name) for name, array in {"w": weight, "b": np.zeros(2, np.float32)}.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    quantised = insert_pairs(model, [QuantisedNode("y", "x", "w", "y")], {"x": 1 / 127, "y": n / 127})
    for sign in (1, -1):
        said = run(quantised.SerializeToString(), np.full((1, n, 1, 1), sign, np.float32)).reshape(-1)
        np.testing.assert_allclose(said, [sign * n, -sign * n], rtol=1e-5)


def test_a_weight_comes_back_within_half_a_step() -> None:
    weight = np.random.default_rng(0).standard_normal((8, 3, 5)).astype(np.float32) * np.arange(8)[:, None, None]
    steps = weight_steps(weight.astype(np.float32))[:, None, None]
    back = np.clip(np.rint(weight / steps), -WEIGHT_LEVELS, WEIGHT_LEVELS) * steps
    assert (np.abs(back - weight) <= 0.5 * steps + 1e-7).all()


def test_a_product_over_a_map_becomes_a_convolution_with_the_same_numbers(tmp_path: Path) -> None:
    manifest = load_manifest(write_small_network(tmp_path))
    model = make_small_network()
    rewritten = products_to_convolutions(model)
    assert [n.op_type for n in rewritten.graph.node].count("Conv") == 3
    features = np.random.default_rng(0).uniform(-1, 0, (40, 20, 2)).astype(np.float32)
    one, other = roll_out(model, manifest, features), roll_out(rewritten, manifest, features)
    np.testing.assert_allclose(one.activations, other.activations, atol=1e-5)


def test_what_is_behind_a_leaky_relu_gives_its_scale() -> None:
    nodes = quantised_nodes(products_to_convolutions(make_small_network()))
    assert [(n.data, n.scaled_by) for n in nodes] == [("l1", "l2"), ("l2", "i_map")]
    assert observed_tensors(nodes) == ["l1", "l2", "i_map"]


def test_onnx_runtime_makes_integer_products_of_all_of_them(quantised: tuple[Path, Path], tmp_path: Path) -> None:
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(
        str(load_manifest(quantised[1]).graph_path), options, providers=["CPUExecutionProvider"]
    )
    kinds = [node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node]
    assert kinds.count("QLinearConv") == 2


def test_growing_error_is_seen() -> None:
    steady = RollOut(np.zeros((400, 1), np.float32), np.zeros((400, 3), np.float32))
    drifting = RollOut(np.linspace(0, 1, 400, dtype=np.float32)[:, None], steady.head_deg)
    assert compare(steady, drifting, ["jawOpen"])["growth"] > 5


def test_an_open_jaw_opens_the_lips_and_nothing_closes_them_beyond_zero() -> None:
    faces = np.float32([[1, 0], [0, 1], [0.5, 0]])
    geometry = lip_geometry(faces, ["jawOpen", "mouthClose"])
    assert geometry[0, 0] > 25
    assert geometry[1, 0] == 0
    assert geometry[2, 2] == pytest.approx(geometry[0, 2] / 2)


def test_the_methods_are_chosen_between_on_files_that_made_no_scales() -> None:
    speech = load_speech(SHIPPED_SET, 14700)
    heard, held_out = split(speech)
    assert len(speech.files) == 4
    assert not {r.file for r in heard} & {r.file for r in held_out}
    assert held_out


@pytest.mark.parametrize(("n_files", "n_found"), [(0, 4), (2, 2), (9, 4)])
def test_a_part_of_a_set_is_taken_only_where_it_was_asked_for(n_files: int, n_found: int) -> None:
    files = load_speech(SHIPPED_SET, 14700, n_files).files
    assert len(files) == n_found
    assert files[0] == "awb.flac"
    assert files[-1] == "slt.flac"


def write_sound(path: Path, samples: np.ndarray) -> None:
    import soundfile

    soundfile.write(str(path), samples, 16000)


def test_a_bad_file_in_the_set_is_named_and_never_left_out(tmp_path: Path) -> None:
    speech = np.random.default_rng(0).standard_normal(16000) * 0.1
    write_sound(tmp_path / "a.wav", speech)
    (tmp_path / "b.wav").write_bytes(b"RIFF not a wave at all")
    with pytest.raises(InputError, match=r"b\.wav"):
        load_speech(tmp_path, 14700)
    write_sound(tmp_path / "b.wav", speech * 0)
    with pytest.raises(InputError, match=r"b\.wav.*silent"):
        load_speech(tmp_path, 14700)
    write_sound(tmp_path / "b.wav", speech[:3000])
    with pytest.raises(InputError, match=r"b\.wav.*0\.19 s"):
        load_speech(tmp_path, 14700)
    write_sound(tmp_path / "b.wav", speech)
    assert load_speech(tmp_path, 14700).files == ["a.wav", "b.wav"]


@pytest.mark.parametrize("name", ["b.mp3", "deeper/B.M4A"])
def test_sound_of_a_kind_that_is_not_read_is_named_and_never_left_out(name: str, tmp_path: Path) -> None:
    write_sound(tmp_path / "a.wav", np.random.default_rng(0).standard_normal(16000) * 0.1)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"\xff\xfb")
    with pytest.raises(InputError, match=rf"{name}.*would be left out.*Convert it"):
        load_speech(tmp_path, 14700)


def test_a_link_to_nothing_is_named_and_a_file_that_is_no_sound_is_none_of_ours(tmp_path: Path) -> None:
    write_sound(tmp_path / "a.wav", np.random.default_rng(0).standard_normal(16000) * 0.1)
    (tmp_path / "README.txt").write_text("by whom")
    assert load_speech(tmp_path, 14700).files == ["a.wav"]
    (tmp_path / "b.wav").symlink_to(tmp_path / "gone.wav")
    with pytest.raises(InputError, match=r"b\.wav"):
        load_speech(tmp_path, 14700)


def test_a_linked_folder_is_read_once_also_where_it_leads_back(tmp_path: Path) -> None:
    speech, elsewhere = tmp_path / "speech", tmp_path / "elsewhere"
    speech.mkdir()
    elsewhere.mkdir()
    for path in (speech / "a.wav", elsewhere / "b.wav"):
        write_sound(path, np.random.default_rng(0).standard_normal(16000) * 0.1)
    (speech / "more").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(speech)
    assert load_speech(speech, 14700).files == ["a.wav", "more/b.wav"]


def test_the_float_network_is_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_small_network(tmp_path)
    assert main(["quantize", str(source), "--out", str(source)]) == 78
    assert "the float32 network would be lost" in capsys.readouterr().err
    assert load_manifest(source).precision == "float32"


def test_the_hash_of_a_set_changes_with_a_file_or_its_name(tmp_path: Path) -> None:
    speech = np.random.default_rng(0).standard_normal(16000) * 0.1
    write_sound(tmp_path / "a.wav", speech)
    first = load_speech(tmp_path, 14700).sha256
    (tmp_path / "a.wav").rename(tmp_path / "c.wav")
    second = load_speech(tmp_path, 14700).sha256
    write_sound(tmp_path / "c.wav", speech * 0.9)
    assert len({first, second, load_speech(tmp_path, 14700).sha256}) == 3


@pytest.mark.parametrize("folder", ["missing", "empty"])
def test_a_folder_without_speech_is_refused(tmp_path: Path, folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    source = write_small_network(tmp_path)
    code = main(["quantize", str(source), "--speech", str(tmp_path / folder), "--out", str(tmp_path / "o.json")])
    assert code == 65
    assert folder in capsys.readouterr().err
    assert not (tmp_path / "o.json").exists()


def test_a_network_that_is_int8_already_is_refused(quantised: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="precision is int8"):
        quantize(quantised[1], SHIPPED_SET, tmp_path / "o.json")


def test_a_network_with_nothing_to_quantise_is_refused() -> None:
    from tests.tiny_network import make_graph

    with pytest.raises(ModelError, match="no convolution"):
        quantised_nodes(make_graph())
