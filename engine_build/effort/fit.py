"""Fit the weights of vocal effort on sessions of several speakers, and on all but one of them for the check.

What physics says before a corpus is heard: raised voices are higher, louder and brighter, each as much as the other. A
corpus draws the weights from there as far as its pairs ask for it, never to the other sign. Many corpora bring each
recording to the same level: of loudness they say nothing, and its weight stays what it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge.errors import InputError
from edge.postprocess.effort import EFFORT, LEVEL, PITCH
from edge.postprocess.effort_weights import EffortWeights
from engine_build.effort.corpus import NEUTRAL, RAISED, SUBDUED
from engine_build.effort.hearing import FRAME_RATE, followed
from engine_build.effort.ranking import fit_order, ordered_share
from engine_build.effort.sessions import Mark

Array = NDArray[np.float64]
# In the order of MEASURES: pitch, level, four of brightness, periodicity.
EFFORT_SIGNS, EFFORT_PRIOR = (1, 1, 1, 1, 1, 1, 0), (1.5, 1.3, 0.5, 0.5, 0.5, 0.5, 0.0)
TENSION_SIGNS, TENSION_PRIOR = (-1, 0, 1, 1, 1, 1, -1), (-0.8, 0.0, 0.5, 0.5, 0.5, 0.5, -0.3)
STRENGTH = 0.05
LEVELLED_DB = 4.0  # deviation of the levels of one speaker's recordings; natural speech, acted, has twice as much
NEUTRAL_SHARE, FULL_SHARE = 95.0, 90.0  # percentiles of neutral frames and of moved utterances that place a ramp
# Where the first shall lie before the drive is eased, which makes it less; the second has all of the drive.
NEUTRAL_EFFORT, NEUTRAL_TENSION, NEUTRAL_HIGH, NEUTRAL_LOUD, NEUTRAL_SUBDUED = 0.2, 0.25, 0.35, 0.18, 0.4
LOUD_FULL = 1.5  # deviations, where the corpus does not tell: 12 dB


@dataclass(frozen=True)
class Heard:
    """What was heard of one session under one condition.

    Attributes:
        speaker: Who.
        condition: One of `hearing.CONDITIONS`.
        measures: float64 [n_frames, 7]; nan where no voice is heard.
        marks: Where the sentences lie.
    """

    speaker: str
    condition: str
    measures: Array
    marks: Sequence[Mark]

    def frames(self, mark: Mark) -> slice:
        """Return the frames that end within a sentence."""
        return slice(int(mark.begin_s * FRAME_RATE), int(mark.end_s * FRAME_RATE))


def refuse_unheard(sessions: Sequence[Heard]) -> None:
    """Make sure that every speaker's neutral and raised voice is heard: what is relative to a speaker rests on them.

    Raises:
        InputError: The gate hears no voice in them (silence, noise, a wrong gain, less than a syllable).
    """
    for level, what in ((NEUTRAL, "neutral speech"), (RAISED, "raised voice")):
        unheard = [
            session.speaker
            for session in sessions
            if session.condition == "plain"
            and not any(_is_heard(session, mark) for mark in session.marks if mark.clip.level == level)
        ]
        if unheard:
            raise InputError(
                "what was heard", f"no voice in the {what} of {', '.join(unheard)}",
                "Listen to these recordings, and leave a speaker who cannot be heard out",
            )  # fmt: skip


def fit_weights(sessions: Sequence[Heard], sources: Sequence[str]) -> EffortWeights:
    """Return weights, scales and thresholds.

    Args:
        sessions: Of the speakers that are listened to, each with neutral, and some with raised voice.
        sources: What is listened to.

    Raises:
        InputError: No speaker has two utterances that differ.
    """
    mean, deviation = neutral_scales(sessions)
    weights = EffortWeights(
        mean, deviation, EFFORT_PRIOR, TENSION_PRIOR, -1.0, 1.0, 5.0, 3.0, 0.5, 2.0, 0.2, 2.0, 0.2, LOUD_FULL,
        tuple(sources),
    )  # fmt: skip
    signs = list(EFFORT_SIGNS)
    if level_deviation_db(sessions) < LEVELLED_DB:
        signs[LEVEL] = 0
    z, frames, table = utterances(sessions, weights)
    speakers = [speaker for speaker, _ in table]
    levels = np.array([np.nan if m.clip.level is None else m.clip.level for _, m in table], float)
    intensity = np.array([m.clip.intensity for _, m in table])
    effort = _fitted(z, levels + 0.5 * np.where(levels == RAISED, intensity, 0.0), speakers, signs, EFFORT_PRIOR)
    harsh = np.array([np.nan if m.clip.harsh is None else float(m.clip.harsh) for _, m in table])
    tension = (
        _fitted(z, harsh, speakers, TENSION_SIGNS, TENSION_PRIOR)
        if {0.0, 1.0} <= set(harsh.tolist())
        else np.array(TENSION_PRIOR)
    )
    weights = _scaled(replace(weights, effort=_row(effort), tension=_row(tension)), z, frames, levels, harsh)
    return weights


def _fitted(z: Array, ranks: Array, speakers: Sequence[str], signs: Sequence[int], prior: Sequence[float]) -> Array:
    """Return weights; what has no sign keeps its prior and takes no part."""
    is_open = np.array(signs) != 0
    fitted = fit_order(z * is_open, ranks, speakers, signs, np.array(prior) * is_open, STRENGTH)
    # The sum of absolute weights of what was fitted stays, so that what was not keeps its share.
    size = np.abs(np.array(prior)[is_open]).sum() / np.abs(fitted[is_open]).sum()
    return np.where(is_open, fitted * size, prior)


def neutral_scales(sessions: Sequence[Heard]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and deviation of each measure in neutral speech that was heard plain, every speaker alike."""
    means, variances = [], []
    for session in sessions:
        if session.condition == "plain":
            own = np.concatenate(
                [session.measures[session.frames(m)] for m in session.marks if m.clip.level == NEUTRAL]
            )
            means.append(np.nanmean(own, axis=0))
            variances.append(np.nanvar(own, axis=0))
    return _row(np.mean(means, axis=0)), _row(np.sqrt(np.mean(variances, axis=0)))


def level_deviation_db(sessions: Sequence[Heard]) -> float:
    """Return how far the mean levels of one speaker's utterances differ, mean of the speakers."""
    return float(np.mean([
        np.nanstd([np.nanmean(s.measures[s.frames(m), LEVEL]) for m in s.marks if _is_heard(s, m)])
        for s in sessions
        if s.condition == "plain"
    ]))  # fmt: skip


def _is_heard(session: Heard, mark: Mark) -> bool:
    return bool(np.isfinite(session.measures[session.frames(mark), PITCH]).sum() >= FRAME_RATE / 5)


def utterances(
    sessions: Sequence[Heard], weights: EffortWeights
) -> tuple[Array, Mapping[int | None, Array], list[tuple[str, Mark]]]:
    """Return what is heard of each utterance.

    Returns:
        float64 [n, 7], mean deviations of each utterance; those of voiced frames by level; whose each is, and its mark.
    """
    rows, table = [], []
    by_level: dict[int | None, list[Array]] = {}
    for session in sessions:
        now, _ = followed(session.measures, weights)
        is_voiced = np.isfinite(session.measures[:, PITCH])
        for mark in session.marks:
            if _is_heard(session, mark):
                where = session.frames(mark)
                frames = now[where][is_voiced[where]]
                rows.append(frames.mean(axis=0))
                table.append((session.speaker, mark))
                by_level.setdefault(mark.clip.level, []).append(frames)
    return np.array(rows), {level: np.concatenate(parts) for level, parts in by_level.items()}, table


def _scaled(
    weights: EffortWeights, z: Array, frames: Mapping[int | None, Array], levels: Array, harsh: Array
) -> EffortWeights:
    """Return the weights with the thresholds that fit them."""
    effort, tension = np.array(weights.effort), np.array(weights.tension)
    neutral, raised = frames[NEUTRAL], z[levels == RAISED]
    begin, full = _ramp(neutral @ effort, raised @ effort, NEUTRAL_EFFORT)
    subdued = z[levels == SUBDUED] if (levels == SUBDUED).any() else 2.0 * z[levels == NEUTRAL]
    low, low_full = _ramp(-(neutral @ effort), -(subdued @ effort), NEUTRAL_SUBDUED)
    tense = z[harsh == 1.0] if (harsh == 1.0).any() else raised
    tense_from, tense_full = _ramp(neutral @ tension, tense @ tension, NEUTRAL_TENSION)
    high_from, high_full = _ramp(neutral[:, PITCH], raised[:, PITCH], NEUTRAL_HIGH)
    loud_from = float(np.percentile(neutral[:, LEVEL], NEUTRAL_SHARE)) - NEUTRAL_LOUD * LOUD_FULL
    return replace(
        weights, neutral_from=-low, neutral_to=begin, full=full, full_subdued=low_full, tense_from=tense_from,
        tense_full=tense_full, high_from=high_from, high_full=high_full, loud_from=round(max(0.0, loud_from), 4),
    )  # fmt: skip


def _ramp(neutral: Array, moved: Array, drive: float) -> tuple[float, float]:
    """Return begin and length of a ramp on which neutral speech reaches `drive` and what is moved has all of it."""
    quiet, top = float(np.percentile(neutral, NEUTRAL_SHARE)), float(np.percentile(moved, FULL_SHARE))
    length = max(top - quiet, 0.5) / (1.0 - drive)
    return round(quiet - drive * length, 4), round(length, 4)


def _row(values: Array) -> tuple[float, ...]:
    return tuple(round(float(value), 4) for value in values)


def check(sessions: Sequence[Heard], weights: EffortWeights) -> dict[str, float]:
    """Return how well weights order what they were not fitted on.

    Args:
        sessions: Of speakers who took no part in the fit.
        weights: Fitted on others.

    Returns:
        raised_auc: Share of the pairs of a raised and another voice of one speaker in which the raised has more drive.
        neutral_p95: 95th percentile of the drive in neutral speech.
        raised_mean: Mean drive of raised utterances.
    """
    means, levels, speakers, neutral = [], [], [], []
    for session in sessions:
        _, drives = followed(session.measures, weights)
        for mark in session.marks:
            own = drives[session.frames(mark), EFFORT]
            if mark.clip.level is not None and len(own):
                means.append(float(own.mean()))
                levels.append(float(mark.clip.level == RAISED))
                speakers.append(session.speaker)
                if mark.clip.level == NEUTRAL:
                    neutral.append(own)
    values, is_raised = np.array(means), np.array(levels)
    return {
        "raised_auc": round(ordered_share(values, is_raised, speakers), 4),
        "neutral_p95": round(float(np.percentile(np.concatenate(neutral), 95)), 4),
        "raised_mean": round(float(values[is_raised == 1].mean()), 4),
    }
