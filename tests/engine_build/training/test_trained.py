"""What a short training left behind: it is exported, evaluated, sealed, mixed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.requirements import need_module

torch = need_module("torch")

from calibration.float_network import read_network  # noqa: E402  (torch may be missing)
from edge.errors import ConfigurationError, InputError  # noqa: E402  (torch may be missing)
from edge.manifest import load_manifest  # noqa: E402
from engine_build.__main__ import main  # noqa: E402
from engine_build.data.corpus import CorpusSpec  # noqa: E402
from engine_build.evaluation.evaluate import evaluate, read_spoken, write_report  # noqa: E402
from engine_build.export import export_network, load_trained, mix_weights, sealed  # noqa: E402
from engine_build.network.start_weights import exported_weights  # noqa: E402
from engine_build.training.train import Trainer  # noqa: E402
from engine_build.voices.recording_phones import write_phones  # noqa: E402
from tests.engine_build.training.tiny_runs import OPTIONS, config_for  # noqa: E402


def test_the_exported_graph_is_the_network_and_its_manifest_loads(trained: Path, tmp_path: Path) -> None:
    config, network = load_trained(trained)
    path = tmp_path / "out" / "tiny.json"
    assert export_network(network, config, path, {"name": "tiny", "version": "1", "licence": "MIT"}) < 1e-4
    manifest = load_manifest(path)
    manifest.verify_graph()
    assert manifest.channels == config.channels
    assert {"mouthClose", "eyeBlinkLeft", "jawLeft"} <= set(manifest.masked_channels)
    assert "jawOpen" not in manifest.masked_channels
    with torch.no_grad():
        out = network(torch.zeros(1, 3, 80, 3), network.initial_state(1))
    masked = [manifest.channels.index(name) for name in manifest.masked_channels]
    assert float(out.activations[..., masked].max()) < 1e-6


def test_an_evaluation_writes_both_reports(dataset: Path, trained: Path, tmp_path: Path) -> None:
    config, network = load_trained(trained)
    path = tmp_path / "tiny.json"
    export_network(network, config, path, {"name": "tiny", "version": "1", "licence": "MIT"})
    spec = CorpusSpec("tiny", str(dataset / "audio"), str(dataset / "labels.npz"))
    manifest = load_manifest(path)
    report = evaluate(manifest, spec, read_spoken(dataset / "phones.json"), tmp_path / "cache", manifest)
    report.numbers["channels"]["mouthPucker"]["r"] = float("nan")  # as where a channel rests
    write_report(report, tmp_path / "report")
    strict = json.JSONDecoder(parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    numbers = strict.decode((tmp_path / "report" / "report.json").read_text())
    assert numbers["channels"]["mouthPucker"]["r"] is None
    assert set(numbers["lips"]) == {"inner_lip_gap", "mouth_width", "nose_chin"}
    assert numbers["phones"]["n_closing_phones"] == 4
    assert numbers["against_float32"]["mean_difference"] == 0.0
    page = (tmp_path / "report" / "report.html").read_text()
    assert page.count("<img") == 4  # bars, and the curves of three clips


def test_phones_are_read_as_voices_writes_them(dataset: Path, tmp_path: Path) -> None:
    whole = read_spoken(dataset / "phones.json")
    write_phones(tmp_path / "phones.json", {clip: tuple(spoken["phones"]) for clip, spoken in whole.items()})
    phones_only = {clip: {"phones": spoken["phones"], "words": []} for clip, spoken in whole.items()}
    assert read_spoken(tmp_path / "phones.json") == phones_only
    (tmp_path / "odd.json").write_text('{"clip0": [["P", 0.1]]}')
    with pytest.raises(InputError, match=r"odd\.json"):
        read_spoken(tmp_path / "odd.json")


@pytest.mark.parametrize("lookahead_ms", [0.0, 100.0])
def test_what_the_program_shows_is_measured_beside_the_network(
    dataset: Path, tmp_path: Path, lookahead_ms: float
) -> None:
    """Rendered without gate and smoothing, both are the same face at the same times; with them, they differ."""
    from edge.cli import main

    trainer = Trainer(config_for(dataset, lookahead_ms=lookahead_ms), tmp_path / "run", tmp_path / "cache", quiet=True)
    trainer.train()
    config, network = load_trained(tmp_path / "run")
    path = tmp_path / "tiny.json"
    export_network(network, config, path, {"name": "tiny", "version": "1", "licence": "MIT"})
    sounds = [str(sound) for sound in sorted((dataset / "audio").iterdir())]
    spec = CorpusSpec("tiny", str(dataset / "audio"), str(dataset / "labels.npz"))
    measured = []
    for name, how in (("raw", ["--raw"]), ("whole", [])):
        out = tmp_path / name
        assert (
            main(["render", *sounds, "--out", str(out), "--format", "npz", "--quiet", "--model", str(path), *how]) == 0
        )
        report = evaluate(load_manifest(path), spec, {}, tmp_path / "cache", shown=out)
        measured.append(report.numbers)
    for name, values in measured[0]["lips"].items():
        # with look-ahead the program hears silence behind the end, and the evaluation repeats the last face
        assert measured[0]["shown"]["lips"][name]["error_mm"] == pytest.approx(values["error_mm"], rel=0.02)
    assert measured[1]["shown"]["lips"] != measured[1]["lips"]
    write_report(report, tmp_path / "report")
    assert "as the whole program showed them" in (tmp_path / "report" / "report.html").read_text()
    (tmp_path / "whole" / f"{report.corpus.clips[0]}.npz").unlink()
    with pytest.raises(InputError, match=r"frames of clip .*au-edge render"):
        evaluate(load_manifest(path), spec, {}, tmp_path / "cache", shown=tmp_path / "whole")


def test_a_sealed_network_is_exported_as_it_predicts(trained: Path, tmp_path: Path) -> None:
    config, network = load_trained(trained)
    facts = {"name": "s", "version": "1", "licence": "none", "lip_seal_mm": 1.3}
    worst = export_network(sealed(network, config, 1.3), config, tmp_path / "sealed.json", facts)
    assert worst <= 1e-4
    assert list(load_manifest(tmp_path / "sealed.json").masked_channels) == network.masked_channels
    with pytest.raises(ConfigurationError, match="out of range"):
        sealed(network, config, 40.0)


def test_a_seal_stays_where_a_network_is_written_anew_unless_none_is_asked_for(trained: Path, tmp_path: Path) -> None:
    def seal_of(source: Path, out: Path, *words: str) -> object:
        assert main(["export", str(source), "--out", str(out), *words]) == 0
        names = {tensor.name for tensor in read_network(load_manifest(out))[0].graph.initializer}
        told = json.loads(out.read_text()).get("lip_seal_mm")
        assert ("seal.weights" in names) == (told is not None)
        return told

    kept, out = tmp_path / "kept.json", tmp_path / "out.json"
    assert seal_of(trained, kept, "--seal-mm", "1.3") == 1.3
    assert seal_of(kept, out) == 1.3
    assert seal_of(kept, out, "--seal-mm", "0") is None
    for option in ("--mix", "--checkpoint"):  # which only a run has
        assert main(["export", str(kept), "--out", str(kept), option, str(trained)]) == 2


def test_weights_lie_between_those_of_two_runs(dataset: Path, trained: Path, tmp_path: Path) -> None:
    further = config_for(dataset, start_from=str(trained / "best.pt"), seed=3, learning_rate=0.02)
    Trainer(further, tmp_path / "further", tmp_path / "cache", quiet=True).train()
    old = load_trained(trained)[1].state_dict()
    new = load_trained(tmp_path / "further")[1].state_dict()
    assert any(not torch.equal(old[name], new[name]) for name in old)
    for share in (0.0, 0.25, 1.0):
        network = load_trained(tmp_path / "further")[1]
        mix_weights(network, load_trained(trained)[1], share)
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                torch.testing.assert_close(value, share * old[name] + (1 - share) * new[name])
    with pytest.raises(ConfigurationError, match="share"):
        mix_weights(network, network, 1.5)
    wider = Trainer(
        config_for(dataset, options={**OPTIONS, "width": 24}), tmp_path / "wider", tmp_path / "cache", quiet=True
    )
    with pytest.raises(InputError, match="sizes"):
        mix_weights(network, wider.network, 0.5)


def test_a_run_keeps_what_it_began_with_to_be_mixed_with(dataset: Path, trained: Path, tmp_path: Path) -> None:
    further = config_for(dataset, start_from=str(trained / "best.pt"), seed=3, learning_rate=0.02)
    Trainer(further, tmp_path / "further", tmp_path / "cache", quiet=True).train()
    Trainer(further, tmp_path / "further", tmp_path / "cache", quiet=True)  # a run that goes on keeps it
    assert not (trained / "start.pt").exists()
    out = tmp_path / "mixed.json"
    mix = ["--mix", str(tmp_path / "further" / "start.pt"), "--mix-share", "1"]
    assert main(["export", str(tmp_path / "further"), "--out", str(out), *mix]) == 0
    assert main(["export", str(trained), "--out", str(tmp_path / "plain.json")]) == 0
    mixed, plain = (
        exported_weights(read_network(load_manifest(tmp_path / name))[0]) for name in ("mixed.json", "plain.json")
    )
    for name, value in plain.items():
        np.testing.assert_allclose(mixed[name], value, atol=1e-6)


def test_a_checkpoint_is_read_as_its_averaged_weights(dataset: Path, tmp_path: Path) -> None:
    trainer = Trainer(config_for(dataset, learning_rate=0.02), tmp_path / "run", tmp_path / "cache", quiet=True)
    trainer.train()
    read = load_trained(tmp_path / "run", "checkpoint.pt")[1].state_dict()
    informed = [name for name in read if not name.startswith("face.")]  # that of channels without data is silenced
    assert all(torch.equal(read[name], trainer.average.state_dict()[name]) for name in informed)
    assert any(not torch.equal(read[name], trainer.network.state_dict()[name]) for name in informed)


def test_every_file_of_a_run_knows_what_no_data_has_taught(trained: Path) -> None:
    taught = [load_trained(trained, name)[1].masked_channels for name in ("best.pt", "checkpoint.pt")]
    assert taught[0] == taught[1]
    assert {"mouthClose", "jawLeft"} <= set(taught[0])
