"""A tiny data set and a network that was trained on it: made once, read by many."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine_build.tiny_dataset import write_tiny_dataset
from tests.requirements import need_module


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the data set; nobody may write into it."""
    return write_tiny_dataset(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def trained(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run of six steps; nobody may write into it."""
    need_module("torch")
    from engine_build.training.train import Trainer
    from tests.engine_build.training.tiny_runs import config_for

    folder = tmp_path_factory.mktemp("trained")
    Trainer(config_for(dataset), folder / "run", folder / "cache", quiet=True).train()
    return folder / "run"
