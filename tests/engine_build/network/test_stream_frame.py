"""A frame as it is exported: the network's numbers, from few operations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibration.float_network import read_network, shipped_networks
from edge.errors import InputError
from edge.manifest import load_manifest
from tests.requirements import need_module

torch = need_module("torch")
onnx = need_module("onnx")

from engine_build.__main__ import main  # noqa: E402
from engine_build.export import sealed  # noqa: E402
from engine_build.network.fold import fold_batch_norms  # noqa: E402
from engine_build.network.stream_frame import stream_frame  # noqa: E402
from engine_build.network.table import make_network  # noqa: E402
from engine_build.training.config import TrainConfig  # noqa: E402

torch.set_num_threads(1)  # threads that wait for one another make small networks slower
SMALL = {"first_maps": 4, "second_maps": 6, "width": 16, "hidden": 12}
N_FRAMES = 30
MOST_NODES = 70  # of a frame of the shipped size with a seal, in float, as ONNX Runtime runs it; 107 before


def untidy(options: dict[str, Any], frames_per_s: float = 30.0) -> Any:
    torch.manual_seed(2)
    network = make_network("stream", options, 52, frames_per_s=frames_per_s)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2.0)
    network.normalise.mean_prior.uniform_(0.0, 1.0)
    return network.eval()


@pytest.mark.parametrize("seal_mm", [0.0, 1.2])
@pytest.mark.parametrize(
    ("options", "frames_per_s"),
    [(SMALL, 30.0), ({**SMALL, "hidden": 0}, 30.0), (SMALL, 60.0)],
    ids=["usual", "without memory", "60 a second"],
)
def test_a_frame_is_what_the_network_says_of_the_whole_stretch(
    options: dict[str, Any], frames_per_s: float, seal_mm: float
) -> None:
    network = untidy(options, frames_per_s)
    if seal_mm:
        network = sealed(network, TrainConfig(), seal_mm)
    # quiet, loud, quiet: the peak rises and falls, the mean voice is learnt and forgotten
    levels = np.repeat([-0.6, -0.1, -0.5], N_FRAMES // 3)[:, None, None]
    noise = np.random.default_rng(1).uniform(-0.5, 0.0, (N_FRAMES, 80, 3))
    columns = torch.from_numpy((levels + noise).astype(np.float32))
    with torch.no_grad():
        whole = network(columns[None], network.initial_state(1))
        frame = stream_frame(fold_batch_norms(network))
        assert frame is not None
        state = list(frame.initial_state().values())
        for t in range(N_FRAMES):
            activations, head_deg, *state = frame(columns[t][None], *state)
            torch.testing.assert_close(activations, whole.activations[:, t], atol=2e-6, rtol=0)
            torch.testing.assert_close(head_deg, whole.head_deg[:, t], atol=2e-5, rtol=0)
    assert [tuple(after.shape) for after in state] == [tuple(v.shape) for v in frame.initial_state().values()]


def test_other_networks_have_no_frame_of_their_own() -> None:
    assert stream_frame(make_network("paper", {"scale": 0.05, "hidden": 16}, 52)) is None


@pytest.fixture(scope="module")
def anew(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the manifest of a shipped network that was exported from its own export."""
    out = tmp_path_factory.mktemp("anew") / "stream.json"
    assert main(["export", str(shipped_networks()["stream"]), "--out", str(out)]) == 0
    return out


def test_a_shipped_network_written_anew_says_the_same(anew: Path) -> None:
    import onnxruntime

    faces = []
    features = np.random.default_rng(5).uniform(-1.0, 0.0, (40, 1, 80, 3)).astype(np.float32)
    for path in (shipped_networks()["stream"], anew):
        manifest = load_manifest(path)
        session = onnxruntime.InferenceSession(
            read_network(manifest)[0].SerializeToString(), providers=["CPUExecutionProvider"]
        )
        fed = {state.input: np.zeros(state.shape, np.float32) for state in manifest.state}
        said = []
        for frame in features:
            results = session.run(None, {"features": frame, **fed})
            fed = dict(zip(fed, results[2:], strict=True))
            said.append(np.concatenate([results[0][0], results[1][0] / 30.0]))
        faces.append(np.stack(said))
    np.testing.assert_allclose(faces[1], faces[0], atol=1e-6)


def test_what_its_manifest_says_stays(anew: Path) -> None:
    old, new = (json.loads(path.read_text()) for path in (shipped_networks()["stream"], anew))
    assert old.keys() == new.keys()
    for key in old.keys() - {"graph", "sha256", "state", "created"}:
        assert new[key] == old[key], key
    assert [s["input"] for s in new["state"]] == [s["input"] for s in old["state"]]


def test_it_runs_few_operations(anew: Path, tmp_path: Path) -> None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3
    graph_path = str(load_manifest(anew).graph_path)
    onnxruntime.InferenceSession(graph_path, options, providers=["CPUExecutionProvider"])
    kinds = [node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node]
    assert len(kinds) <= MOST_NODES
    assert not {"Transpose", "Gather", "Squeeze"} & set(kinds)


def test_a_network_of_another_kind_is_not_written_anew(tmp_path: Path) -> None:
    from engine_build.export import export_network
    from engine_build.training.exported import load_exported
    from tests.engine_build.network.test_start_weights import CONFIGS, FACTS

    config = CONFIGS["paper"]
    network = make_network("paper", dict(config.options), 52).eval()
    export_network(network, config, tmp_path / "paper.json", FACTS)
    with pytest.raises(InputError, match=r"paper\.json.*kind `stream`.*from its run"):
        load_exported(tmp_path / "paper.json")
