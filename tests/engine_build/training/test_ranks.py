"""Two processes train as one, refuse each other's data by name, and leave a checkpoint when one is killed."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.requirements import need_module

torch = need_module("torch")

from engine_build.training.config import from_json  # noqa: E402  (torch may be missing)
from engine_build.training.ranks import Ranks  # noqa: E402
from engine_build.training.run_folder import asked_to_end  # noqa: E402
from engine_build.training.train import Trainer  # noqa: E402
from tests.engine_build.tiny_dataset import write_tiny_dataset  # noqa: E402
from tests.system.programs import ROOT, environment  # noqa: E402

N_STEPS = 6


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], list[dict[str, str]]]:
    """Let two ranks go through `rank_program`; return folder, configuration and what each says."""
    folder = tmp_path_factory.mktemp("ranks")
    data = write_tiny_dataset(folder / "tiny")
    corpus = {"name": "tiny", "audio": str(data / "audio"), "labels": str(data / "labels.npz")}
    raw: dict[str, Any] = {
        "options": {"first_maps": 4, "second_maps": 4, "width": 16, "hidden": 8, "dropout": 0.0},
        "corpora": [{**corpus, "clips": "3 ! 4"}],
        "validation": [{**corpus, "name": "held", "clips": "3 % 4"}],
        "n_steps": N_STEPS,
        "batch": 5,
        "n_frames": 20,
        "validate_every": 3,
        "bfloat16": False,
        "device": "cpu",
        "augment": {"gain_db": 20.0},
    }
    (folder / "config.json").write_text(json.dumps(raw))
    port = free_port()
    program = [sys.executable, "-m", "tests.engine_build.training.rank_program", str(folder), str(port)]
    ranks = []
    for rank in ("0", "1"):
        started_by = environment(
            RANK=rank, LOCAL_RANK=rank, WORLD_SIZE="2", MASTER_ADDR="localhost", PYTHONPATH=str(ROOT)
        )
        ranks.append(subprocess.Popen(program, cwd=ROOT, env=started_by, stderr=subprocess.PIPE, text=True))
    try:
        errors = [rank.communicate(timeout=300)[1] for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    assert [rank.returncode for rank in ranks] == [0, 9], errors
    return folder, raw, [json.loads((folder / f"said{rank}.json").read_text()) for rank in range(2)]


def test_two_processes_take_the_steps_of_one(
    trained: tuple[Path, dict[str, Any], list[dict[str, str]]], tmp_path: Path
) -> None:
    """The batch of five is split two and three; the only difference is that norms measure a share."""
    folder, raw, said = trained
    assert [one["trains"] for one in said] == ["done", "done"]
    alone = Trainer(from_json(raw), tmp_path / "one", folder / "cache", quiet=True)
    alone.train()
    together = json.loads((folder / "two" / "history.json").read_text())
    assert [entry["step"] for entry in together] == [3, 6]
    for entry, one in zip(together, alone.history, strict=True):
        for name, value in one["train"].items():
            assert entry["train"][name] == pytest.approx(value, rel=0.05, abs=2e-3), name
    best = torch.load(folder / "two" / "best.pt", weights_only=True)["network"]
    assert best.keys() == alone.average.state_dict().keys()


def test_a_rank_with_other_data_or_settings_is_named_and_nobody_trains(
    trained: tuple[Path, dict[str, Any], list[dict[str, str]]],
) -> None:
    folder, _, (first, second) = trained
    assert "rank 1 (" in first["settings"]
    assert "seed is 2, and 1 on rank 0" in first["settings"]
    assert "corpus 'tiny' has another labels in 1 clips (clip0)" in first["data"]
    assert "nowhere.npz" in first["missing"]
    assert {second[scene] for scene in ("settings", "data", "missing")} == {"exit 65"}  # it is said once
    assert not (folder / "refused").exists()


def test_a_killed_rank_ends_the_run_with_a_checkpoint_that_goes_on(
    trained: tuple[Path, dict[str, Any], list[dict[str, str]]],
) -> None:
    folder, raw, (first, _) = trained
    assert first["left"].startswith("RankLostError: training on 2 ranks, rank 0 (")
    assert "goes on" in first["left"]
    resumed = Trainer(from_json(raw), folder / "left", folder / "cache", quiet=True)
    assert resumed.step == 4  # that of the last whole step, not of the last validation
    resumed.train()
    assert resumed.step == N_STEPS


def test_a_process_that_is_asked_to_end_finishes_its_step(
    trained: tuple[Path, dict[str, Any], list[dict[str, str]]], tmp_path: Path
) -> None:
    import signal

    folder, raw, _ = trained
    trainer = Trainer(from_json(raw), tmp_path / "run", folder / "cache", quiet=True)
    step = trainer._one_step

    def asked_in_the_second() -> dict[str, float]:
        if trainer.step == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return step()

    trainer._one_step = asked_in_the_second  # type: ignore[method-assign]
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    assert signal.getsignal(signal.SIGTERM) is before
    assert Trainer(from_json(raw), tmp_path / "run", folder / "cache", quiet=True).step == 2


@pytest.mark.parametrize(("count", "n"), [(1, 5), (2, 5), (3, 16), (4, 4), (5, 4)])
def test_shares_are_the_whole_in_order(count: int, n: int) -> None:
    shares = [Ranks(rank=rank, count=count).share(n) for rank in range(count)]
    assert np.concatenate([np.arange(n)[share] for share in shares]).tolist() == list(range(n))


def test_no_handler_is_set_outside_the_main_thread() -> None:
    import threading

    seen: list[bool] = []

    def look() -> None:
        with asked_to_end() as asked:
            seen.append(asked.is_set())

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [False]
