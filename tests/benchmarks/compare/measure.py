"""Run every program over the filmed clips, in turns, and judge what it showed."""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from edge.errors import InputError
from edge.machine.facts import machine_facts
from engine_build.data.frame_labels import read_labels
from engine_build.evaluation.evaluate import read_spoken
from tests.benchmarks.compare import judge
from tests.benchmarks.compare.judge import TrueClip
from tests.benchmarks.compare.kept import KeptShowings
from tests.benchmarks.compare.programs import AuEdge, Heard, Program, open_programs
from tests.benchmarks.compare.shapes import Mouth, Shapes

Float64 = NDArray[np.float64]
N_RESAMPLES = 1000
N_TIMED_CLIPS = 6
N_TABLE_CLIPS = 60


def read_clips(corpus: Path, phones: Path) -> list[TrueClip]:
    """Return the filmed clips.

    Args:
        corpus: With labels.npz and audio/, as `engine_build landmarks` writes it.
        phones: Phones of the clips; those without are left out.
    """
    labels, spoken = read_labels(corpus / "labels.npz"), read_spoken(phones)
    fps = float(np.asarray(labels["fps"]).ravel()[0])
    starts = np.concatenate([[0], np.cumsum(labels["n_frames"])])
    clips = []
    for k, (name, speaker) in enumerate(zip(labels["clips"], labels["speakers"], strict=True)):
        if not spoken.get(str(name), {}).get("phones"):
            continue
        rows = slice(int(starts[k]), int(starts[k + 1]))
        lips = np.where(labels["valid"][rows, None], labels["geometry"][rows], np.nan).astype(np.float64)
        heard = tuple(judge.Phone(span.name, span.start_s, span.end_s) for span in spoken[str(name)]["phones"])
        clips.append(TrueClip(str(name), str(speaker), np.arange(len(lips)) / fps, lips, heard))
    return clips


def measure(
    corpus: Path, phones: Path, speakers: Sequence[str], networks: Mapping[str, str], heard: str,
    npm: Path | None, n_rounds: int, keep: Path | None = None, timed: str = "stream",
) -> dict[str, Any]:  # fmt: skip
    """Run everything.

    Args:
        corpus: See `read_clips`.
        phones: See `read_clips`.
        speakers: Whose clips are judged; the others teach the tables of the peers.
        networks: Of au-edge: name for the page -> network, the default one first.
        heard: Whether these networks heard the speakers in training: "no", or what there is to say.
        npm: Folder with node_modules.
        n_rounds: Turns for the processor time.
        keep: Folder in which what the peers showed is kept for the next run; None: nowhere.
        timed: The network whose processor time stands for the first one's: what ships is int8, what is judged may be
            float.

    Returns:
        Plain JSON values, for `page.render_page`.
    """
    everybody = read_clips(corpus, phones)
    clips = [clip for clip in everybody if clip.speaker in speakers]
    if not clips:
        raise InputError(
            f"clips of {', '.join(speakers)} in {corpus}", "none with phones", "Name others, or align them"
        )
    others = [clip for clip in everybody if clip.speaker not in speakers]
    teaching = others[:: max(1, len(others) // N_TABLE_CLIPS)][:N_TABLE_CLIPS]
    programs, missing = open_programs(networks, npm)
    result: dict[str, Any] = {
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": machine_facts(),
        "corpus": corpus.name,
        "speakers": {who: sum(clip.speaker == who for clip in clips) for who in speakers},
        "seconds": round(sum(len(clip.times_s) for clip in clips) / 25.0, 1),
        "network": {program.name: program.version for program in programs if program.name in networks},
        "heard_these_speakers": heard,
        "not_run": missing,
        "n_rounds": n_rounds,
        "table_clips": {"clips": len(teaching), "speakers": len({clip.speaker for clip in teaching})},
    }
    kept, shipped = KeptShowings(keep, tuple(networks)), AuEdge(timed, programs[0].name)
    result["timed"] = shipped.version
    with tempfile.TemporaryDirectory(prefix="au-edge-compare-") as folder:
        try:
            sounds = _as_wav(clips, corpus / "audio", Path(folder))
            showings, costs = _hear(programs, shipped, sounds, n_rounds, kept)
            tables = _fitted_tables(programs, teaching, _as_wav(teaching, corpus / "audio", Path(folder)), kept)
        finally:
            for program in (*programs, shipped):
                program.close()
    return result | _judged(clips, programs, showings, costs, tables)


def _fitted_tables(
    programs: Sequence[Program], clips: Sequence[TrueClip], sounds: Sequence[Path], kept: KeptShowings
) -> dict[tuple[str, str], Float64]:
    """Return for each program with visemes, and each variant, the table that fits other speakers' lips best."""
    tables = {}
    for program in programs:
        if len(program.table) < 2 or not clips:
            continue
        print(f"{program.name} hears {len(sounds)} clips of other speakers", file=sys.stderr, flush=True)
        heard = kept.hear(program, sounds)
        for variant in heard[0].shown:
            weights = [_at_pictures(one.shown[variant], clip) for one, clip in zip(heard, clips, strict=True)]
            tables[program.name, variant] = judge.fit_table(clips, weights)
    return tables


def _at_pictures(shown: Mouth | Shapes, clip: TrueClip) -> Float64:
    assert isinstance(shown, Shapes)
    return np.stack([np.interp(clip.times_s, shown.times_s, column) for column in shown.weights.T], axis=1)


def _as_wav(clips: Sequence[TrueClip], audio: Path, folder: Path) -> list[Path]:
    paths = []
    for clip in clips:
        source = next(path for path in audio.glob(f"{clip.name}.*") if path.suffix in (".flac", ".wav"))
        sound, rate_hz = soundfile.read(source, dtype="float32", always_2d=True)
        paths.append(folder / f"{clip.name}.wav")
        soundfile.write(paths[-1], sound.mean(axis=1), rate_hz, subtype="PCM_16")
    return paths


def _hear(
    programs: Sequence[Program], timed_first: Program, sounds: Sequence[Path], n_rounds: int, kept: KeptShowings
) -> tuple[dict[str, list[Heard]], dict[str, list[tuple[float, float]]]]:
    """Let all programs hear all clips, and then some of them in turns for the processor time.

    Returns:
        What each showed, and for each round (processor time, the stand-in's part of it) for a second of sound.
    """
    showings: dict[str, list[Heard]] = {}
    costs: dict[str, list[tuple[float, float]]] = {program.name: [] for program in programs}
    for program in programs:
        print(f"{program.name} hears {len(sounds)} clips", file=sys.stderr, flush=True)
        showings[program.name] = kept.hear(program, sounds)
    timed = list(sounds[:: max(1, len(sounds) // N_TIMED_CLIPS)])
    seconds = sum(soundfile.info(path).duration for path in timed)
    for turn in range(n_rounds + 1):  # the first one warms up
        print(f"processor time, round {turn} of {n_rounds}", file=sys.stderr, flush=True)
        for program in (timed_first, *programs[1:]):
            heard = [program.hear(path) for path in timed]
            spent = sum(one.cpu_s for one in heard) / seconds, sum(one.stand_in_s for one in heard) / seconds
            if turn > 0:
                costs[program.name].append(spent)
    return showings, costs


def _judged(
    clips: Sequence[TrueClip], programs: Sequence[Program], showings: Mapping[str, list[Heard]],
    costs: Mapping[str, list[tuple[float, float]]], tables: Mapping[tuple[str, str], Float64],
) -> dict[str, Any]:  # fmt: skip
    true = [clip.lips for clip in clips]
    speakers = sorted({clip.speaker for clip in clips})
    shares = _by_speaker(
        clips, speakers, lambda some, which: judge.least_openings(some, [true[i][:, 0] for i in which])
    )
    closures, others = ([value for pair in shares for value in pair[side]] for side in (0, 1))
    met = judge.best_met_share(closures, others)
    rows = [
        {
            "program": "filmed lips", "version": "", "variant": "", "table": "", "needs": "",
            **_closing(closures, others, met), "silence": _mean_silence(clips, speakers, [lips[:, 0] for lips in true]),
        }
    ]  # fmt: skip
    first = programs[0].name
    for program in programs:
        spent = costs[program.name]
        common = {
            "program": program.name,
            "version": program.version,
            "needs": program.needs,
            "cpu_ms_a_second": round(statistics.median(cpu for cpu, _ in spent) * 1000, 2),
            "stand_in_ms_a_second": round(statistics.median(other for _, other in spent) * 1000, 2),
            "times_au_edge": round(
                statistics.median(cpu / ours for (cpu, _), (ours, _) in zip(spent, costs[first], strict=True)), 3
            ),
        }
        for variant in showings[program.name][0].shown:
            shown = [one.shown[variant] for one in showings[program.name]]
            for table, mouths in _mouths(program, shown, tables.get((program.name, variant))).items():
                rows.append(common | {"variant": variant, "table": table} | _judge_one(clips, speakers, mouths, met))
    return {
        "met_share": met,
        "n_closures": len(closures),
        "n_other_places": len(others),
        "rows": rows,
    }


def _mouths(program: Program, shown: Sequence[Mouth | Shapes], fitted: Float64 | None) -> dict[str, list[Mouth]]:
    """Return the mouths of all clips by the name of the table that made them."""
    if isinstance(shown[0], Mouth):
        return {"": [one for one in shown if isinstance(one, Mouth)]}
    shapes = [one for one in shown if isinstance(one, Shapes)]
    found = {"ours": [one.mouth(program.table) for one in shapes]}
    if fitted is not None:
        found["fitted"] = [one.fitted(fitted) for one in shapes]
    return found


def _by_speaker(clips: Sequence[TrueClip], speakers: Sequence[str], do: Callable[..., Any]) -> list[Any]:
    groups = [[i for i, clip in enumerate(clips) if clip.speaker == who] for who in speakers]
    return [do([clips[i] for i in which], which) for which in groups]


def _mean_silence(clips: Sequence[TrueClip], speakers: Sequence[str], gaps: Sequence[Float64]) -> float:
    left = _by_speaker(clips, speakers, lambda some, which: judge.silence_left(some, [gaps[i] for i in which]))
    return round(float(np.mean(left)), 3)


def _closing(closures: Sequence[float], others: Sequence[float], met: float) -> dict[str, float]:
    return {
        "closures": round(float(np.mean(np.array(closures) <= met)), 3),
        "false_closures": round(float(np.mean(np.array(others) <= met)), 3),
    }


def _judge_one(
    clips: Sequence[TrueClip], speakers: Sequence[str], mouths: Sequence[Mouth], met: float
) -> dict[str, Any]:
    at = [mouth.at(clip.times_s) for clip, mouth in zip(clips, mouths, strict=True)]
    spoken = [clip.is_spoken for clip in clips]
    found: dict[str, Any] = {"r": {}, "r_interval": {}, "r_whole_clips": {}, "r_by_speaker": {}}
    draws = _draws(clips, speakers)
    for i, curve in enumerate(judge.CURVES):
        words = [(clip.lips[mask, i], shown[mask, i]) for clip, shown, mask in zip(clips, at, spoken, strict=True)]
        whole = [(clip.lips[:, i], shown[:, i]) for clip, shown in zip(clips, at, strict=True)]
        groups = [[k for k, clip in enumerate(clips) if clip.speaker == who] for who in speakers]
        each = _agreements(words, groups)
        found["r"][curve] = _number(np.mean(each))
        found["r_by_speaker"][curve] = {who: _number(r) for who, r in zip(speakers, each, strict=True)}
        found["r_whole_clips"][curve] = _number(np.mean(_agreements(whole, groups)))
        spread = np.mean(
            [
                judge.resampled_agreement([words[k][0] for k in which], [words[k][1] for k in which], drawn)
                for which, drawn in zip(groups, draws, strict=True)
            ],
            axis=0,
        )
        found["r_interval"][curve] = (
            [_number(np.percentile(spread, q)) for q in (2.5, 97.5)] if np.isfinite(spread).all() else None
        )
    groups = [[k for k, clip in enumerate(clips) if clip.speaker == who] for who in speakers]
    by_shift = [
        np.mean(
            _agreements(
                [
                    (clip.lips[mask, 0], mouth.at(clip.times_s + shift_s)[mask, 0])
                    for clip, mouth, mask in zip(clips, mouths, spoken, strict=True)
                ],
                groups,
            )
        )
        for shift_s in judge.SHIFTS_S
    ]
    best = int(np.argmax(by_shift))
    gaps = [shown[:, 0] for shown in at]
    pairs = _by_speaker(clips, speakers, lambda some, which: judge.least_openings(some, [gaps[i] for i in which]))
    closures, others = ([value for pair in pairs for value in pair[side]] for side in (0, 1))
    return found | {
        "lag_ms": round(judge.SHIFTS_S[best] * 1000),
        "r_gap_at_best_shift": _number(by_shift[best]),
        **_closing(closures, others, met),
        "silence": _mean_silence(clips, speakers, gaps),
    }


def _agreements(pairs: Sequence[tuple[Float64, Float64]], groups: Sequence[Sequence[int]]) -> list[float]:
    return [judge.agreement([pairs[i][0] for i in which], [pairs[i][1] for i in which]) for which in groups]


def _draws(clips: Sequence[TrueClip], speakers: Sequence[str]) -> list[NDArray[np.int64]]:
    """Return for each speaker [N_RESAMPLES, his clips]: how often each clip is taken."""
    random = np.random.default_rng(0)
    numbers = [sum(clip.speaker == who for clip in clips) for who in speakers]
    return [random.multinomial(n, np.full(n, 1.0 / n), size=N_RESAMPLES) for n in numbers]


def _number(value: float) -> float | None:
    return round(float(value), 3) if np.isfinite(value) else None
