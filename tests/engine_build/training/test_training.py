"""Training on five seconds of sound: it resumes as if it had not been killed and respects masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.requirements import need_module

torch = need_module("torch")

from edge.app import make_pipeline  # noqa: E402  (torch may be missing)
from edge.backends.onnx_runtime import OnnxRuntimeBackend  # noqa: E402  (torch may be missing)
from edge.errors import ConfigurationError, InputError  # noqa: E402  (torch may be missing)
from edge.frames import AudioChunk  # noqa: E402
from edge.manifest import load_manifest  # noqa: E402
from edge.metrics.counters import Metrics  # noqa: E402
from engine_build.data.corpus import CorpusSpec  # noqa: E402
from engine_build.data.frame_labels import load_corpus  # noqa: E402
from engine_build.export import export_network, load_trained  # noqa: E402
from engine_build.training.config import STREAM_FEATURES, from_json  # noqa: E402
from engine_build.training.losses import largest_change, narrowest_near  # noqa: E402
from engine_build.training.train import Trainer, as_target, build_network  # noqa: E402
from tests.engine_build.training.tiny_runs import config_for  # noqa: E402


def test_a_killed_run_goes_on_as_if_it_had_not_been_killed(dataset: Path, tmp_path: Path) -> None:
    config = config_for(dataset)
    straight = Trainer(config, tmp_path / "straight", tmp_path / "cache", quiet=True)
    straight.train()
    killed = Trainer(config, tmp_path / "killed", tmp_path / "cache", quiet=True)
    real_step = killed._one_step

    def dies_after_four() -> dict[str, float]:
        if killed.step == 4:
            raise KeyboardInterrupt
        return real_step()

    killed._one_step = dies_after_four  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        killed.train()
    resumed = Trainer(config, tmp_path / "killed", tmp_path / "cache", quiet=True)
    assert resumed.step == 3  # the last validation wrote a checkpoint
    resumed.train()
    for (name, one), other in zip(
        straight.average.state_dict().items(), resumed.average.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5, msg=name)


def test_training_lowers_the_loss(dataset: Path, tmp_path: Path) -> None:
    config = config_for(dataset, n_steps=40, validate_every=10, learning_rate=5e-3)
    trainer = Trainer(config, tmp_path / "run", tmp_path / "cache", quiet=True)
    trainer.train()
    losses = [entry["train"]["activations"] for entry in trainer.history]
    assert losses[-1] < 0.9 * losses[0]


def test_the_change_that_counts_is_the_largest_of_a_sequence() -> None:
    one = torch.zeros(2, 10, 4)
    other = one.clone()
    other[0, 3, 1], other[0, 5, 1], other[1, 9, 2] = -0.4, 0.1, 0.2
    assert largest_change(one, other).item() == pytest.approx((0.4 + 0.2) / 2)


def test_training_makes_a_face_depend_less_on_the_level(dataset: Path, tmp_path: Path) -> None:
    size = {"n_steps": 40, "validate_every": 40, "batch": 4, "n_frames": 30, "learning_rate": 5e-3}
    size["masked_prefixes"] = ["eyeBlink"]  # brows move in this dataset and are what the level changes most
    changes = []
    for weight in (0.0, 3.0):
        config = config_for(dataset, **size, loss={"level": weight}, augment={"gain_db": 40.0})
        trainer = Trainer(config, tmp_path / f"{weight}", tmp_path / "cache", quiet=True)
        trainer.train()
        assert ("level" in trainer.history[-1]["train"]) == (weight > 0)
        near_silence = trainer.sampler.draw(10**6).features - np.float32(0.7)  # where the network is not free of level
        with torch.no_grad():
            changes.append(float(trainer._level_change(near_silence)))
    assert changes[1] < 0.7 * changes[0]


def test_what_has_no_confidence_gives_no_gradient(dataset: Path, tmp_path: Path) -> None:
    trainer = Trainer(config_for(dataset), tmp_path / "run", tmp_path / "cache", quiet=True)
    batch = trainer.sampler.draw(0)
    silent = [i for i, name in enumerate(trainer.config.channels) if name in ("mouthClose", "eyeBlinkLeft", "jawLeft")]
    from engine_build.training.losses import face_loss

    activations = torch.full(batch.activations.shape, 0.4, requires_grad=True)
    target = as_target(batch, 0.5)
    total, _ = face_loss(
        activations, torch.zeros(*batch.head_deg.shape), None, None, target, trainer.scale, trainer.config.loss
    )
    total.backward()
    assert activations.grad is not None
    assert not activations.grad[..., silent].any()
    assert activations.grad[..., trainer.config.channels.index("jawOpen")].any()


@pytest.mark.parametrize(("closed_at", "is_met"), [(7, False), (8, True), (10, True), (11, True), (12, False)])
def test_lips_have_to_meet_once_about_a_closing_phone(closed_at: int, is_met: bool) -> None:
    """A /b/ of one frame, at 10: lips that are closed from two frames before to one after have met."""
    from engine_build.training.losses import narrowest_near

    gap = torch.full((2, 20), 5.0)
    gap[0, closed_at] = 0.1
    near = narrowest_near(gap)
    assert (near[0, 10].item() == pytest.approx(0.1)) == is_met
    assert (near[1] == 5.0).all()


def test_labels_are_read_at_the_ends_of_frames_and_look_ahead_looks_back(dataset: Path, tmp_path: Path) -> None:
    config = config_for(dataset)
    spec = CorpusSpec("tiny", str(dataset / "audio"), str(dataset / "labels.npz"))
    now = load_corpus(spec, config.channels, config.feature_spec(), tmp_path)
    late = load_corpus(spec, config.channels, config.feature_spec(), tmp_path, lookahead_ms=100.0)
    jaw = config.channels.index("jawOpen")
    labels = np.load(dataset / "labels.npz")["activations"][:30, 0]
    times = (np.arange(20) + 1) / 30
    np.testing.assert_allclose(now.activations[:20, jaw], np.interp(times * 25, np.arange(30), labels), atol=1e-6)
    np.testing.assert_allclose(late.activations[3:23, jaw], now.activations[:20, jaw], atol=1e-6)


def test_labels_much_longer_than_the_sound_are_refused(dataset: Path, tmp_path: Path) -> None:
    labels = dict(np.load(dataset / "labels.npz"))
    labels["clips"] = np.array(["clip0", "clip1"])
    labels["n_frames"] = np.array([60, 60])
    np.savez(tmp_path / "labels.npz", **labels)
    spec = CorpusSpec("wrong", str(dataset / "audio"), str(tmp_path / "labels.npz"))
    config = config_for(dataset)
    with pytest.raises(InputError, match="s of sound"):
        load_corpus(spec, config.channels, config.feature_spec(), tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [("n_step=3", "n_steps"), ("loss.phone=1", "loss.phones"), ("seed", "key=value")],
    ids=["unknown", "nested", "form"],
)
def test_a_misspelt_option_is_refused_with_the_one_that_was_meant(change: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        from_json({}, [change])


def test_a_configuration_survives_its_file(dataset: Path) -> None:
    config = config_for(dataset, augment={"warp": 0.1})
    assert from_json(config.as_json()) == config


FAST = {
    "frame_rate": [60, 1],
    "features": {**STREAM_FEATURES, "hop": 245},  # three columns a frame, as at 30
    "n_frames": 40,
}


def test_a_network_of_60_frames_a_second_is_trained_exported_and_run_by_the_runtime(
    dataset: Path, tmp_path: Path
) -> None:
    trainer = Trainer(config_for(dataset, **FAST), tmp_path / "run", tmp_path / "cache", quiet=True)
    slow = build_network(config_for(dataset))
    assert trainer.network.normalise.peak_fall == pytest.approx(slow.normalise.peak_fall / 2)
    reach = [one.initial_state(1)["block_frames"].shape[2] for one in (slow, trainer.network)]
    assert reach[1] == 2 * reach[0]
    trainer.train()
    config, network = load_trained(tmp_path / "run")
    facts = {"name": "tiny60", "version": "1", "licence": "none"}
    assert export_network(network, config, tmp_path / "tiny60.json", facts) < 1e-4
    manifest = load_manifest(tmp_path / "tiny60.json")
    assert manifest.frame_rate == 60
    session = OnnxRuntimeBackend().open(manifest)
    pipeline = make_pipeline(manifest, session, lambda: manifest.sample_rate_hz, [], Metrics())
    times_s: list[float] = []
    sound = np.random.default_rng(0).normal(0, 0.05, manifest.sample_rate_hz).astype(np.float32)
    pipeline.process(AudioChunk(sound, 0, 1.0), lambda frame: times_s.append(frame.end_sample_index))
    pipeline.close()
    np.testing.assert_array_equal(np.diff(times_s), 735)
    assert len(times_s) == 60
    from_export = config_for(dataset, **FAST, start_from=str(tmp_path / "tiny60.json"))
    again = Trainer(from_export, tmp_path / "again", tmp_path / "cache", quiet=True)
    np.testing.assert_allclose(again.network.normalise.mean_prior, network.normalise.mean_prior, rtol=1e-5)


def test_the_loss_of_the_same_movement_is_the_same_at_60_frames_a_second() -> None:
    gap = torch.rand(1, 50)
    slow, fast = narrowest_near(gap, 30.0), narrowest_near(gap.repeat_interleave(2, dim=1), 60.0)
    torch.testing.assert_close(fast[:, 1::2][:, 2:-2], slow[:, 2:-2])
