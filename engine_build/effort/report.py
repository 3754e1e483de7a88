"""The report of a fit: numbers of left-out speakers as Markdown and JSON, and three plots."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from edge.postprocess.effort import EFFORT, PITCH, SUBDUED, TENSION
from edge.postprocess.effort_weights import MEASURES, EffortWeights
from engine_build.effort.corpus import NEUTRAL, RAISED
from engine_build.effort.corpus import SUBDUED as LOW
from engine_build.effort.fit import Heard, level_deviation_db
from engine_build.effort.hearing import FRAME_RATE, followed

LEVEL_NAMES = {LOW: "subdued", NEUTRAL: "neutral", RAISED: "raised"}
DPI = 90


def report_files(
    weights: EffortWeights,
    folds: Mapping[str, EffortWeights],
    checks: Mapping[str, Mapping[str, float]],
    listened: Sequence[Heard],
) -> dict[str, bytes]:
    """Return the report's files, by name.

    Args:
        weights: Fitted on all speakers.
        folds: By the speaker that was left out.
        checks: The same, what `fit.check` found.
        listened: Every session.
    """
    numbers = {
        "weights": asdict(weights),
        "level_deviation_db": round(level_deviation_db(listened), 2),
        "left_out": {speaker: dict(found) for speaker, found in checks.items()},
        "folds": {speaker: {"effort": f.effort, "tension": f.tension} for speaker, f in folds.items()},
    }
    plain = [h for h in listened if h.condition == "plain"]
    return {
        "report.json": (json.dumps(numbers, indent=1) + "\n").encode(),
        "report.md": _text(weights, folds, checks, numbers["level_deviation_db"]).encode(),
        "weights.png": _png(_draw_weights(weights, folds)),
        "drives.png": _png(_draw_drives(plain, folds)),
        "session.png": _png(_draw_session(plain[0], folds[plain[0].speaker])),
    }


def _text(
    weights: EffortWeights,
    folds: Mapping[str, EffortWeights],
    checks: Mapping[str, Mapping[str, float]],
    level_db: Any,
) -> str:
    lines = [
        "# Weights of vocal effort", "",
        f"Fitted on {'; '.join(weights.sources)}, {len(folds)} speakers. Levels of one speaker's recordings deviate by "
        f"{level_db} dB.", "",
        "| measure | mean, neutral | deviation | effort (folds: least, most) | tension (folds) |",
        "|---|---|---|---|---|",
    ]  # fmt: skip
    for i, name in enumerate(MEASURES):
        effort, tension = ([getattr(f, row)[i] for f in folds.values()] for row in ("effort", "tension"))
        lines.append(
            f"| {name} | {weights.mean[i]:.2f} | {weights.deviation[i]:.2f} | {weights.effort[i]:.2f} "
            f"({min(effort):.2f}, {max(effort):.2f}) | {weights.tension[i]:.2f} "
            f"({min(tension):.2f}, {max(tension):.2f}) |"
        )
    lines += [
        "", "Speakers that were left out of the fit, plain and changed by room, band or noise:", "",
        "| speaker | raised above others, share of pairs | 95th percentile of neutral drive | mean raised drive |",
        "|---|---|---|---|",
    ]  # fmt: skip
    for speaker, found in checks.items():
        lines.append(
            f"| {speaker} | {found['raised_auc']:.3f} | {found['neutral_p95']:.3f} | {found['raised_mean']:.2f} |"
        )
    lines += ["", "![weights](weights.png) ![drives](drives.png) ![a session](session.png)", ""]
    return "\n".join(lines)


def _figure(n_rows: int, size: tuple[float, float]) -> tuple[Any, Any]:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot.subplots(n_rows, 1, figsize=size, squeeze=False, sharex=False)


def _png(figure: Any) -> bytes:
    from matplotlib import pyplot

    figure.tight_layout()
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=DPI)
    pyplot.close(figure)
    return content.getvalue()


def _draw_weights(weights: EffortWeights, folds: Mapping[str, EffortWeights]) -> Any:
    figure, axes = _figure(2, (7, 5))
    places = np.arange(len(MEASURES))
    for axis, row in zip(axes[:, 0], ("effort", "tension"), strict=True):
        axis.bar(places, getattr(weights, row), color="0.8")
        for fold in folds.values():
            axis.plot(places, getattr(fold, row), "C0.", markersize=4)
        axis.set_xticks(places, MEASURES, rotation=20, fontsize=8)
        axis.set_title(f"{row}: all speakers (bars), without one (dots)", fontsize=9)
    return figure


def _draw_drives(plain: Sequence[Heard], folds: Mapping[str, EffortWeights]) -> Any:
    values: dict[int, list[float]] = {level: [] for level in LEVEL_NAMES}
    for session in plain:
        _, drives = followed(session.measures, folds[session.speaker])
        for mark in session.marks:
            if mark.clip.level is not None:
                frames = drives[session.frames(mark)]
                values[mark.clip.level].append(float((frames[:, EFFORT] - frames[:, SUBDUED]).mean()))
    figure, axes = _figure(1, (7, 3.2))
    for level, name in LEVEL_NAMES.items():
        axes[0, 0].hist(values[level], bins=np.linspace(-1, 1, 41), alpha=0.5, label=f"acted {name}")
    axes[0, 0].set_xlabel("effort less subdued, mean of an utterance, speaker left out of the fit")
    axes[0, 0].legend(fontsize=8)
    return figure


def _draw_session(session: Heard, weights: EffortWeights) -> Any:
    _, drives = followed(session.measures, weights)
    times_s = np.arange(1, len(drives) + 1) / FRAME_RATE
    figure, axes = _figure(2, (11, 5))
    pitch, curve = axes[:, 0]
    pitch.plot(times_s, session.measures[:, PITCH], ".", markersize=2)
    pitch.set_ylabel("pitch, semitones")
    for i, name in ((EFFORT, "effort"), (TENSION, "tension"), (SUBDUED, "subdued")):
        curve.plot(times_s, drives[:, i], linewidth=0.9, label=name)
    for mark in session.marks:
        colour = {RAISED: "C1", NEUTRAL: "0.7", LOW: "C2"}.get(
            mark.clip.level if mark.clip.level is not None else 9, "w"
        )
        curve.axvspan(mark.begin_s, mark.end_s, color=colour, alpha=0.2, linewidth=0)
    curve.set_xlabel(
        f"s; speaker {session.speaker}, left out of the fit; orange: acted raised, grey: neutral, green: subdued"
    )
    curve.legend(fontsize=8, loc="upper right")
    return figure
