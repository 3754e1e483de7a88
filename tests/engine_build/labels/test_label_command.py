"""The label command on small videos: what it makes, what it refuses by name, and that it goes on where it was."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from edge.errors import EXIT_INPUT, ConfigurationError, DeviceError, InputError
from engine_build.labels import label
from engine_build.labels.channels import CHANNELS
from engine_build.labels.face_finder import MediaPipeFinder
from engine_build.labels.track import Track, at_constant_rate, frame_rate
from tests.engine_build.labels.faces import rendered, speech_curves
from tests.requirements import need, need_module

RATE_HZ = 16000
SPOKEN = rendered(speech_curves(75, {"jawOpen": 0.5, "mouthPucker": 0.4}, 5), 5)


def write_video(path: Path, times_ms: Sequence[int], with_sound: bool = True, sound_s: float = 3.0) -> None:
    """Write grey pictures shown at the given times (picture k has grey level k), and a tone."""
    import av

    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.time_base = video.time_base = Fraction(1, 1000)
        sound = container.add_stream("pcm_s16le", rate=RATE_HZ) if with_sound else None
        for number, time_ms in enumerate(times_ms):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 40 + 2 * number, np.uint8), format="rgb24")
            frame.pts, frame.time_base = time_ms, Fraction(1, 1000)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        if sound is not None:
            tone = np.sin(np.arange(int(sound_s * RATE_HZ)) * 2 * np.pi * 220 / RATE_HZ) * 8000
            chunk = av.AudioFrame.from_ndarray(tone.astype(np.int16)[None], format="s16", layout="mono")
            chunk.sample_rate, chunk.pts = RATE_HZ, 0
            container.mux(sound.encode(chunk))
            container.mux(sound.encode())


class KnownFace:
    """A finder that sees a rendered face at every time, or none, or two."""

    def __init__(self, n_faces: int = 1) -> None:
        self.n_faces = n_faces
        self.times_s: list[float] = []

    def find(self, rgb: np.ndarray, time_s: float) -> np.ndarray | None:
        self.times_s.append(time_s)
        frame = min(max(round(time_s * 25), 0), 74)
        return SPOKEN.clip.points[frame] if self.n_faces else None

    def count(self, rgb: np.ndarray) -> int:
        return self.n_faces


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    need("av", importlib.util.find_spec("av") is not None, "PyAV is not installed (pip install av)")
    folder = tmp_path / "videos"
    folder.mkdir()
    return folder


def run(paths: Sequence[Path], out: Path, finder: Callable[[], KnownFace], *more: str) -> int:
    parser = argparse.ArgumentParser()
    label.add_arguments(parser)
    args = parser.parse_args([*map(str, paths), "--out", str(out), *more])
    return label.run(args, lambda: nullcontext(finder()))


EVERY_40_MS = range(0, 3000, 40)


def test_a_video_becomes_labels_with_its_sound(videos: Path, tmp_path: Path) -> None:
    import soundfile

    write_video(videos / "talk.mkv", EVERY_40_MS)
    out = tmp_path / "out"
    assert run([videos], out, KnownFace) == 0
    with np.load(out / "labels.npz") as labels:
        assert labels["clips"].tolist() == ["talk"]
        assert float(labels["fps"]) == pytest.approx(25.0, abs=0.01)
        assert abs(len(labels["activations"]) - 75) <= 1
        n = min(75, len(labels["activations"]))
        jaw = CHANNELS.index("jawOpen")
        assert np.corrcoef(labels["activations"][:n, jaw], SPOKEN.activations[:n, jaw])[0, 1] > 0.95
    samples, rate_hz = soundfile.read(out / "audio" / "talk.flac")
    assert rate_hz == RATE_HZ
    assert len(samples) == 3 * RATE_HZ
    assert json.loads((out / "report.json").read_text())["mistakes"] == []


def test_one_without_a_face_is_named_and_the_others_go_on(
    videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a_none.mkv", "b_good.mkv", "c_two.mkv"):
        write_video(videos / name, EVERY_40_MS)
    write_video(videos / "d_silent.mkv", EVERY_40_MS, with_sound=False)
    (videos / "e_text.mkv").write_text("not a video")
    finders = iter([KnownFace(0), KnownFace(1), KnownFace(2), KnownFace(1), KnownFace(1)])
    assert run([videos], tmp_path / "out", lambda: next(finders)) == EXIT_INPUT
    said = capsys.readouterr().err
    for name, reason in (
        ("a_none.mkv", "none in 75 pictures"),
        ("c_two.mkv", "two in"),
        ("d_silent.mkv", "the video has none"),
        ("e_text.mkv", "cannot be read"),
    ):
        assert any(name in line and reason in line for line in said.splitlines()), (name, said)
    with np.load(tmp_path / "out" / "labels.npz") as labels:
        assert labels["clips"].tolist() == ["b_good"]
    assert len(json.loads((tmp_path / "out" / "report.json").read_text())["mistakes"]) == 4


def test_nothing_usable_is_an_error_with_a_remedy(videos: Path, tmp_path: Path) -> None:
    write_video(videos / "none.mkv", EVERY_40_MS)
    with pytest.raises(InputError) as caught:
        run([videos], tmp_path / "out", lambda: KnownFace(0))
    assert "one face" in caught.value.asked
    assert "seen from the front" in caught.value.remedy
    assert not (tmp_path / "out" / "labels.npz").exists()


def test_a_second_run_goes_on_where_the_first_was_stopped(videos: Path, tmp_path: Path) -> None:
    for name in ("one.mkv", "two.mkv"):
        write_video(videos / name, EVERY_40_MS)
    out = tmp_path / "out"
    opened: list[KnownFace] = []

    def stopped_at_the_second() -> KnownFace:
        if opened:
            raise KeyboardInterrupt
        opened.append(KnownFace())
        return opened[-1]

    with pytest.raises(KeyboardInterrupt):
        run([videos], out, stopped_at_the_second)
    opened_again: list[KnownFace] = []

    def counted() -> KnownFace:
        opened_again.append(KnownFace())
        return opened_again[-1]

    assert run([videos], out, counted) == 0
    assert len(opened_again) == 1  # the first video was not looked at again
    with np.load(out / "labels.npz") as labels:
        assert labels["clips"].tolist() == ["one", "two"]


def test_a_changed_video_is_looked_at_again(videos: Path, tmp_path: Path) -> None:
    write_video(videos / "one.mkv", EVERY_40_MS)
    assert run([videos], tmp_path / "out", KnownFace) == 0
    write_video(videos / "one.mkv", EVERY_40_MS[:-5])
    again: list[int] = []

    def counted() -> KnownFace:
        again.append(1)
        return KnownFace()

    assert run([videos], tmp_path / "out", counted) == 0
    assert again == [1]


def test_pictures_at_uneven_times_land_where_they_were_shown(videos: Path, tmp_path: Path) -> None:
    steady = list(EVERY_40_MS)
    uneven = [time for number, time in enumerate(steady) if number % 7 not in (3, 5)]
    for name, times in (("steady", steady), ("uneven", uneven)):
        write_video(videos / f"{name}.mkv", times)
    assert run([videos], tmp_path / "out", KnownFace, "--fps", "25", "--speaker", "all") == 0
    with np.load(tmp_path / "out" / "labels.npz") as labels:
        n = int(labels["n_frames"].min())
        first, second = labels["geometry"][:n], labels["geometry"][labels["n_frames"][0] :][:n]
        assert np.corrcoef(first[:, 0], second[:, 0])[0, 1] > 0.98
        assert labels["valid"].mean() > 0.95


def test_a_full_disk_says_what_to_do_and_keeps_what_was_done(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_video(videos / "one.mkv", EVERY_40_MS)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(label, "write_labels", full)
    with pytest.raises(DeviceError, match="Make room"):
        run([videos], tmp_path / "out", KnownFace)
    assert (tmp_path / "out" / "landmarks" / "one.npz").is_file()


def test_without_a_model_the_message_says_where_to_get_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video = tmp_path / "v.mkv"
    assert label.main([str(video), "--out", str(tmp_path / "out")]) == EXIT_INPUT
    assert "face_landmarker.task" in capsys.readouterr().err


def test_a_missing_model_is_an_error_of_its_own(tmp_path: Path) -> None:
    need("mediapipe", importlib.util.find_spec("mediapipe") is not None, "not installed (pip install mediapipe)")
    with pytest.raises(ConfigurationError, match="no such file"):
        MediaPipeFinder(tmp_path / "absent.task")


def test_a_damaged_model_is_refused(tmp_path: Path) -> None:
    need("mediapipe", importlib.util.find_spec("mediapipe") is not None, "not installed (pip install mediapipe)")
    (tmp_path / "bad.task").write_bytes(b"not a bundle")
    with pytest.raises(ConfigurationError, match="MediaPipe refuses it"):
        MediaPipeFinder(tmp_path / "bad.task")


def test_names_that_clash_take_their_folder(tmp_path: Path) -> None:
    for name in ("a/take.mp4", "b/take.mp4", "b/other.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert set(label.found_videos([tmp_path / "a", tmp_path / "b"])) == {"a_take", "b_take", "other"}


def test_landmarks_are_interpolated_between_pictures_and_not_known_in_long_gaps() -> None:
    times = np.array([0.0, 0.1, 0.2, 1.0])
    track = Track(times, times[:, None, None] * np.ones((1, 2, 3)), np.ones(4, dtype=bool))
    clip = at_constant_rate("c", track, 20.0, 1.2)
    grid = np.arange(24) / 20
    np.testing.assert_allclose(clip.points[:21, 0, 0], grid[:21], atol=1e-12)
    assert clip.is_found[:5].all()
    assert not clip.is_found[8:16].any()


def test_the_frame_rate_is_that_of_most_pictures() -> None:
    assert frame_rate(np.array([0, 0.04, 0.08, 0.12, 0.3, 0.34])) == 25.0


class WhoLooked(KnownFace):
    """A known face that leaves the number of the process that saw it."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        (folder / str(os.getpid())).touch()


@pytest.mark.parametrize("where", ["processes", "dask"])
def test_videos_are_looked_at_by_several_processes(videos: Path, tmp_path: Path, where: str) -> None:
    """By joblib's own, and by two workers of a Dask cluster on this machine: the labels are those of one process."""
    for name in ("a", "b", "d"):
        write_video(videos / f"{name}.mkv", EVERY_40_MS)
    (videos / "c.mkv").write_text("not a video")
    seen = tmp_path / "seen"
    seen.mkdir()
    finder = partial(WhoLooked, seen)
    assert run([videos], tmp_path / "one", finder) == EXIT_INPUT
    assert {path.name for path in seen.iterdir()} == {str(os.getpid())}
    with ExitStack() as stack:
        options = ["--jobs", "2"]
        if where == "dask":
            distributed = need_module("distributed")
            cluster = stack.enter_context(
                distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
            )
            options = ["--cluster", cluster.scheduler_address]
        assert run([videos], tmp_path / "many", finder, *options) == EXIT_INPUT
    assert len({path.name for path in seen.iterdir()} - {str(os.getpid())}) in (1, 2)  # the quick may do it all
    with np.load(tmp_path / "one" / "labels.npz") as one, np.load(tmp_path / "many" / "labels.npz") as many:
        assert one["clips"].tolist() == many["clips"].tolist() == ["a", "b", "d"]
        np.testing.assert_array_equal(one["activations"], many["activations"])
    mistakes = [json.loads((tmp_path / out / "report.json").read_text())["mistakes"] for out in ("one", "many")]
    assert "c.mkv" in mistakes[1][0]["asked"]
    assert mistakes[0] == mistakes[1]


def test_a_cluster_that_is_not_there_is_named(videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_video(videos / "talk.mkv", EVERY_40_MS)
    need_module("distributed")
    monkeypatch.setattr("engine_build.cluster.CONNECT_S", 1)
    with pytest.raises(DeviceError, match=r"cluster tcp://127\.0\.0\.1:9.*no Dask scheduler"):
        run([videos], tmp_path / "out", KnownFace, "--cluster", "tcp://127.0.0.1:9")
