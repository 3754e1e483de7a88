"""What is written is there whole, or what was there before is."""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibration.whole_files import write_json, write_together
from edge.commands import bench
from edge.errors import InputError
from edge.machine.whole_file import whole_file, write_whole
from edge.recording import WRITERS, FrameTable
from engine_build.voices.changed_corpus import write_flac
from engine_build.voices.labelling import write_arrays
from tests.edge.outputs.faces import manifest_with, random_frame

ROOM_BYTES = 2048
NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, 9000).astype(np.float32)


@contextlib.contextmanager
def little_room() -> Iterator[None]:
    """Have no file grow beyond some bytes. Source: setrlimit(2), RLIMIT_FSIZE; Python ignores its signal."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM_BYTES, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def table() -> FrameTable:
    made = FrameTable(manifest_with())
    for number in range(40):
        made.add(random_frame(number), number / 30)
    return made


def measured(folder: Path, monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    """Run `au-edge bench` with a result that was measured before."""
    result = {"format": bench.FORMAT, "machine": {"noise": "x" * 9000}, "created": "now", "conventions": []}
    monkeypatch.setattr(bench, "measure", lambda _: result)
    monkeypatch.setattr("edge.bench.text_report.render_text", lambda _: "what was measured")
    monkeypatch.setattr("edge.bench.html_report.render_html", lambda _: "x" * 9000)
    parser = argparse.ArgumentParser()
    bench.add_arguments(parser)
    bench.run(parser.parse_args([option, str(folder / "it")]))


WAYS: dict[str, Callable[[Path, pytest.MonkeyPatch], Any]] = {
    "text": lambda folder, _: write_whole(folder / "it", "x" * 9000),
    "bytes": lambda folder, _: write_whole(folder / "it", bytes(9000)),
    "json": lambda folder, _: write_json(folder / "it", {"x": "y" * 9000}),
    "labels": lambda folder, _: write_arrays(folder / "it", noise=NOISE),
    "flac": lambda folder, _: write_flac(folder / "it", NOISE, 16_000),
    "together": lambda folder, _: write_together({folder / "it": bytes(9000)}),
    **{name: (lambda folder, _, write=write: write(folder / "it", table())) for name, write in WRITERS.items()},
    "bench --json": lambda folder, monkeypatch: measured(folder, monkeypatch, "--json"),
    "bench --html": lambda folder, monkeypatch: measured(folder, monkeypatch, "--html"),
}


@pytest.mark.parametrize("way", list(WAYS))
def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "it").write_text("old")
    with little_room(), pytest.raises((OSError, InputError), match=r"[Ff]ile too large"):
        WAYS[way](tmp_path, monkeypatch)
    assert [path.name for path in tmp_path.iterdir()] == ["it"]
    assert (tmp_path / "it").read_text() == "old"
    if way.startswith("bench"):
        assert "what was measured" in capsys.readouterr().out
    WAYS[way](tmp_path, monkeypatch)  # with room it is written
    assert (tmp_path / "it").stat().st_size > ROOM_BYTES


@pytest.mark.parametrize("what", [KeyboardInterrupt, ValueError])
def test_what_is_stopped_half_way_leaves_the_old_file(tmp_path: Path, what: type[BaseException]) -> None:
    (tmp_path / "it").write_text("old")

    def write() -> None:
        with whole_file(tmp_path / "it", "w") as file:
            file.write("half")
            raise what

    with pytest.raises(what):
        write()
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_a_link_stays_a_link_and_a_long_name_is_a_name(tmp_path: Path) -> None:
    (tmp_path / "to").write_text("old")
    (tmp_path / "link").symlink_to("to")
    write_whole(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "to").read_text() == "new"
    long = tmp_path / ("ü" * 125)
    write_whole(long, "new")
    assert long.read_text() == "new"
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(long.stat().st_mode) == 0o666 & ~umask
    long.chmod(0o600)
    write_whole(long, "newer")
    assert stat.S_IMODE(long.stat().st_mode) == 0o600, "what was private stays private"


def test_pipes_and_devices_are_written_to_and_stay(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    read: list[str] = []
    reading = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_text()))
    reading.start()
    write_whole(tmp_path / "pipe", "through")
    reading.join()
    assert read == ["through"]
    assert (tmp_path / "pipe").is_fifo()
    write_whole(Path("/dev/null"), "gone")
    assert Path("/dev/null").is_char_device()
    with (tmp_path / "kept").open("w") as file:  # as `--json /dev/stdout > kept`
        write_whole(Path(f"/dev/fd/{file.fileno()}"), "once")
        assert os.fstat(file.fileno()).st_ino == (tmp_path / "kept").stat().st_ino
    with pytest.raises(InputError, match=r"writing /dev/full: No space left on device. Free some space"):
        write_whole(Path("/dev/full"), "x")


def test_a_place_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"writing .*/nowhere/it: No such file or directory. Name another place"):
        write_whole(tmp_path / "nowhere" / "it", "x")
    with pytest.raises(InputError, match=r"writing .*: Is a directory"):
        write_whole(tmp_path, "x")
    assert list(tmp_path.iterdir()) == []
