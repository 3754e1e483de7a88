"""A run begins with a network that was exported as if it had never left training."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibration.float_network import shipped_networks
from edge.errors import InputError
from tests.requirements import need_module

torch = need_module("torch")
need_module("onnx")

from engine_build.export import export_network, sealed  # noqa: E402
from engine_build.network.start_weights import start_weights  # noqa: E402
from engine_build.training.config import STREAM_FEATURES, TrainConfig  # noqa: E402
from engine_build.training.train import build_network  # noqa: E402

PAPER_FEATURES = {
    "kind": "paper_spectrogram",
    "n_fft": 256,
    "hop": 128,
    "n_columns": 32,
    "floor_db": -80.0,
    "padding": "constant",
}
FACTS = {"name": "net", "version": "1", "licence": "none"}
CONFIGS = {
    "stream": TrainConfig(options={"first_maps": 4, "second_maps": 6, "width": 24, "hidden": 20}),
    "paper": TrainConfig(network="paper", options={"scale": 0.05, "hidden": 12}, features=PAPER_FEATURES),
    "paper lstm": TrainConfig(
        network="paper", options={"scale": 0.05, "hidden": 12, "recurrence": "lstm"}, features=PAPER_FEATURES
    ),
}


def features_of(config: TrainConfig, n_batch: int = 3, n_frames: int = 24) -> Any:
    rng = np.random.default_rng(4)
    if config.network == "stream":
        return rng.uniform(-1.2, 0.0, (n_batch, n_frames, 80, 3)).astype(np.float32)
    return rng.uniform(0.0, 1.0, (n_batch, n_frames, 128, 32)).astype(np.float32)


def untidy(config: TrainConfig) -> Any:
    """Return a network whose batch norms have seen something, as a trained one's have."""
    torch.manual_seed(3)
    network = build_network(config)
    with torch.no_grad():
        for name, value in network.named_buffers():
            if name.endswith("running_mean"):
                value.uniform_(-0.5, 0.5)
            elif name.endswith("running_var"):
                value.uniform_(0.5, 2.0)
            elif name.endswith("mean_prior"):
                value.uniform_(0.0, 1.0)
    return network.eval()


def faces(network: Any, features: Any) -> Any:
    with torch.no_grad():
        out = network(torch.from_numpy(features), network.initial_state(len(features)))
    return out.activations.numpy(), out.head_deg.numpy()


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("seal_mm", [0.0, 1.2])
def test_a_network_goes_through_its_export_and_back(tmp_path: Path, name: str, seal_mm: float) -> None:
    config = CONFIGS[name]
    network, features = untidy(config), features_of(config)
    exported = sealed(network, config, seal_mm) if seal_mm else network
    export_network(exported, config, tmp_path / "net.json", FACTS)
    torch.manual_seed(99)
    again = build_network(config)
    start_weights(tmp_path / "net.json", again, features)
    other = np.random.default_rng(8).permuted(features, axis=1)  # not what the norms were set by
    for mine, theirs in zip(faces(again.eval(), other), faces(network, other), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=2e-5 * max(1.0, np.abs(theirs).max()))


def test_in_training_its_norms_measure_what_they_hold(tmp_path: Path) -> None:
    """Batch statistics of the same features change nothing: a run goes on where the export stood."""
    config = dataclasses.replace(CONFIGS["stream"], options={**CONFIGS["stream"].options, "dropout": 0.0})
    network, features = untidy(config), features_of(config)
    export_network(network, config, tmp_path / "net.json", FACTS)
    again = build_network(config)
    start_weights(tmp_path / "net.json", again, features)
    quiet, training = faces(again.eval(), features)[0], faces(again.train(), features)[0]
    np.testing.assert_allclose(training, quiet, atol=1e-3)


@pytest.mark.parametrize("path", shipped_networks().values(), ids=shipped_networks())
def test_a_shipped_float_network_can_be_trained_further(path: Path) -> None:
    import onnxruntime

    from calibration.float_network import read_network
    from edge.manifest import load_manifest

    manifest = load_manifest(path)
    rate = manifest.frame_rate
    config = TrainConfig(features=manifest.features, frame_rate=(rate.numerator, rate.denominator))
    assert config.channels == manifest.channels
    assert {**config.features, "hop": 0} == {**STREAM_FEATURES, "hop": 0}
    network, features = build_network(config), features_of(config, n_batch=1)
    start_weights(path, network, features)
    model, _ = read_network(manifest)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    state: dict[str, Any] = {tensor.input: np.zeros(tensor.shape, np.float32) for tensor in manifest.state}
    mine = faces(network.eval(), features)[1][0]
    for t in range(features.shape[1]):
        results = session.run(None, {"features": features[:, t], **state})
        state = dict(zip(state, results[2:], strict=True))
        np.testing.assert_allclose(mine[t], results[1][0], atol=2e-3)  # degrees; no seal is behind the head


@pytest.mark.parametrize("name", ["stream", "paper"])
def test_a_shipped_int8_network_can_be_trained_further(name: str) -> None:
    """Where the float one is too big to come along: what the int8 graph computes, but for its rounding."""
    import onnxruntime

    from calibration.roll_out import compute_features
    from calibration.speech import SHIPPED_SET, load_speech
    from edge.app import shipped_models
    from edge.manifest import load_manifest

    config = TrainConfig() if name == "stream" else TrainConfig(network="paper", features=PAPER_FEATURES)
    manifest = load_manifest(shipped_models()[name])
    features = compute_features(manifest, load_speech(SHIPPED_SET, manifest.sample_rate_hz).recordings[:1])[:90][None]
    network = build_network(config)
    start_weights(manifest.path, network, features)
    session = onnxruntime.InferenceSession(manifest.verify_graph(), providers=["CPUExecutionProvider"])
    state: dict[str, Any] = {tensor.input: np.zeros(tensor.shape, np.float32) for tensor in manifest.state}
    jaw = config.channels.index("jawOpen")  # which the seal behind the network leaves alone
    mine, theirs = faces(network.eval(), features)[0][0, :, jaw], []
    for t in range(features.shape[1]):
        results = session.run(None, {"features": features[:, t], **state})
        state = dict(zip(state, results[2:], strict=True))
        theirs.append(results[0][0, jaw])
    assert np.corrcoef(mine, theirs)[0, 1] > 0.95
    assert np.abs(mine - theirs).mean() < 0.25 * np.std(theirs)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    config = CONFIGS["stream"]
    export_network(untidy(config), config, tmp_path / "net.json", FACTS)
    wider = build_network(dataclasses.replace(config, options={**config.options, "hidden": 28}))
    with pytest.raises(InputError, match=r"net\.json.*other sizes of.*Set `network`"):
        start_weights(tmp_path / "net.json", wider, features_of(config))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half a file", b"{}"])
def test_a_broken_checkpoint_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "best.pt").write_bytes(content)
    with pytest.raises(InputError, match=r"best\.pt.*cannot be used"):
        start_weights(tmp_path / "best.pt", build_network(CONFIGS["stream"]), features_of(CONFIGS["stream"]))
