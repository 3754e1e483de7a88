"""How to train on the tiny data set: a network of a few units, for a few steps."""

from __future__ import annotations

from pathlib import Path

from engine_build.training.config import TrainConfig, from_json

OPTIONS = {"first_maps": 4, "second_maps": 4, "width": 16, "hidden": 8}


def config_for(dataset: Path, **changes: object) -> TrainConfig:
    corpus = {"name": "tiny", "audio": str(dataset / "audio"), "labels": str(dataset / "labels.npz")}
    raw = {
        "options": OPTIONS,
        "corpora": [{**corpus, "clips": "3 ! 4"}],
        "validation": [{**corpus, "name": "held", "clips": "3 % 4"}],
        "n_steps": 6,
        "batch": 2,
        "n_frames": 20,
        "validate_every": 3,
        "bfloat16": False,
        **changes,
    }
    return from_json(raw)
