"""Fit the weights of vocal effort on acted speech: EMO-DB, CREMA-D, RAVDESS or SAVEE, by their file names.

    python -m engine_build effort emodb --out effort.weights --report effort --folds effort/folds

Signs of the weights are those of physics; every speaker is left out once for the check, and the report tells what came
of it. The shipped weights are fitted on EMO-DB alone (CC0). Nothing is written of a corpus that cannot be used.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from calibration.whole_files import write_together
from edge.errors import InputError
from edge.postprocess.effort_weights import EffortWeights
from engine_build.effort.corpus import SOURCES, read_corpus
from engine_build.effort.fit import Heard, check, fit_weights, refuse_unheard
from engine_build.effort.hearing import CONDITIONS, RATE_HZ, heard
from engine_build.effort.report import report_files
from engine_build.effort.sessions import sessions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("corpus", type=Path, help="folder of the corpus, as it was unpacked")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="weights to write")
    parser.add_argument("--report", type=Path, metavar="FOLDER", help="report.md, report.json and plots")
    parser.add_argument(
        "--folds", type=Path, metavar="FOLDER", help="also write SPEAKER.weights, fitted without that speaker"
    )
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="keep what was heard: the next fit takes a minute")


def run(args: argparse.Namespace) -> int:
    """Fit, check and write as the command line says."""
    name, clips = read_corpus(args.corpus)
    listened = []
    for i, session in enumerate(sessions(clips, RATE_HZ)):
        # Plain, and in turn what a room, a telephone and noise leave of it.
        for condition in ("plain", CONDITIONS[1 + i % (len(CONDITIONS) - 1)]):
            print(f"speaker {session.speaker}, {condition}", file=sys.stderr, flush=True)
            measures = heard(session, condition, args.cache)
            listened.append(Heard(session.speaker, condition, measures, session.marks))
    refuse_unheard(listened)
    sources = (SOURCES[name],)
    print("fitting", file=sys.stderr, flush=True)
    weights = fit_weights(listened, sources)
    folds = left_out(listened, sources)
    checks = {s: check([h for h in listened if h.speaker == s], folds[s]) for s in folds}
    files = {args.out: weights.text().encode()}
    if args.folds:
        files |= {args.folds / f"{speaker}.weights": fold.text().encode() for speaker, fold in folds.items()}
    if args.report:
        files |= {args.report / n: content for n, content in report_files(weights, folds, checks, listened).items()}
    try:
        write_together(files)
    except OSError as err:
        raise InputError(f"writing {args.out}", err.strerror or str(err), "Give files where you may write") from err
    print(f"{args.out}; speakers left out: {_summary(checks)}", file=sys.stderr)
    return 0


def left_out(listened: Sequence[Heard], sources: Sequence[str]) -> dict[str, EffortWeights]:
    """Return, for every speaker, weights that were fitted on all others."""
    speakers = sorted({h.speaker for h in listened})
    return {s: fit_weights([h for h in listened if h.speaker != s], sources) for s in speakers}


def _summary(checks: Mapping[str, Mapping[str, float]]) -> str:
    auc = sum(c["raised_auc"] for c in checks.values()) / len(checks)
    worst = max(checks, key=lambda s: checks[s]["neutral_p95"])
    return (
        f"raised before others in {100 * auc:.1f} % of pairs; neutral drive's 95th percentile at most "
        f"{checks[worst]['neutral_p95']:.2f} ({worst})"
    )
