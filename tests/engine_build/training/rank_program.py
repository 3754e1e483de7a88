"""One rank of `test_ranks.py`, as torchrun would start it: it trains, is refused, or is left alone by the other.

RANK=0 WORLD_SIZE=2 MASTER_ADDR=localhost python -m tests.engine_build.training.rank_program FOLDER PORT
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np

from edge.errors import AuEdgeError
from engine_build.training.config import from_json
from engine_build.training.ranks import joined_ranks
from engine_build.training.train import Trainer


def train(folder: Path, port: int, name: str, raw: dict[str, object], dies_at: int = -1) -> str:
    """Train as one rank; return how it ended."""
    os.environ["MASTER_PORT"] = str(port)
    config = from_json(raw)
    try:
        with joined_ranks(config.device) as ranks:
            trainer = Trainer(config, folder / name, folder / "cache", quiet=True, ranks=ranks)
            step = trainer._one_step

            def one_step() -> dict[str, float]:
                if ranks.rank == 1 and trainer.step == dies_at:
                    os._exit(9)
                return step()

            trainer._one_step = one_step  # type: ignore[method-assign]
            trainer.train()
    except AuEdgeError as err:
        return f"{type(err).__name__}: {err}"
    except SystemExit as end:
        return f"exit {end.code}"
    return "done"


def main() -> None:
    """Go through the scenes; both ranks go through the same."""
    folder, port, rank = Path(sys.argv[1]), int(sys.argv[2]), int(os.environ["RANK"])
    raw = json.loads((folder / "config.json").read_text())
    said = {"trains": train(folder, port, "two", raw)}
    said["settings"] = train(folder, port + 1, "refused", {**raw, "seed": 1 + rank})
    other = json.loads(json.dumps(raw))
    labels = Path(other["corpora"][0]["labels"])
    if rank == 1:
        with np.load(labels) as stored:
            arrays = {name: stored[name].copy() for name in stored.files}
        arrays["activations"][: int(arrays["n_frames"][0])] *= 0.9
        other["corpora"][0]["labels"] = str(folder / "other.npz")
        np.savez(folder / "other.npz", **arrays)
    said["data"] = train(folder, port + 2, "refused", other)
    if rank == 1:
        other["corpora"][0]["labels"] = str(folder / "nowhere.npz")
    said["missing"] = train(folder, port + 3, "refused", other)
    (folder / f"said{rank}.json").write_text(json.dumps(said))
    said["left"] = train(folder, port + 4, "left", raw, dies_at=4)
    (folder / f"said{rank}.json").write_text(json.dumps(said))


if __name__ == "__main__":
    main()
