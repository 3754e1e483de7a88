"""The real program as a talking robot, a real synthesiser as its writer: whole, in order, at rest at the end, clear."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import numpy as np
import soundfile

from tests.system.programs import au_edge, stop
from tests.system.talking import MOUTH, SENTENCES, flite, free_tcp_port, talking

PERIOD_S = 1 / 30


def rendered(files: list[Path], folder: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return times and mouths of each file as `au-edge render` has them."""
    assert au_edge("render", *map(str, files), "--out", str(folder), "--format", "npz", "--quiet").returncode == 0
    found = []
    for file in files:
        table = np.load(folder / f"{file.stem}.npz")
        channels = [str(name) for name in table["channels"]]
        found.append((table["time_s"], table["activations"][:, [channels.index(name) for name in MOUTH]]))
    return found


def likeness(seen_s: np.ndarray, seen: np.ndarray, times_s: np.ndarray, mouth: np.ndarray, begin_s: float) -> float:
    """Return how alike the lip curves are (r over all channels), at the best begin within two frames."""

    def at(shift_s: float) -> float:
        moments = begin_s + shift_s + times_s
        curves = np.stack([np.interp(moments, seen_s, curve) for curve in seen.T], axis=1)
        return float(np.corrcoef(curves.ravel(), mouth.ravel())[0, 1])

    return max(at(shift_s) for shift_s in np.arange(-0.07, 0.07, 0.004))


def test_twenty_sentences_in_a_row_are_spoken_whole_and_in_order(tmp_path: Path) -> None:
    files = [flite(text, tmp_path / f"{i:02}.wav") for i, text in enumerate(SENTENCES)]
    expected = rendered(files, tmp_path / "frames")
    port = free_tcp_port()
    options = ("audio.source=tcp", f"audio.address=127.0.0.1:{port}", "audio.stream_rate_hz=16000", "model.path=stream")
    with talking(*options) as (process, watcher):
        for file in files[:10]:  # one connection for each sentence...
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(file.read_bytes())
        with socket.create_connection(("127.0.0.1", port)) as client:  # ...and one for all
            for file in files[10:]:
                client.sendall(file.read_bytes())
        lasts_s = sum(soundfile.info(file).duration for file in files)
        began = watcher.wait_for("live")
        time.sleep(max(0.0, began.at_s + lasts_s + 1.0 - time.monotonic()))
        _, _, log = stop(process)
    frames = [s for s in watcher.seen if s.at_s > began.at_s - 1.0 and s.state != "stopping"]
    assert {s.state for s in frames} <= {"live", "silence"}, log
    seen_s, seen = np.array([s.heard_unix_s for s in frames]), np.array([s.mouth for s in frames])
    begin_s = _first_sample_s(frames, expected[0])
    for i, (times_s, mouth) in enumerate(expected):
        assert likeness(seen_s, seen, times_s, mouth, begin_s) > 0.98, f"sentence {i}: {SENTENCES[i]}"
        begin_s += soundfile.info(files[i]).duration


def _first_sample_s(frames: list, first: tuple[np.ndarray, np.ndarray]) -> float:
    """Return when the first sentence began: where its rendered curves fit best."""
    seen_s, seen = np.array([s.heard_unix_s for s in frames]), np.array([s.mouth for s in frames])
    begins_s = np.arange(seen_s[0], seen_s[0] + 3.0, 0.05)
    return float(max(begins_s, key=lambda begin_s: likeness(seen_s, seen, *first, begin_s)))
