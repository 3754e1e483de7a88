"""Bad input gets an error that says what was asked, what was found and what to do, and the exit status of its kind."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import resample_poly

from edge.app import shipped_models
from tests.system.programs import ROOT, SPEECH, au_edge, bound_socket, environment

RATE_HZ = 44_100


def _expect(done, status: int, *texts: str) -> None:
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    for text in texts:
        assert text in done.stderr, done.stderr


def _wav(path: Path, samples: np.ndarray, rate: int = RATE_HZ, subtype: str = "PCM_16") -> Path:
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [("empty.wav", b""), ("text.wav", b"not sound at all\n" * 100), ("cut.flac", SPEECH.read_bytes()[:20])],
)
def test_files_that_are_no_sound(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    _expect(au_edge("render", str(path), "--out", str(tmp_path / "out.csv")), 65, name)
    assert not (tmp_path / "out.csv").exists()


def test_a_truncated_wav_is_named(tmp_path: Path) -> None:
    path = _wav(tmp_path / "cut.wav", np.zeros(RATE_HZ, np.float32))
    path.write_bytes(path.read_bytes()[:20_000])
    _expect(au_edge("render", str(path), "--out", str(tmp_path / "out.csv")), 65, "cut.wav")


def test_files_of_a_rate_that_cannot_be_resampled_are_named(tmp_path: Path) -> None:
    rates = (4_000, 7_999, 192_001, 384_000)
    paths = [_wav(tmp_path / f"at_{rate}.wav", np.zeros(4_000, np.float32), rate) for rate in rates]
    said = [text for rate in rates for text in (f"at_{rate}.wav", f"{rate} Hz")]
    _expect(au_edge("render", *map(str, paths), "--out", str(tmp_path / "out")), 65, *said)


def test_a_missing_file(tmp_path: Path) -> None:
    _expect(au_edge("render", str(tmp_path / "none.wav"), "--out", str(tmp_path / "out.csv")), 65, "none.wav")


def test_every_rate_width_and_channel_count_is_heard(tmp_path: Path) -> None:
    layouts = [
        (8_000, 1, "PCM_16"), (192_000, 1, "PCM_24"), (44_100, 6, "PCM_16"), (48_000, 2, "FLOAT"),
        (22_050, 1, "PCM_U8"), (16_000, 1, "PCM_32"), (44_100, 1, "DOUBLE"),
    ]  # fmt: skip
    speech, own_rate = soundfile.read(SPEECH, frames=3 * RATE_HZ, dtype="float32")
    paths, seconds = [], len(speech) / own_rate
    for rate, channels, subtype in layouts:
        sound = resample_poly(speech, rate, own_rate)
        path = tmp_path / f"{rate}_{channels}_{subtype}.wav"
        paths.append(_wav(path, np.repeat(sound[:, None], channels, axis=1), rate, subtype))
    out = tmp_path / "out"
    _expect(au_edge("render", *map(str, paths), "--out", str(out), "--format", "npz", "--quiet"), 0)
    for path in paths:
        frames = np.load(out / f"{path.stem}.npz")
        assert len(frames["time_s"]) == pytest.approx(seconds * 30, abs=1), path.name
        assert frames["activations"][:, list(frames["channels"]).index("jawOpen")].std() > 0.02, path.name


def test_nan_and_clipped_samples_are_survived_and_said(tmp_path: Path) -> None:
    speech, rate = soundfile.read(SPEECH, frames=2 * RATE_HZ, dtype="float32")
    speech = np.clip(speech * 20, -1, 1)
    speech[1000:1100] = np.nan
    path = _wav(tmp_path / "in.wav", speech, rate, "FLOAT")
    out = tmp_path / "out.npz"
    done = au_edge("render", str(path), "--out", str(out), "--quiet")
    _expect(done, 0, "not numbers", "clipped")
    assert np.isfinite(np.load(out)["activations"]).all()


def test_many_inputs_one_of_them_bad_loses_nothing(tmp_path: Path) -> None:
    speech, rate = soundfile.read(SPEECH, frames=RATE_HZ, dtype="float32")
    good = [_wav(tmp_path / f"{name}.wav", speech, rate) for name in "ac"]
    bad = tmp_path / "b.wav"
    bad.write_bytes(b"RIFF")
    out = tmp_path / "frames"
    _expect(au_edge("render", str(good[0]), str(bad), str(good[1]), "--out", str(out)), 65, "b.wav", "1 of 3")
    assert sorted(path.name for path in out.iterdir()) == ["a.csv", "c.csv"]


def test_state_is_reset_between_inputs(tmp_path: Path) -> None:
    speech, rate = soundfile.read(SPEECH, frames=2 * RATE_HZ, dtype="float32")
    first, second = (_wav(tmp_path / f"{name}.wav", speech, rate) for name in ("a", "b"))
    _expect(au_edge("render", str(first), str(second), "--out", str(tmp_path / "o"), "--quiet"), 0)
    assert (tmp_path / "o" / "a.csv").read_bytes() == (tmp_path / "o" / "b.csv").read_bytes()


def test_two_inputs_of_one_name_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        _wav(tmp_path / folder / "a.wav", np.zeros(RATE_HZ, np.float32))
    out = tmp_path / "o"
    done = au_edge("render", str(tmp_path / "x" / "a.wav"), str(tmp_path / "y" / "a.wav"), "--out", str(out))
    _expect(done, 2, "a.csv")
    assert not list(out.iterdir())


def _copy_model(folder: Path) -> Path:
    manifest = shipped_models()["stream"]
    facts = json.loads(manifest.read_text())
    (folder / facts["graph"]).write_bytes((manifest.parent / facts["graph"]).read_bytes())
    copy = folder / "copy.json"
    copy.write_text(json.dumps(facts))
    return copy


def _damage(folder: Path, how: str) -> Path:
    import hashlib

    copy = _copy_model(folder)
    facts = json.loads(copy.read_text())
    graph = folder / facts["graph"]
    if how == "missing":
        graph.unlink()
    elif how == "truncated":
        graph.write_bytes(graph.read_bytes()[:1000])
    elif how == "foreign":
        graph.write_bytes(b"this is no network" * 100)
        facts["sha256"] = hashlib.sha256(graph.read_bytes()).hexdigest()
    elif how == "names":
        facts["input"] = "no_such_input"
    elif how == "channels":
        facts["channels"] = facts["channels"][:10]
        facts["masked_channels"] = []
    elif how == "unknown key":
        facts["colour"] = "blue"
    elif how == "features":
        facts["features"]["kind"] = "cepstrum"
    copy.write_text(json.dumps(facts))
    return copy


@pytest.mark.parametrize("how", ["missing", "truncated", "foreign", "names", "channels", "unknown key", "features"])
def test_a_damaged_model_is_a_configuration_error(tmp_path: Path, how: str) -> None:
    done = au_edge("run", "--input", str(SPEECH), "--duration", "1", "--model", str(_damage(tmp_path, how)))
    _expect(done, 78)
    assert len(done.stderr.strip()) > 40


def test_a_model_of_no_known_name_suggests_the_nearest() -> None:
    _expect(au_edge("run", "--model", "steam"), 78, "stream")


def test_all_mistakes_of_a_configuration_at_once() -> None:
    done = au_edge("run", "-o", "audio.chanel=1", "-o", "silence.hold_ms=x", "-o", "outputs.osc.port=1")
    _expect(done, 78, "3 mistakes", "'channel'", "hold_ms", "output.NAME")


def test_gains_for_unknown_channels_are_refused() -> None:
    _expect(au_edge("run", "--input", str(SPEECH), "-o", "gain.jawopen=2"), 78, "jawOpen")


def test_where_no_channel_is_near_the_remedy_names_a_file_that_lists_them() -> None:
    done = au_edge("run", "--input", str(SPEECH), "-o", "gain.xyz=2")
    _expect(done, 78, "gain.xyz", "lists its channels")
    (path,) = re.findall(r"(/\S+\.json) lists", done.stderr)
    assert "jawOpen" in json.loads(Path(path).read_text())["channels"]


def test_a_checked_configuration_is_one_that_runs() -> None:
    """What `run` refuses for the configuration's sake, `config --check` refuses too."""
    _expect(au_edge("config", "--check"), 0)
    _expect(au_edge("config", "--check", "-o", "model.path=steam"), 78, "stream")
    several = ("-o", "gain.jawopen=2", "-o", "output.osc.mapping=nowhere", "-o", "output.r.protocol=robot")
    _expect(au_edge("config", "--check", *several), 78, "3 mistakes", "jawOpen", "nowhere", "output.r.mapping")


def test_an_unknown_microphone_is_refused() -> None:
    done = au_edge("run", "--device", "No Such Microphone")
    assert done.returncode in (69, 78)  # no audio input at all, or none of this name
    _expect(done, done.returncode, "No Such Microphone")


def test_a_port_in_use_is_said_by_watch() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        _expect(au_edge("watch", "--port", str(taken.getsockname()[1]), "--duration", "1"), 69, "in use")


@pytest.mark.parametrize("target", ["taken/frames.csv", "taken/", "none/frames.csv"])
def test_a_place_that_cannot_be_written_is_named_with_a_remedy(tmp_path: Path, target: str) -> None:
    (tmp_path / "taken").write_text("a file where a folder is wanted")
    (tmp_path / "none").symlink_to("/proc/none")
    second = _wav(tmp_path / "a.wav", np.zeros(4410, np.float32))
    inputs = [str(SPEECH), str(second)] if target.endswith("/") else [str(second)]
    _expect(au_edge("render", *inputs, "--out", str(tmp_path / target)), 65, target.split("/")[0], "--out")


def test_a_place_that_takes_no_file_is_no_full_disk(tmp_path: Path) -> None:
    second = _wav(tmp_path / "a.wav", np.zeros(4410, np.float32))
    done = au_edge("render", str(second), "--out", "/proc/x.csv")
    _expect(done, 65, "another --out")
    assert "space" not in done.stderr


def test_an_address_that_is_not_ours_is_told_from_a_port_in_use() -> None:
    done = au_edge("head", "-o", "head.host=192.0.2.1")
    _expect(done, 69, "Set `host`")
    assert "another `port`" not in done.stderr


def test_a_broken_configuration_file_is_named_and_its_remedy_stands_apart(tmp_path: Path) -> None:
    path = tmp_path / "own.conf"
    path.write_text("no section = 1\n")
    done = au_edge("config", "--config", str(path))
    _expect(done, 78, str(path), ". Write [section]")
    assert "<string>" not in done.stderr


def test_a_map_that_is_not_there_shows_no_place_in_the_package() -> None:
    done = au_edge("check", "-o", "audio.source=silence", "-o", "output.osc.mapping=nomap")
    assert done.returncode == 78
    assert "there is no such map" in done.stdout
    assert "retargets" not in done.stdout


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("render", str(SPEECH)), "au-edge: render: "),
        (("render", str(SPEECH), "--out", "a.xyz"), "a.xyz"),
        (("render", str(SPEECH), "--video", "a.avi"), "a.avi"),
        (("watch", "--port", "99999"), "99999"),
        (("watch", "--host", "nope.invalid"), "nope.invalid"),
        (("sync", "--output", "nobody"), "nobody"),
    ],
)
def test_wrong_arguments_end_with_2(words: tuple[str, ...], text: str) -> None:
    _expect(au_edge(*words), 2, text)


def test_without_a_terminal_there_is_no_device_for_keys() -> None:
    _expect(_in_shell("", "sync", after="</dev/null"), 69, "not a terminal")


def _in_shell(before: str, *arguments: str, after: str = "") -> subprocess.CompletedProcess[str]:
    command = f'{before} exec "$@" {after}'
    words = ["sh", "-c", command, "sh", sys.executable, "-m", "edge", *arguments]
    return subprocess.run(words, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "npz"])
def test_a_full_disk_keeps_the_old_file_and_leaves_no_half_of_a_new_one(tmp_path: Path, kind: str) -> None:
    out = tmp_path / f"frames.{kind}"
    out.write_text("old")
    done = _in_shell("ulimit -f 8;", "render", str(SPEECH), "--out", str(out), "--quiet")  # files of 4 KiB at most
    _expect(done, 65, out.name, "--out")
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    assert out.read_text() == "old"


@pytest.mark.parametrize("command", [("config",), ("run", "--input", str(SPEECH), "--duration", "0.3")])
@pytest.mark.parametrize("how", [">&-", ">/dev/full"])
def test_output_that_nobody_takes_is_no_traceback(command: tuple[str, ...], how: str) -> None:
    done = _in_shell("", *command, after=how)
    _expect(done, 65 if command == ("config",) and how == ">/dev/full" else 0)


def test_an_unknown_log_level_is_refused() -> None:
    _expect(au_edge("config", AU_EDGE_LOG="loud"), 78, "AU_EDGE_LOG", "WARNING")


def test_a_microphone_and_a_file_at_once_are_refused() -> None:
    _expect(au_edge("run", "--device", "USB", "--input", str(SPEECH)), 2, "not allowed")


def test_what_config_prints_can_be_read_back(tmp_path: Path) -> None:
    chosen = ("-o", "audio.device=USB # 2", "-o", "gain.jawOpen=1.5", "-o", "output.far.protocol=vmc")
    first = au_edge("config", *chosen)
    _expect(first, 0)
    assert "# from -o gain.jawOpen\njawOpen = 1.5" in first.stdout
    copy = tmp_path / "copy.conf"
    copy.write_text("\ufeff" + first.stdout, encoding="utf-8")  # as an editor on Windows leaves it
    second = au_edge("config", "--config", str(copy))
    _expect(second, 0)
    values = [[line for line in done.stdout.splitlines() if not line.startswith("#")] for done in (first, second)]
    assert values[0] == values[1]


@pytest.mark.parametrize("command", ["run", "watch"])
@pytest.mark.parametrize("duration", ["-1", "0", "nan", "inf", "soon"])
def test_a_duration_is_a_positive_number_of_seconds(command: str, duration: str) -> None:
    _expect(au_edge(command, f"--duration={duration}"), 2, "--duration", duration)


def test_watch_says_by_its_status_that_nothing_arrived() -> None:
    with bound_socket() as (_, port):
        pass
    _expect(_in_shell("", "watch", "--port", str(port), "--duration", "0.3", after=">&-"), 1)
