"""Tell what a voice that was never heard gets: small networks on folds over the speakers, and a curve over how many.

    python -m engine_build folds config.json --out runs/folds --folds 3 --curve 1 3 5 7 --table docs/training.md

CONFIG is a training configuration; the corpora whose labels name `speakers` are the filmed ones. In each fold a third
of the speakers is left out and measured, with what `--without` names left out of the training too; for the curve, the
speakers of `validation` are measured after training on so many of the others. No run chooses its checkpoint by those it
is measured on: all train for `n_steps`, and the last weights count. Each speaker's share is capped at `--most-clips`.
Runs that are done are not done again. Out: OUT/folds.json, and the tables between two marks of a Markdown file.
"""

from __future__ import annotations

import argparse
import dataclasses
import fnmatch
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from calibration.whole_files import write_json
from edge.errors import ConfigurationError, InputError
from edge.machine.whole_file import write_whole
from engine_build.data.corpus import CorpusSpec
from engine_build.data.frame_labels import read_labels
from engine_build.training.config import TrainConfig, load_config
from engine_build.training.ranks import Ranks
from engine_build.training.train import Trainer

BEGIN, END = "<!-- folds: written by `engine_build folds` -->", "<!-- end of folds -->"
MEASURES = ("gap", "width", "chin")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("config", type=Path, help="JSON file of a training run with a small network")
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs and folds.json")
    parser.add_argument("--cache", type=Path, help="folder for computed features (default: OUT/cache)")
    parser.add_argument("--folds", type=int, default=3, help="parts of the speakers; each is left out once (default 3)")
    parser.add_argument(
        "--without", action="append", default=[], metavar="PATTERN", help="again without these corpora, e.g. 'synth_*'"
    )
    parser.add_argument("--curve", nargs="*", type=int, default=[], metavar="N", help="numbers of speakers to train on")
    parser.add_argument("--most-clips", type=int, default=70, help="that one speaker's share is capped at (default 70)")
    parser.add_argument("--sex", type=Path, help='JSON: speaker -> "f" or "m", for means by sex')
    parser.add_argument("--table", type=Path, metavar="FILE", help="Markdown file that takes the tables")
    parser.add_argument("-o", "--option", action="append", default=[], metavar="KEY=VALUE", help="change a value")


def run(args: argparse.Namespace) -> int:
    """Train and measure as the command line says."""
    config = load_config(args.config, args.option)
    spoken = filmed_speakers(config)
    if not 2 <= args.folds <= len(spoken):
        asked = f"{args.folds} folds"
        raise ConfigurationError(asked, f"{len(spoken)} filmed speakers: {', '.join(spoken)}", "Give 2 up to as many")
    args.out.mkdir(parents=True, exist_ok=True)
    plan = planned(list(spoken), args.folds, args.without, config, args.curve)
    done: list[dict[str, Any]] = []
    for i, one in enumerate(plan):
        print(f"[{i + 1}/{len(plan)}] {one['name']}: {len(one['heard'])} heard, {', '.join(one['measured'])} measured")
        done.append(one | {"speakers": measured(config, one, spoken, args)})
        write_json(args.out / "folds.json", {"n_steps": config.n_steps, "runs": done})
    text = tables(done, json.loads(args.sex.read_text(encoding="utf-8")) if args.sex else {})
    print(text)
    if args.table is not None:
        insert(args.table, text)
    return 0


def filmed_speakers(config: TrainConfig) -> dict[str, int]:
    """Return speaker -> how many clips, of all corpora whose labels name speakers.

    Raises:
        InputError: No labels do.
    """
    found: dict[str, int] = {}
    for corpus in (*config.corpora, *config.validation):
        for name in _speakers(corpus):
            found[name] = max(found.get(name, 0), int((_of(corpus) == name).sum()))
    if not found:
        raise InputError("filmed speakers", "no labels of the corpora name `speakers`", "Make them by `landmarks`")
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def planned(
    speakers: Sequence[str], n_folds: int, without: Sequence[str], config: TrainConfig, curve: Sequence[int]
) -> list[dict[str, Any]]:
    """Return the runs: name, kind, who is heard, who is measured, which corpora are left out.

    Speakers are dealt to the folds in the order of their clips, so that each fold has some who are heard much.
    """
    runs: list[dict[str, Any]] = []
    for left_out in ("", *without):
        for k in range(n_folds):
            own = list(speakers[k::n_folds])
            name = f"fold{k + 1}" + (f"-without-{left_out.replace('*', '')}" if left_out else "")
            others = [speaker for speaker in speakers if speaker not in own]
            runs.append({"name": name, "kind": "fold", "heard": others, "measured": own, "without": left_out})
    held = sorted({name for corpus in config.validation for name in _speakers(corpus)})
    others = [name for name in speakers if name not in held]
    for n in curve:
        if not held or not 1 <= n <= len(others):
            found = f"{len(others)} speakers beside those of `validation` ({', '.join(held) or 'none'})"
            raise ConfigurationError(f"a network that hears {n} speakers", found, "Give fewer, or name validation")
        runs.append({"name": f"hears{n}", "kind": "curve", "heard": others[:n], "measured": held, "without": ""})
    return runs


def measured(config: TrainConfig, one: dict[str, Any], n_clips: dict[str, int], args: argparse.Namespace) -> Any:
    """Train one run to its end, unless that is done; return speaker -> scores of the last weights."""
    corpora: list[CorpusSpec] = []
    for corpus in config.corpora:
        there = _all_speakers(corpus)
        if one["without"] and fnmatch.fnmatch(corpus.name, one["without"]):
            continue
        if not there:
            corpora.append(corpus)
            continue
        heard = {name: min(n_clips[name], args.most_clips) for name in one["heard"] if name in there}
        for name, n in heard.items():
            share = corpus.weight * n / sum(heard.values())
            corpora.append(dataclasses.replace(corpus, name=f"{corpus.name}.{name}", speakers=name, weight=share))
    first = next(corpus for corpus in (*config.validation, *config.corpora) if _all_speakers(corpus))
    judged = tuple(CorpusSpec(name, first.audio, first.labels, speakers=name) for name in one["measured"])
    small = dataclasses.replace(
        config, corpora=tuple(corpora), validation=judged, validate_every=config.n_steps, patience=config.n_steps
    )
    folder = args.out / one["name"]
    trainer = Trainer(small, folder, args.cache or args.out / "cache", ranks=Ranks())
    trainer.train()
    return trainer.history[-1]["validation"]


def tables(runs: Sequence[dict[str, Any]], sex: dict[str, str]) -> str:
    """Return Markdown: r of gap, width and chin by speaker never heard, by variant; and the curve."""
    folds = [one for one in runs if one["kind"] == "fold"]
    variants = list(dict.fromkeys(one["without"] for one in folds))
    rows: dict[str, dict[str, list[float]]] = {}
    for one in folds:
        for name, scores in one["speakers"].items():
            rows.setdefault(name, {})[one["without"]] = [scores.get(key, float("nan")) for key in MEASURES]
    lines = ["| never heard | " + " | ".join(f"without {v}" if v else "everything" for v in variants) + " |"]
    lines.append("|---|" + "---|" * len(variants))
    groups = {name: [name] for name in rows}
    groups |= {f"mean of {kind}": [n for n in rows if sex.get(n) == kind] for kind in sorted(set(sex.values()))}
    groups["**mean**"] = list(rows)
    for title, names in groups.items():
        if names:
            means = [np.nanmean([rows[name][v] for name in names], axis=0) for v in variants]
            lines.append(f"| {title} | " + " | ".join(_three(mean) for mean in means) + " |")
    curve = [one for one in runs if one["kind"] == "curve"]
    if curve:
        lines += ["", "| speakers heard | " + " | ".join(curve[0]["measured"]) + " |"]
        lines.append("|---|" + "---|" * len(curve[0]["measured"]))
        for one in curve:
            cells = [_three([scores.get(key, float("nan")) for key in MEASURES]) for scores in one["speakers"].values()]
            lines.append(f"| {len(one['heard'])} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def insert(path: Path, text: str) -> None:
    """Put the tables between the marks of a Markdown file, or at its end where it has none."""
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    block = f"{BEGIN}\n{text}\n{END}"
    if BEGIN in old and END in old:
        new = old[: old.index(BEGIN)] + block + old[old.index(END) + len(END) :]
    else:
        new = f"{old.rstrip()}\n\n{block}\n"
    write_whole(path, new)


def _three(values: Any) -> str:
    return " ".join(f"{value:.3f}" for value in values)


def _of(corpus: CorpusSpec) -> Any:
    labels = {} if corpus.is_rest else read_labels(Path(corpus.labels))
    return labels.get("speakers", np.array([], dtype=str)).astype(str)


def _all_speakers(corpus: CorpusSpec) -> set[str]:
    return set(_of(corpus).tolist())


def _speakers(corpus: CorpusSpec) -> list[str]:
    """Return the speakers that a corpus is asked for, of those whom its labels name."""
    there, rule = _all_speakers(corpus), corpus.speakers
    if rule == "all":
        return sorted(there)
    asked = set(rule.replace("!", " ").split())
    return sorted(there - asked if rule.lstrip().startswith("!") else there & asked)
