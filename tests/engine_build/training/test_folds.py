"""Every filmed speaker is measured once by a network that did not hear him; the tables say so, and runs are kept."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

from edge.errors import ConfigurationError, InputError
from tests.engine_build.tiny_dataset import write_tiny_dataset
from tests.requirements import need_module

need_module("torch")

from engine_build.training import folds  # noqa: E402  (torch may be missing)
from engine_build.training.config import from_json  # noqa: E402

WHO = ["anna", "ben", "carl", "dora"]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    data = write_tiny_dataset(tmp_path / "tiny")
    with np.load(data / "labels.npz") as stored:
        arrays = dict(stored)
    np.savez(data / "labels.npz", **arrays, speakers=np.array(WHO))
    filmed = {"audio": str(data / "audio"), "labels": str(data / "labels.npz")}
    raw = {
        "options": {"first_maps": 4, "second_maps": 4, "width": 16, "hidden": 8},
        "corpora": [{"name": "filmed", **filmed, "speakers": "! dora"}],
        "validation": [{"name": "held", **filmed, "speakers": "dora"}],
        "n_steps": 2,
        "batch": 2,
        "n_frames": 20,
        "bfloat16": False,
        "device": "cpu",
        "loss": {"level": 0.0},
    }
    (tmp_path / "config.json").write_text(json.dumps(raw))
    return tmp_path / "config.json"


def run(*words: object) -> int:
    parser = argparse.ArgumentParser()
    folds.add_arguments(parser)
    return folds.run(parser.parse_args([str(word) for word in words]))


def test_folds_and_curve_are_trained_once_and_tabled(config: Path, tmp_path: Path) -> None:
    out, table = tmp_path / "folds", tmp_path / "page.md"
    table.write_text(f"# A page\n\n{folds.BEGIN}\nstale\n{folds.END}\n\nThe end.\n")
    (tmp_path / "sex.json").write_text(json.dumps({"anna": "f", "ben": "m", "carl": "m", "dora": "f"}))
    given = (config, "--out", out, "--folds", 2, "--curve", 2, "--table", table, "--sex", tmp_path / "sex.json")
    assert run(*given) == 0
    runs = json.loads((out / "folds.json").read_text())["runs"]
    assert [one["name"] for one in runs] == ["fold1", "fold2", "hears2"]
    assert sorted(name for one in runs[:2] for name in one["speakers"]) == WHO
    for one in runs:
        trained = json.loads((out / one["name"] / "config.json").read_text())
        assert {corpus["speakers"] for corpus in trained["corpora"]} == set(one["heard"])
        assert not set(one["heard"]) & set(one["measured"])
    assert runs[2]["measured"] == ["dora"]
    text = table.read_text()
    assert text.startswith("# A page")
    assert text.endswith("The end.\n")
    assert "stale" not in text
    assert "| mean of f | " in text
    assert "| 2 | " in text
    stamp = (out / "fold1" / "checkpoint.pt").stat().st_mtime_ns
    assert run(*given) == 0
    assert (out / "fold1" / "checkpoint.pt").stat().st_mtime_ns == stamp
    assert table.read_text() == text


def test_a_variant_leaves_corpora_out_of_every_fold(config: Path) -> None:
    plan = folds.planned(WHO, 3, ["synth_*"], from_json(json.loads(config.read_text())), [])
    assert [one["without"] for one in plan] == [""] * 3 + ["synth_*"] * 3
    assert [one["measured"] for one in plan[:3]] == [["anna", "dora"], ["ben"], ["carl"]]


def test_what_cannot_be_folded_is_named(config: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="4 filmed speakers"):
        run(config, "--out", tmp_path / "out", "--folds", 5)
    with pytest.raises(ConfigurationError, match=r"hears 7 speakers.*3 speakers beside"):
        run(config, "--out", tmp_path / "out", "--folds", 2, "--curve", 7)
    labels = Path(json.loads(config.read_text())["corpora"][0]["labels"])
    with np.load(labels) as stored:
        arrays = {name: stored[name] for name in stored.files if name != "speakers"}
    np.savez(labels, **arrays)
    with pytest.raises(InputError, match="name `speakers`"):
        run(config, "--out", tmp_path / "out")
