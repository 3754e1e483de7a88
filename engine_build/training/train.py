"""Train a network: seeded, resumable, with progress, curves and an early stop.

    python -m engine_build train config.json --out runs/stream -o n_steps=8000

The folder of a run holds `config.json`, `checkpoint.pt` (the newest state; a killed run goes on from it), `best.pt`
(averaged weights of the best validation), `history.json` and `training.png`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import ConfigurationError
from engine_build.data.augment import softer
from engine_build.data.frame_labels import load_corpus
from engine_build.network.start_weights import start_weights
from engine_build.training.batches import BatchSampler
from engine_build.training.config import TrainConfig, load_config
from engine_build.training.scores import corpus_scores
from engine_build.training.targets import as_target, label_scale, mask_channels, rest_in_silence, uninformed_channels

LEVEL_SEQUENCES = 4  # of a batch, heard at two levels for `loss.level`: of 16, half a step's arithmetic more
DECAY_FROM = 0.6  # share of the steps after which the learning rate falls
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
    trainer = Trainer(config, args.out, args.cache or args.out.parent / "cache")
    trainer.train()
    return 0


def build_network(config: TrainConfig) -> Any:
    """Return the network of a configuration, untrained."""
    from engine_build.network.table import make_network

    columns = int(config.features.get("n_columns", 0))
    return make_network(config.network, dict(config.options), len(config.channels), columns)


class Trainer:
    """One run in one folder.

    Args:
        config: What to do.
        folder: Where the run lives.
        cache: Where features live.
        quiet: Print nothing.
    """

    def __init__(self, config: TrainConfig, folder: Path, cache: Path, quiet: bool = False) -> None:
        import torch

        if not config.corpora:
            raise ConfigurationError("training", "no corpora", "Name at least one in `corpora`")
        torch.set_num_threads(config.n_threads)
        torch.manual_seed(config.seed)
        self.config, self.folder, self.quiet = config, folder, quiet
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(config.as_json(), indent=1), encoding="utf-8")
        spec = config.feature_spec()
        load = [
            load_corpus(corpus, config.channels, spec, cache, config.lookahead_ms)
            for corpus in (*config.corpora, *config.validation)
        ]
        for corpus in load:
            mask_channels(corpus, config)
        for corpus in load[: len(config.corpora)]:
            rest_in_silence(corpus, config)
        self.masked = uninformed_channels(load[: len(config.corpora)], config.channels)
        self.informed = [i for i, name in enumerate(config.channels) if name not in self.masked]
        self.training, self.validation = load[: len(config.corpora)], load[len(config.corpora) :]
        self.sampler = BatchSampler(self.training, spec, config.augment, config.batch, config.n_frames, config.seed)
        self.network = build_network(config)
        self.average = build_network(config)
        self._set_priors()
        if config.start_from:
            start_weights(Path(config.start_from), self.network, self.sampler.draw(FIRST_LOOK).features)
        self.average.load_state_dict(self.network.state_dict())
        self.scale = label_scale(self.training, config)
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, self._rate)
        self.history: list[dict[str, Any]] = []
        self.step, self.best, self.since_best = 0, -np.inf, 0
        self._resume()

    def train(self) -> None:
        """Go on until the last step or the early stop."""
        began, first_step = time.monotonic(), self.step
        recent: dict[str, float] = {}
        while self.step < self.config.n_steps and self.since_best < self.config.patience:
            for name, value in self._one_step().items():
                recent[name] = 0.98 * recent.get(name, value) + 0.02 * value
            if self.step % 20 == 0:
                done = self.step - first_step
                left_s = (time.monotonic() - began) / max(1, done) * (self.config.n_steps - self.step)
                self._say(
                    f"step {self.step}/{self.config.n_steps}  loss {recent['total']:.4f}  {left_s / 60:.0f} min left"
                )
            if self.step % self.config.validate_every == 0 or self.step == self.config.n_steps:
                self._validate(recent)
        self._say("", end="\n")

    def _rate(self, step: int) -> float:
        """Return the share of the learning rate: a short rise, a plateau, a cosine to nothing over the last third."""
        rise = min(1.0, (step + 1) / min(200, 1 + self.config.n_steps // 10))
        fall = max(0.0, (step / self.config.n_steps - DECAY_FROM) / (1.0 - DECAY_FROM))
        return float(rise * 0.5 * (1.0 + np.cos(np.pi * min(1.0, fall))))

    def _one_step(self) -> dict[str, float]:
        import torch

        from engine_build.training.losses import face_loss

        batch = self.sampler.draw(self.step)
        torch.manual_seed(self.config.seed * 1_000_003 + self.step)
        self.network.train()
        features = torch.from_numpy(np.ascontiguousarray(batch.features))
        with torch.autocast("cpu", torch.bfloat16, enabled=self.config.bfloat16):
            out = self.network(features, self.network.initial_state(len(features)))
        total, terms = face_loss(
            out.activations.float(),
            out.head_deg.float(),
            out.geometry.float() if out.geometry is not None else None,
            out.phones.float() if out.phones is not None else None,
            as_target(batch, self.config.loss.generated),
            self.scale,
            self.config.loss,
        )
        if self.config.loss.level and self.sampler.has_levels:
            terms["level"] = self._level_change(batch.features)
            total = total + self.config.loss.level * terms["level"]
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.schedule.step()
        self.step += 1
        keep = min(self.config.average, self.step / (self.step + 10.0))
        with torch.no_grad():
            ours = self.average.state_dict()
            for name, value in self.network.state_dict().items():
                if value.is_floating_point():
                    ours[name].lerp_(value, 1.0 - keep)
                else:
                    ours[name].copy_(value)
        return {name: float(term.detach()) for name, term in terms.items()} | {"total": float(total.detach())}

    def _level_change(self, features: NDArray[np.float32]) -> Any:
        """Return how much some sequences of a batch change when heard softer, by the network as it is exported.

        Without dropout and with fixed batch norms: else chance would differ more between the two than the level does,
        and norms that measure a batch would take the level out.
        """
        import torch

        from engine_build.training.losses import largest_change

        loud = features[:LEVEL_SEQUENCES]
        pair = np.concatenate(
            [loud, softer(loud, np.random.default_rng([self.config.seed, self.step, LEVEL_SEQUENCES]))]
        )
        self.network.eval()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.config.bfloat16):
            out = self.network(torch.from_numpy(pair), self.network.initial_state(len(pair)))
        self.network.train()
        one, other = out.activations.float()[..., self.informed].chunk(2)
        return largest_change(one, other)

    def _validate(self, recent: dict[str, float]) -> None:
        """Measure, keep the best, save everything."""
        import torch

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
            _save(torch.save, kept, self.folder / "best.pt")
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
        _save(torch.save, state, self.folder / "checkpoint.pt")
        (self.folder / "history.json").write_text(json.dumps(self.history, indent=1), encoding="utf-8")
        if not self.quiet:
            line = "  ".join(
                f"{name}: " + " ".join(f"{key} {value:.3f}" for key, value in values.items())
                for name, values in scores.items()
            )
            self._say(f"step {self.step}  score {score:.4f}  loss {recent['total']:.4f}  {line}", end="\n")
            from engine_build.training.plot import plot_training

            plot_training(self.history, self.folder / "training.png")

    def _resume(self) -> None:
        import torch

        path = self.folder / "checkpoint.pt"
        if not path.exists():
            return
        state = torch.load(path, weights_only=True)
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


def _save(write: Any, value: Any, path: Path) -> None:
    """Write so that a reader sees the old file or the new one, never half of one."""
    unfinished = path.with_suffix(".tmp")
    write(value, unfinished)
    os.replace(unfinished, path)
