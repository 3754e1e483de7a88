"""An evaluation tells speakers apart, keeps its numbers where asked to, and draws the middle sentence of each."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

from engine_build.evaluation import evaluate
from engine_build.evaluation.metrics import ClipFaces
from engine_build.evaluation.sentences import middle_clip
from tests.engine_build.tiny_dataset import write_tiny_dataset
from tests.requirements import need_module

MODELS = Path(evaluate.__file__).parents[2] / "edge" / "models"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips of each of two speakers."""
    folder = write_tiny_dataset(tmp_path_factory.mktemp("spoken") / "tiny")
    with np.load(folder / "labels.npz") as stored:
        arrays = dict(stored)
    np.savez(folder / "labels.npz", **arrays, speakers=np.array(["anna", "ben", "anna", "ben"]))
    return folder


def run(*words: object) -> int:
    parser = argparse.ArgumentParser()
    evaluate.add_arguments(parser)
    return evaluate.run(parser.parse_args([str(word) for word in words]))


def test_numbers_and_sentences_are_kept_for_each_speaker(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    need_module("matplotlib")
    kept, plots = tmp_path / "kept" / "stream.evaluation.json", tmp_path / "plots"
    model = MODELS / "stream.json"
    assert run(model, dataset, "--out", tmp_path / "report", "--json", kept, "--plot", plots) == 0
    numbers = json.loads(kept.read_text())
    assert numbers == json.loads((tmp_path / "report" / "report.json").read_text())
    assert {name: values["clips"] for name, values in numbers["speakers"].items()} == {"anna": 2, "ben": 2}
    assert set(numbers["speakers"]["ben"]["lips"]) == {"inner_lip_gap", "mouth_width", "nose_chin"}
    assert sorted(path.name for path in plots.iterdir()) == ["anna.png", "ben.png"]
    pyplot = need_module("matplotlib.pyplot")
    picture = pyplot.imread(plots / "anna.png")
    assert picture[..., :3].std() > 0.05  # something is drawn
    assert "anna (2 clips)" in capsys.readouterr().err
    assert "Lips by speaker" in (tmp_path / "report" / "report.html").read_text()


def test_the_sentence_that_is_drawn_is_the_middle_one() -> None:
    rng = np.random.default_rng(0)
    true = rng.random((50, 3))
    none = np.zeros((50, 1), np.float32)
    clips = [
        ClipFaces(f"c{noise}", none, none, none > 0, true + noise * rng.standard_normal((50, 3)), true)
        for noise in (0.01, 9.0, 0.3)
    ]
    assert middle_clip(clips, [0, 1, 2]) == 2
    assert middle_clip(clips, [1]) == 1
