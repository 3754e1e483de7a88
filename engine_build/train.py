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
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge.errors import ConfigurationError
from engine_build.dataset import Corpus
from engine_build.dataset_labels import load_corpus
from engine_build.evaluate_predict import channel_correlations, correlation, predict_corpus
from engine_build.train_batches import Batch, BatchSampler
from engine_build.train_config import TrainConfig, load_config

MET_MM = 0.25  # what landmarks show of closed lips
DECAY_FROM = 0.6  # share of the steps after which the learning rate falls
MIN_CONFIDENCE = 0.05  # channels under this are no evidence for lip geometry
GEOMETRY_NAMES = ("gap", "width", "chin")


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
    from engine_build.network import make_network

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
            _mask(corpus, config)
        self.masked = uninformed_channels(load[: len(config.corpora)], config.channels)
        self.training, self.validation = load[: len(config.corpora)], load[len(config.corpora) :]
        self.sampler = BatchSampler(self.training, spec, config.augment, config.batch, config.n_frames, config.seed)
        self.network = build_network(config)
        self.average = build_network(config)
        self._set_priors()
        if config.start_from:
            self.network.load_state_dict(torch.load(config.start_from, weights_only=True)["network"])
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

        from engine_build.losses import face_loss

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
        }
        _save(torch.save, state, self.folder / "checkpoint.pt")
        (self.folder / "history.json").write_text(json.dumps(self.history, indent=1), encoding="utf-8")
        if not self.quiet:
            line = "  ".join(
                f"{name}: " + " ".join(f"{key} {value:.3f}" for key, value in values.items())
                for name, values in scores.items()
            )
            self._say(f"step {self.step}  score {score:.4f}  loss {recent['total']:.4f}  {line}", end="\n")
            from engine_build.report_training import plot_training

            plot_training(self.history, self.folder / "training.png")

    def _resume(self) -> None:
        import torch

        path = self.folder / "checkpoint.pt"
        if not path.exists():
            return
        state = torch.load(path, weights_only=False)
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
            sample = self.sampler.draw(-1 % (1 << 31))
            self.network.set_prior(sample.features)

    def _say(self, text: str, end: str = "\r") -> None:
        if not self.quiet and (end == "\n" or sys.stderr.isatty()):
            print(f"{text:<100}", end=end, file=sys.stderr, flush=True)


def _save(write: Any, value: Any, path: Path) -> None:
    """Write so that a reader sees the old file or the new one, never half of one."""
    unfinished = path.with_suffix(".tmp")
    write(value, unfinished)
    os.replace(unfinished, path)


def _mask(corpus: Corpus, config: TrainConfig) -> None:
    for i, channel in enumerate(config.channels):
        if channel.startswith(tuple(config.masked_prefixes)):
            corpus.confidence[:, i] = 0.0


def uninformed_channels(corpora: list[Corpus], channels: tuple[str, ...]) -> list[str]:
    """Return the channels that no face in the data informs: sounds that are not speech only say that they rest."""
    faces = [corpus for corpus in corpora if not corpus.spec.is_rest] or corpora
    best = np.max([corpus.confidence.mean(axis=0) for corpus in faces], axis=0)
    return [name for name, value in zip(channels, best, strict=True) if value < MIN_CONFIDENCE]


def as_target(batch: Batch, generated_trust: float) -> Any:
    """Return a batch's labels as tensors."""
    import torch

    from engine_build.losses import Target

    return Target(
        torch.from_numpy(batch.activations),
        torch.from_numpy(batch.confidence),
        torch.from_numpy(batch.head_deg),
        torch.from_numpy(batch.head_confidence),
        torch.from_numpy(batch.geometry),
        torch.from_numpy(batch.phones),
        torch.from_numpy(np.where(batch.is_generated, generated_trust, 1.0).astype(np.float32)),
    )


def label_scale(corpora: list[Corpus], config: TrainConfig) -> Any:
    """Return the statistics of the real labels (of all where none is real)."""
    import torch

    from engine_build.labels.channels import CHANNELS
    from engine_build.labels.geometry import eye_distance_mm, face_geometry
    from engine_build.losses import LabelScale
    from engine_build.voices.phone_shape import PHONES

    real = [c for c in corpora if not c.spec.is_generated and not c.spec.is_rest] or corpora
    activations = np.concatenate([np.where(c.confidence > 0, c.activations, np.nan) for c in real])
    geometry = np.concatenate([c.geometry for c in real])
    head = np.concatenate([c.head_deg for c in real])
    with np.errstate(all="ignore"):
        channel_std = np.nan_to_num(_nan_std(activations))
        geometry_std = np.nan_to_num(_nan_std(geometry), nan=1.0)
        geometry_mean = np.nan_to_num(_nan_mean(geometry))
    confidence = np.concatenate([c.confidence for c in real]).mean(axis=0)
    slopes = face_slopes(config, activations) * (confidence > MIN_CONFIDENCE)[:, None]
    rest = geometry_mean - np.nan_to_num(_nan_mean(activations)) @ slopes
    rest[0] = face_geometry(np.zeros((1, len(CHANNELS))))[0, 0]
    return LabelScale(
        torch.tensor(np.maximum(channel_std, 0.02), dtype=torch.float32),
        torch.tensor(geometry_mean, dtype=torch.float32),
        torch.tensor(np.maximum(geometry_std, 1e-4), dtype=torch.float32),
        torch.tensor(np.maximum(head.std(axis=0), 0.5), dtype=torch.float32),
        torch.tensor(slopes, dtype=torch.float32),
        torch.tensor(rest, dtype=torch.float32),
        MET_MM / eye_distance_mm(),
        torch.tensor([PHONES.index(name) for name in ("P", "B", "M")]),
    )


def face_slopes(config: TrainConfig, activations: Any) -> Any:
    """Return [n_channels, 3]: how gap, width and chin distance of the face change with each activation.

    The blendshape face is nearly linear; the slopes are taken at the mean face of the labels, lips a little open.
    """
    from engine_build.labels.channels import CHANNELS
    from engine_build.labels.geometry import face_geometry

    ours = {name: i for i, name in enumerate(config.channels)}
    mean = dict(zip(config.channels, np.nan_to_num(_nan_mean(activations)), strict=True))
    base = np.array([mean.get(name, 0.0) for name in CHANNELS])
    base[list(CHANNELS).index("jawOpen")] += 0.1
    slopes = np.zeros((len(config.channels), 3))
    for i, name in enumerate(CHANNELS):
        if name in ours:
            step = np.zeros(len(CHANNELS))
            step[i] = 0.02
            slopes[ours[name]] = (face_geometry((base + step)[None])[0] - face_geometry((base - step)[None])[0]) / 0.04
    return slopes


def _nan_mean(values: Any) -> Any:
    known = np.isfinite(values)
    return np.where(known, values, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)


def _nan_std(values: Any) -> Any:
    known = np.isfinite(values)
    centred = np.where(known, values - _nan_mean(values), 0.0)
    return np.sqrt((centred**2).sum(axis=0) / np.maximum(known.sum(axis=0), 1))


def corpus_scores(network: Any, corpus: Corpus, config: TrainConfig, masked: Sequence[str] = ()) -> dict[str, float]:
    """Return correlations of a validation corpus, lips being those of the predicted face, and their mean, `score`."""
    from engine_build.labels.channels import CHANNELS
    from engine_build.labels.geometry import face_geometry

    prediction = predict_corpus(network, corpus)
    scores: dict[str, float] = {}
    if corpus.spec.is_rest:
        mouth = [i for i, name in enumerate(config.channels) if name.startswith(("mouth", "jaw"))]
        return {"activity": float(prediction.activations[:, mouth].mean()), "score": float("nan")}
    face = np.zeros((len(prediction.activations), len(CHANNELS)))
    for i, name in enumerate(config.channels):
        if name in CHANNELS and name not in masked:
            face[:, CHANNELS.index(name)] = prediction.activations[:, i]
    lips = face_geometry(face)
    for i, name in enumerate(GEOMETRY_NAMES):
        value = correlation(lips[:, i], corpus.geometry[:, i])
        if np.isfinite(value):
            scores[name] = value
    by_channel = channel_correlations(prediction, corpus, config.channels)
    if "jawOpen" in by_channel:
        scores["jawOpen"] = by_channel["jawOpen"]
    mouth_values = [v for name, v in by_channel.items() if name.startswith(("mouth", "jaw")) and np.isfinite(v)]
    if mouth_values:
        scores["mouth"] = float(np.mean(mouth_values))
    known = corpus.phones >= 0
    if known.any() and (prediction.phones >= 0).any():
        scores["phones"] = float((prediction.phones[known] == corpus.phones[known]).mean())
    scores["score"] = float(np.mean([v for name, v in scores.items() if name != "phones"])) if scores else float("nan")
    return scores
