"""Fitting vocal effort: corpora by their names, weights that recover a known order, nothing written of what is bad."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.postprocess.effort import LEVEL, PITCH
from edge.postprocess.effort_weights import N_MEASURES, parse_weights
from engine_build.__main__ import main
from engine_build.effort.corpus import NEUTRAL, RAISED, SUBDUED, ActedClip, read_corpus
from engine_build.effort.fit import Heard, check, fit_weights
from engine_build.effort.ranking import fit_order, ordered_share
from engine_build.effort.report import report_files
from engine_build.effort.sessions import Mark, Session, sessions
from tests.requirements import need_module

SPEAKERS = ("03", "08", "09")


def touch(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def test_emodb_is_known_by_its_names_and_brings_levels_and_no_more(tmp_path: Path) -> None:
    names = [f"{s}a01{e}a.wav" for s in ("03", "08") for e in "NWTE"]
    name, clips = read_corpus(touch(tmp_path / "c", *names))
    assert name == "emodb"
    own = {clip.path.stem[5]: (clip.level, clip.harsh) for clip in clips if clip.speaker == "08"}
    assert own == {"N": (NEUTRAL, None), "W": (RAISED, True), "T": (SUBDUED, None), "E": (None, None)}


def test_crema_d_and_ravdess_are_known_by_their_names(tmp_path: Path) -> None:
    crema = [f"{s}_IEO_{e}_{x}.wav" for s in (1001, 1002) for e, x in (("NEU", "XX"), ("ANG", "LO"), ("ANG", "HI"))]
    name, clips = read_corpus(touch(tmp_path / "c", *crema))
    assert (name, [c.intensity for c in clips if c.speaker == "1001"]) == ("crema_d", [1.0, 0.33, 0.67])
    ravdess = [f"03-01-{e:02d}-0{i}-01-01-{s}.wav" for s in (11, 12) for e, i in ((1, 1), (5, 1), (5, 2))]
    name, clips = read_corpus(touch(tmp_path / "r", *ravdess))
    assert (name, [c.intensity for c in clips if c.speaker == "11"]) == ("ravdess", [0.67, 0.67, 1.0])


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ([], "no WAV or FLAC"),
        (["03a01Wa.wav", "08a01Wa.wav"], "no neutral speech"),
        (["03a01Wa.wav", "03a01Na.wav", "08a01Wa.wav"], "no neutral speech: not of 08"),
        (["03a01Na.wav", "08a01Na.wav"], "no raised voice"),
        (["03a01Wa.wav", "03a01Na.wav"], "one speaker alone"),
        (["03a01Wa.wav", "03a01Na.wav", "08a01Na.wav", "note7.wav"], "note7.wav"),
        (["one.wav", "two.wav"], "one.wav, two.wav"),
    ],
)
def test_a_corpus_that_cannot_be_used_is_named_and_nothing_is_written(
    tmp_path: Path, names: list[str], found: str, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus, out = touch(tmp_path / "corpus", *names), tmp_path / "out"
    arguments = ["effort", str(corpus), "--out", str(out / "w"), "--report", str(out / "r"), "--folds", str(out / "f")]
    assert main([*arguments, "--cache", str(out / "c")]) != 0
    assert found in capsys.readouterr().err
    assert not out.exists()


def test_a_recording_that_is_empty_is_named_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = touch(tmp_path / "corpus", *(f"{s}a01{e}a.wav" for s in ("03", "08") for e in "NW"))
    assert main(["effort", str(corpus), "--out", str(tmp_path / "w")]) != 0
    assert "03a01" in capsys.readouterr().err
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize(
    ("unvoiced", "found"),
    [("03a01N 03b01N 08a01N 08b01N", "neutral speech of 03, 08"), ("08a01N 08b01N", "neutral speech of 08"),
     ("08a01W", "raised voice of 08")],
)  # fmt: skip
@pytest.mark.parametrize("sound", ["silence", "noise", "short"])
def test_a_speaker_in_whom_no_voice_is_heard_is_named_and_nothing_is_written(
    tmp_path: Path, sound: str, unvoiced: str, found: str, capsys: pytest.CaptureFixture[str]
) -> None:
    import soundfile

    (tmp_path / "corpus").mkdir()
    at_s, random = np.arange(16_000) / 16_000, np.random.default_rng(0)
    harmonics = np.arange(1, 20)[:, None]
    buzz = (np.sin(2 * np.pi * 150 * harmonics * at_s) / harmonics).sum(axis=0) / 20
    for name in ("03a01N", "03b01N", "03a01W", "08a01N", "08b01N", "08a01W"):
        unheard = {"silence": 0 * at_s, "noise": 0.1 * random.standard_normal(len(at_s)), "short": buzz[:800]}[sound]
        wave = unheard if name in unvoiced.split() else buzz
        soundfile.write(tmp_path / "corpus" / f"{name}a.wav", wave, 16_000)
    out = tmp_path / "out"
    assert main(["effort", str(tmp_path / "corpus"), "--out", str(out / "w"), "--report", str(out / "r")]) == 65
    assert found in capsys.readouterr().err
    assert not out.exists()


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import soundfile

    (tmp_path / "corpus").mkdir()
    for name in ("03a01Na", "03a01Wa", "08a01Na", "08a01Wa"):
        soundfile.write(tmp_path / "corpus" / f"{name}.wav", np.full(1600, 0.1), 16_000)
    (tmp_path / "taken").write_text("no folder")
    arguments = ["effort", str(tmp_path / "corpus"), "--out", str(tmp_path / "w"), "--cache", str(tmp_path / "taken")]
    assert main(arguments) == 65
    assert "--cache" in capsys.readouterr().err


def test_order_is_recovered_and_no_weight_has_the_other_sign() -> None:
    need_module("scipy")
    random = np.random.default_rng(0)
    ranks = np.tile(np.arange(6.0), 20)
    speakers = [str(i // 30) for i in range(len(ranks))]
    heard = np.stack([ranks, -ranks, 0 * ranks], axis=1) + random.standard_normal((len(ranks), 3))
    heard += random.standard_normal((4, 3))[np.array(speakers, int)] * 10  # speakers differ by more than they vary
    weights = fit_order(heard, ranks, speakers, (1, 1, 0), np.array([0.5, 0.5, 0.0]), 0.01)
    assert weights[0] > 0.5
    assert weights[1] == pytest.approx(0.0, abs=1e-6)
    assert weights[2] == 0.0
    assert ordered_share(heard @ weights, ranks, speakers) > 0.85


def test_pairs_count_half_where_values_tie() -> None:
    assert ordered_share(np.array([1.0, 1.0, 2.0]), np.array([0.0, 1.0, 1.0]), ["a", "a", "a"]) == pytest.approx(0.75)


def acted(speaker: str, seed: int, level_rises: bool) -> Heard:
    """Speech that needs no sound: what would be measured of voices that are raised by one deviation."""
    random = np.random.default_rng(seed)
    rows, marks = [], []
    for i, level in enumerate([NEUTRAL, RAISED, SUBDUED, NEUTRAL, RAISED, SUBDUED]):
        clip = ActedClip(Path("x"), speaker, str(level), level, 0.67, None)
        marks.append(Mark(clip, 3.0 * i, 3.0 * i + 2.5))
        spoken = np.array([85.0, -30.0, -18.0, -28.0, -15.0, 8.3, 0.8]) + random.standard_normal((75, N_MEASURES)) * 0.1
        spoken[:, PITCH] += 6.0 * level + 3 * (int(speaker) % 3)
        spoken[:, 2:6] += 0.3 * level
        spoken[:, LEVEL] += 10.0 * level * level_rises
        rows += [spoken, np.full((15, N_MEASURES), np.nan)]
    return Heard(speaker, "plain", np.concatenate(rows), marks)


@pytest.mark.parametrize("level_rises", [True, False])
def test_weights_of_physical_sign_hold_for_a_speaker_who_was_left_out(level_rises: bool) -> None:
    need_module("scipy")
    heard = [acted(speaker, i, level_rises) for i, speaker in enumerate(SPEAKERS)]
    weights = fit_weights(heard[:2], ["a test"])
    assert all(weight >= 0 for weight in weights.effort)
    assert weights.effort[LEVEL] > 0.5  # of recordings that were all levelled it stays what it was
    assert parse_weights(weights.text(), "w") == weights
    found = check(heard[2:], weights)
    assert found["raised_auc"] == 1.0
    assert found["neutral_p95"] < 0.35 < found["raised_mean"]


def test_the_report_tells_every_speaker_and_draws() -> None:
    need_module("matplotlib")
    need_module("scipy")
    heard = [acted(speaker, i, True) for i, speaker in enumerate(SPEAKERS)]
    weights = fit_weights(heard, ["a test"])
    folds = dict.fromkeys(SPEAKERS, weights)
    checks = {h.speaker: check([h], weights) for h in heard}
    files = report_files(weights, folds, checks, heard)
    assert all(speaker in files["report.md"].decode() for speaker in SPEAKERS)
    assert all(files[name].startswith(b"\x89PNG") for name in files if name.endswith(".png"))


def test_sessions_begin_neutral_and_keep_what_is_louder_louder(tmp_path: Path) -> None:
    import soundfile

    at_s, clips = np.arange(16_000) / 16_000, []
    for i, level in enumerate([RAISED, RAISED, NEUTRAL, SUBDUED]):
        path = tmp_path / f"{i}.wav"
        soundfile.write(path, (0.5, 0.5, 0.1, 0.05)[i] * np.sin(2 * np.pi * 150 * at_s), 16_000)
        clips.append(ActedClip(path, "a", str(level), level, 0.67, None))
    first, second = next(sessions(clips, 16_000)), next(sessions(clips, 16_000))
    assert np.array_equal(first.samples, second.samples)
    assert first.marks[0].clip.level == NEUTRAL
    rms = {m.clip.path.stem: _rms(first, m) for m in first.marks}
    assert rms["0"] > 3 * rms["2"] > 4 * rms["3"]


def _rms(session: Session, mark: Mark) -> float:
    begin, end = (round(t * session.rate_hz) for t in (mark.begin_s, mark.end_s))
    return float(np.sqrt(np.mean(np.square(session.samples[begin:end]))))
