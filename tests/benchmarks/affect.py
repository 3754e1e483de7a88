"""How much of a speaker's affect reaches the eye: sessions of acted speech, rendered, and a judge of the faces.

    python -m tests.benchmarks affect EMODB --folds folds --out affect.json

For each speaker one long recording in blocks of one acted emotion goes through `au-edge render`, with weights of vocal
effort that were fitted without that speaker. Of each utterance the judge sees mean, 95th percentile and deviation of
every channel and the head's movement, relative to the speaker and blurred by 0.03 of a channel, a stand-in for a just
noticeable difference: a classifier else rewards what nobody sees. It is a logistic regression on speakers that it has
not seen. The corpus' labels serve the judge alone; the program knows none.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine_build.effort.corpus import read_corpus
from engine_build.effort.sessions import Mark, Session, sessions

RATE_HZ = 16_000
LEAST_FRAMES = 8  # of speech in an utterance that is judged
BLUR, BLUR_DEG, BLUR_DEG_PER_S = 0.03, 0.5, 2.0
N_BLURS = 3
AROUSED = {
    "angry": 1, "happy": 1, "fearful": 1, "surprised": 1, "neutral": 0, "sad": 0, "calm": 0, "bored": 0,
}  # fmt: skip

Array = NDArray[np.float64]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("corpus", type=Path, help="folder of EMO-DB, or of another corpus that `effort` reads")
    parser.add_argument("--folds", type=Path, help="SPEAKER.weights, as `engine_build effort --folds` wrote them")
    parser.add_argument("--model", default="", help="network (default: the shipped one)")
    parser.add_argument("-o", "--option", action="append", default=[], metavar="KEY=VALUE", help="of the program")
    parser.add_argument("--faces", type=Path, metavar="FOLDER", help="keep the rendered faces there")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Render and judge."""
    _, clips = read_corpus(arguments.corpus)
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.faces or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        rows, utterances = [], []
        for session in sessions(clips, RATE_HZ):
            print(f"speaker {session.speaker}", file=sys.stderr, flush=True)
            face = render(session, folder, arguments.folds, arguments.model, arguments.option)
            with np.load(face) as found:
                channels = [str(name) for name in found["channels"]]
                for mark, row in utterance_rows(session.marks, found):
                    rows.append(row)
                    utterances.append(mark)
    return judged(np.array(rows), utterances, channels)


def render(session: Session, folder: Path, folds: Path | None, model: str, options: Sequence[str]) -> Path:
    """Render a session by the program's command, where its frames are not there yet, and return their file."""
    import soundfile

    target = folder / f"{session.speaker}.npz"
    if target.exists():
        return target
    sound = folder / f"{session.speaker}.wav"
    soundfile.write(sound, session.samples, session.rate_hz, subtype="PCM_16")
    command = [sys.executable, "-m", "edge", "render", str(sound), "--out", str(target), "--quiet"]
    command += ["--model", model] if model else []
    command += ["-o", f"effort.weights={folds / f'{session.speaker}.weights'}"] if folds else []
    for option in options:
        command += ["-o", option]
    subprocess.run(command, check=True)
    return target


def utterance_rows(marks: Sequence[Mark], found: Any) -> list[tuple[Mark, Array]]:
    """Return what is seen of each utterance: three statistics of each channel, six of the head's angles, its speed."""
    times_s, values, head = found["time_s"], found["activations"], found["head_deg"]
    is_live = found["state"].astype(str) == "live"
    rows = []
    for mark in marks:
        is_within = (times_s > mark.begin_s) & (times_s <= mark.end_s + 0.03)
        is_seen = is_within & is_live
        if is_seen.sum() < LEAST_FRAMES:
            continue
        face, turned = values[is_seen], head[is_seen]
        speed = np.abs(np.diff(head[is_within], axis=0)).mean(axis=0) * 30.0
        parts = (face.mean(0), np.percentile(face, 95, axis=0), face.std(0), turned.mean(0), turned.std(0), speed)
        rows.append((mark, np.concatenate(parts).astype(float)))
    return rows


def judged(rows: Array, marks: Sequence[Mark], channels: Sequence[str]) -> dict[str, Any]:
    """Return the figures.

    Args:
        rows: [n_utterances, 3 n_channels + 9], as `utterance_rows` has them.
        marks: Of each row.
        channels: Names in order.
    """
    acted = np.array([mark.clip.block for mark in marks])
    speakers = np.array([mark.clip.speaker for mark in marks])
    strength = np.array([mark.clip.intensity for mark in marks])
    is_asked = np.array([name in AROUSED for name in acted])
    is_aroused = np.array([AROUSED.get(name, 0) for name in acted])
    is_graded = (acted != "neutral") & (np.ptp(strength) > 0)
    aroused, classes, strong = [], [], []
    for seed in range(N_BLURS):
        seen = relative(blurred(rows, len(channels), seed), speakers)
        aroused.append(_classified(seen[is_asked], is_aroused[is_asked], speakers[is_asked])[0])
        classes.append(_classified(seen, acted, speakers)[0])
        if is_graded.any():
            is_strong = (strength >= strength.max()).astype(int)
            strong.append(_classified(seen[is_graded], is_strong[is_graded], speakers[is_graded])[1])
    result: dict[str, Any] = {
        "n_utterances": len(rows),
        "aroused_uar": round(float(np.mean(aroused)), 3),
        "classes_uar": round(float(np.mean(classes)), 3),
        "n_classes": len(set(acted.tolist())),
        "strong_against_normal_auc": round(float(np.mean(strong)), 3) if strong else None,
    }
    return result | _channel_figures(rows, acted, channels)


def _channel_figures(rows: Array, acted: NDArray[np.str_], channels: Sequence[str]) -> dict[str, float]:
    def mean(prefix: str, name: str) -> float:
        columns = [i for i, channel in enumerate(channels) if channel.startswith(prefix)]
        return float(rows[acted == name][:, columns].mean())

    def jaw(name: str) -> float:
        return float(rows[acted == name][:, len(channels) + list(channels).index("jawOpen")].mean())

    found = {}
    for name in sorted({"angry", "happy", "sad"} & set(acted.tolist())):
        found[f"brow_down_{name}_less_neutral"] = mean("browDown", name) - mean("browDown", "neutral")
        found[f"brow_inner_up_{name}_less_neutral"] = mean("browInnerUp", name) - mean("browInnerUp", "neutral")
        found[f"jaw_p95_{name}_over_neutral"] = jaw(name) / jaw("neutral")
    return {key: round(value, 3) for key, value in found.items()}


def blurred(rows: Array, n_channels: int, seed: int) -> Array:
    """Return rows with what an eye does not see made uncertain."""
    random = np.random.default_rng(seed)
    n = len(rows)
    faces = BLUR * random.standard_normal((n, 3 * n_channels))
    angles = BLUR_DEG * random.standard_normal((n, 6))
    return rows + np.hstack([faces, angles, BLUR_DEG_PER_S * random.standard_normal((n, 3))])


def relative(rows: Array, speakers: NDArray[np.str_]) -> Array:
    """Return rows relative to each speaker's mean and deviation."""
    result = np.empty_like(rows)
    for speaker in np.unique(speakers):
        own = speakers == speaker
        result[own] = (rows[own] - rows[own].mean(axis=0)) / (rows[own].std(axis=0) + 1e-6)
    return result


def _classified(rows: Array, labels: NDArray[Any], speakers: NDArray[np.str_]) -> tuple[float, float]:
    """Return unweighted average recall, and of two classes the area under the ROC, on speakers left out."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import recall_score, roc_auc_score
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    judge = make_pipeline(StandardScaler(), LogisticRegression(C=0.05, max_iter=400, class_weight="balanced"))
    folds = GroupKFold(min(10, len(set(speakers.tolist()))))
    chance = cross_val_predict(judge, rows, labels, groups=speakers, cv=folds, method="predict_proba")
    classes = np.unique(labels)
    recall = recall_score(labels, classes[chance.argmax(axis=1)], average="macro")
    return float(recall), float(roc_auc_score(labels, chance[:, 1])) if len(classes) == 2 else 0.0
