"""Networks: one pass over a sequence equals frame by frame; nothing of the future; level and voice taken out."""

from __future__ import annotations

import numpy as np
import pytest

from tests.requirements import need_module

torch = need_module("torch")

from engine_build.network.table import make_network  # noqa: E402  (torch may be missing)

torch.set_num_threads(1)  # threads that wait for one another make small networks slower
N_FRAMES = 12
PAPER = {"scale": 0.05, "hidden": 16}
STREAM = {"first_maps": 4, "second_maps": 6, "width": 16, "hidden": 12}
NETWORKS = [
    pytest.param("paper", {**PAPER, "recurrence": "gru"}, id="paper-gru"),
    pytest.param("paper", {**PAPER, "recurrence": "lstm"}, id="paper-lstm"),
    pytest.param("paper", {**PAPER, "recurrence": "none"}, id="paper-none"),
    pytest.param("stream", STREAM, id="stream"),
    pytest.param("stream", {**STREAM, "hidden": 0}, id="stream-without-memory"),
]


def features_of(name: str, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = (2, N_FRAMES, 80, 3) if name == "stream" else (2, N_FRAMES, 1, 128, 32)
    return torch.rand(shape, generator=generator) - (1.0 if name == "stream" else 0.0)


def build(name: str, options: dict) -> torch.nn.Module:
    torch.manual_seed(1)
    network = make_network(name, options, 52)
    for module in network.modules():  # norms of a trained network are not the identity
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2.0)
    return network.eval()


@pytest.mark.parametrize(("name", "options"), NETWORKS)
def test_frame_by_frame_equals_one_pass(name: str, options: dict) -> None:
    network, features = build(name, options), features_of(name)
    with torch.no_grad():
        whole = network(features, network.initial_state(2))
        state = network.initial_state(2)
        for t in range(N_FRAMES):
            out = network(features[:, t : t + 1], state)
            state = out.state
            torch.testing.assert_close(out.activations[:, 0], whole.activations[:, t], atol=1e-5, rtol=0)
            torch.testing.assert_close(out.head_deg[:, 0], whole.head_deg[:, t], atol=1e-4, rtol=0)
    for key, value in whole.state.items():
        torch.testing.assert_close(state[key], value, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("name", "options"), NETWORKS)
def test_the_future_changes_nothing(name: str, options: dict) -> None:
    network, features = build(name, options), features_of(name)
    changed = features.clone()
    changed[:, 7:] = features_of(name, seed=9)[:, 7:]
    with torch.no_grad():
        one = network(features, network.initial_state(2)).activations
        other = network(changed, network.initial_state(2)).activations
    torch.testing.assert_close(one[:, :7], other[:, :7], atol=1e-6, rtol=0)
    assert (one[:, 7:] - other[:, 7:]).abs().max() > 1e-6


@pytest.mark.parametrize("gain_db", [-20.0, 20.0])
def test_a_gain_changes_nothing_while_the_sound_stays_within_range(gain_db: float) -> None:
    network = build("stream", STREAM)
    features = features_of("stream") * 0.5 - 0.2  # peaks at 12 dB under full scale, floor at 42 dB under
    with torch.no_grad():
        one = network(features, network.initial_state(2)).activations
        other = network(features + gain_db / 60.0, network.initial_state(2)).activations
    torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


def test_the_paper_network_has_the_size_of_the_paper() -> None:
    network = make_network("paper", {}, 49)
    weights = sum(p.numel() for name, p in network.named_parameters() if p.dim() > 1)
    training_only = sum(
        p.numel() for n, p in network.named_parameters() if p.dim() > 1 and n.startswith(("geometry", "phones", "head"))
    )
    assert weights - training_only == 9_382_304  # the layers of the paper, without norms and biases


def test_activations_lie_between_0_and_1_and_the_head_within_its_range() -> None:
    network = build("stream", STREAM)
    with torch.no_grad():
        out = network(100 * features_of("stream"), network.initial_state(2))
    assert 0 <= float(out.activations.min()) <= float(out.activations.max()) <= 1
    assert float(out.head_deg.abs().max()) <= 30.0
    assert np.isfinite(out.activations.numpy()).all()
