"""Train a network: seeded, resumable, with progress, curves and an early stop.

    python -m engine_build train config.json --out runs/stream -o n_steps=8000

The folder of a run holds `config.json`, `checkpoint.pt` (the newest state; a killed run goes on from it), `start.pt`
(what it began with, if with the weights of another network), `best.pt` (averaged weights of the best validation),
`history.json` and `training.png`. With several GPUs or machines, `torchrun` starts one process for each:

    torchrun --nproc-per-node 2 -m engine_build train config.json --out runs/stream
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import ConfigurationError
from edge.machine.whole_file import write_whole
from engine_build.data.augment import softer
from engine_build.network.start_weights import start_weights
from engine_build.training.batches import BatchSampler
from engine_build.training.config import TrainConfig, load_config, rate_share
from engine_build.training.ranks import RankLostError, Ranks, joined_ranks
from engine_build.training.run_folder import (
    BEST,
    CHECKPOINT,
    START,
    asked_to_end,
    move_average,
    read_state,
    take_weights_of_first,
    write_state,
)
from engine_build.training.same_data import read_corpora
from engine_build.training.scores import corpus_scores
from engine_build.training.targets import as_target, label_scale, on_device, uninformed_channels

LEVEL_SEQUENCES = 4  # of a batch, heard at two levels for `loss.level`: of 16, half a step's arithmetic more
FIRST_LOOK = (1 << 31) - 1  # the batch, of none of the steps, that statistics before the first step are taken from


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("config", type=Path, help="JSON file: corpora, validation and what differs from the defaults")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run; a run that is there goes on")
    parser.add_argument("--cache", type=Path, help="folder for computed features (default: OUT/../cache)")
    parser.add_argument("-o", "--option", action="append", default=[], metavar="KEY=VALUE", help="change a value")


def run(args: argparse.Namespace) -> int:
    """Train as the command line says."""
    config = load_config(args.config, args.option)
    with joined_ranks(config.device) as ranks:
        trainer = Trainer(config, args.out, args.cache or args.out.parent / "cache", ranks=ranks)
        trainer.train()
    return 0


def build_network(config: TrainConfig) -> Any:
    """Return the network of a configuration, untrained."""
    from engine_build.network.table import make_network

    columns = int(config.features.get("n_columns", 0))
    return make_network(config.network, dict(config.options), len(config.channels), columns, config.frames_per_s)


class Trainer:
    """One run in one folder.

    Args:
        config: What to do.
        folder: Where the run lives.
        cache: Where features live.
        quiet: Print nothing.
        ranks: This process among those that train together; default: it is alone, on the processor.
    """

    def __init__(
        self, config: TrainConfig, folder: Path, cache: Path, quiet: bool = False, ranks: Ranks | None = None
    ) -> None:
        import torch

        self.ranks = ranks = ranks or Ranks()
        if not config.corpora:
            raise ConfigurationError("training", "no corpora", "Name at least one in `corpora`")
        if config.batch < ranks.count:
            found = f"{ranks.count} processes for a batch of {config.batch}"
            raise ConfigurationError("training", found, "Start fewer, or set a larger `batch`")
        torch.set_num_threads(config.n_threads)
        torch.manual_seed(config.seed)
        self.config, self.folder, self.quiet = config, folder, quiet or not ranks.is_first
        spec = config.feature_spec()
        self.training, self.validation = read_corpora(config, cache, ranks)
        if ranks.is_first:
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(folder / "config.json", json.dumps(config.as_json(), indent=1))
        self.masked = uninformed_channels(self.training, config.channels)
        self.informed = [i for i, name in enumerate(config.channels) if name not in self.masked]
        self.sampler = BatchSampler(self.training, spec, config.augment, config.batch, config.n_frames, config.seed)
        self.network = build_network(config)
        self.average = build_network(config)
        self._set_priors()
        if config.start_from:
            start_weights(Path(config.start_from), self.network, self.sampler.draw(FIRST_LOOK).features)
        take_weights_of_first(self.network, ranks)
        if config.start_from and ranks.is_first and not (folder / START).exists():
            write_state({"network": self.network.state_dict(), "step": 0, "masked": self.masked}, folder / START)
        self.network.to(ranks.device)
        self.average.to(ranks.device)
        self.average.load_state_dict(self.network.state_dict())
        self.scale = on_device(label_scale(self.training, config), ranks.device)
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, lambda step: rate_share(step, config.n_steps))
        self.history: list[dict[str, Any]] = []
        self.step, self.best, self.since_best = 0, -np.inf, 0
        self._resume()

    def train(self) -> None:
        """Go on until the last step or the early stop.

        Raises:
            RankLostError: Another rank has ended. The first rank has saved the last step.
            KeyboardInterrupt: The process was asked to end (SIGTERM); the last step is saved.
        """
        with asked_to_end() as is_asked:
            try:
                self._go_on(is_asked)
            except RankLostError:
                self._save()
                raise
        self._say("", end="\n")

    def _go_on(self, is_asked: threading.Event) -> None:
        began, first_step = time.monotonic(), self.step
        recent: dict[str, float] = {}
        while self.step < self.config.n_steps and self.since_best < self.config.patience:
            if is_asked.is_set():
                self._save()
                raise KeyboardInterrupt
            for name, value in self._one_step().items():
                recent[name] = 0.98 * recent.get(name, value) + 0.02 * value
            if self.step % 20 == 0:
                done = self.step - first_step
                left_s = (time.monotonic() - began) / max(1, done) * (self.config.n_steps - self.step)
                self._say(
                    f"step {self.step}/{self.config.n_steps}  loss {recent['total']:.4f}  {left_s / 60:.0f} min left"
                )
            if self.step % self.config.validate_every == 0 or self.step == self.config.n_steps:
                if self.ranks.is_first:
                    self._validate(recent)
                self.best, self.since_best = self.ranks.from_first((self.best, self.since_best))

    def _one_step(self) -> dict[str, float]:
        import torch

        from engine_build.training.losses import face_loss

        whole = self.sampler.draw(self.step)
        batch = whole.part(self.ranks.share(len(whole.features)))
        torch.manual_seed(self.config.seed * 1_000_003 + self.step + (self.ranks.rank << 40))
        self.network.train()
        features = self._tensor(batch.features)
        with self._narrow_products():
            out = self.network(features, self.network.initial_state(len(features)))
        total, terms = face_loss(
            out.activations.float(),
            out.head_deg.float(),
            out.geometry.float() if out.geometry is not None else None,
            out.phones.float() if out.phones is not None else None,
            on_device(as_target(batch, self.config.loss.generated), self.ranks.device),
            self.scale,
            self.config.loss,
            self.ranks.summed,
            self.config.frames_per_s,
        )
        if self.config.loss.level and self.sampler.has_levels:
            terms["level"] = self._level_change(whole.features)
            total = total + self.config.loss.level * terms["level"]
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        told = self.ranks.sum_step(self.network, terms | {"total": total})
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.schedule.step()
        self.step += 1
        keep = min(self.config.average, self.step / (self.step + 10.0))
        move_average(self.average, self.network, keep)
        return told

    def _level_change(self, features: NDArray[np.float32]) -> Any:
        """Return how much some sequences of a batch change when heard softer, by the network as it is exported.

        Without dropout and with fixed batch norms: else chance would differ more between the two than the level does,
        and norms that measure a batch would take the level out.
        """
        import torch

        from engine_build.training.losses import largest_change

        loud = features[:LEVEL_SEQUENCES]
        soft = softer(loud, np.random.default_rng([self.config.seed, self.step, LEVEL_SEQUENCES]))
        ours = self.ranks.share(len(loud))
        n_ours = ours.stop - ours.start
        if not n_ours:
            return torch.zeros((), device=self.ranks.device)
        pair = self._tensor(np.concatenate([loud[ours], soft[ours]]))
        self.network.eval()
        with self._narrow_products():
            out = self.network(pair, self.network.initial_state(len(pair)))
        self.network.train()
        one, other = out.activations.float()[..., self.informed].chunk(2)
        return largest_change(one, other) * (n_ours / len(loud))

    def _tensor(self, values: NDArray[np.float32]) -> Any:
        import torch

        return torch.from_numpy(np.ascontiguousarray(values)).to(self.ranks.device)

    def _narrow_products(self) -> Any:
        """Return the context in which products are computed as the configuration says."""
        import torch

        kind = torch.device(self.ranks.device).type
        return torch.autocast(kind, torch.bfloat16, enabled=self.config.bfloat16)

    def _validate(self, recent: dict[str, float]) -> None:
        """Measure, keep the best, save everything."""
        scores = {
            corpus.spec.name: corpus_scores(self.average, corpus, self.config, self.masked)
            for corpus in self.validation
        }
        means = [values["score"] for values in scores.values() if np.isfinite(values["score"])]
        score = float(np.mean(means)) if means else -recent["total"]
        self.history.append({"step": self.step, "train": dict(recent), "validation": scores, "score": score})
        self.since_best += 1
        if score > self.best:
            self.best, self.since_best = score, 0
            kept = {"network": self.average.state_dict(), "step": self.step, "masked": self.masked}
            write_state(kept, self.folder / BEST)
        self._save()
        write_whole(self.folder / "history.json", json.dumps(self.history, indent=1))
        if not self.quiet:
            line = "  ".join(
                f"{name}: " + " ".join(f"{key} {value:.3f}" for key, value in values.items())
                for name, values in scores.items()
            )
            self._say(f"step {self.step}  score {score:.4f}  loss {recent['total']:.4f}  {line}", end="\n")
            from engine_build.training.plot import plot_training

            plot_training(self.history, self.folder / "training.png")

    def _save(self) -> None:
        """Write what the run goes on from, on the first rank."""
        if not self.ranks.is_first:
            return
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "step": self.step,
            "best": self.best,
            "since_best": self.since_best,
            "history": self.history,
            "masked": self.masked,
        }
        write_state(state, self.folder / CHECKPOINT)

    def _resume(self) -> None:
        """Go on from the checkpoint in the first rank's folder, where there is one."""
        state = read_state(self.folder / CHECKPOINT, self.ranks)
        if state is None:
            return
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.step, self.best, self.since_best = state["step"], state["best"], state["since_best"]
        self.history = state["history"]
        self._say(f"goes on from step {self.step}", end="\n")

    def _set_priors(self) -> None:
        """Give the normaliser the mean voice of the first corpora."""
        if hasattr(self.network, "set_prior"):
            sample = self.sampler.draw(FIRST_LOOK)
            self.network.set_prior(sample.features)

    def _say(self, text: str, end: str = "\r") -> None:
        if not self.quiet and (end == "\n" or sys.stderr.isatty()):
            print(f"{text:<100}", end=end, file=sys.stderr, flush=True)
