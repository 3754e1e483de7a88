"""The real program and streams that are not what was said: the log tells it once, with the remedy; speech is heard."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.ports import free_tcp_port
from tests.requirements import need_module
from tests.system.programs import stop
from tests.system.talking import flite, talking

SENTENCE = "Please put the bottle back, and follow the yellow line."


def test_a_live_writer_of_another_rate_than_declared_is_told_once(tmp_path: Path) -> None:
    samples, rate_hz = soundfile.read(flite(SENTENCE, tmp_path / "x.wav"), dtype="int16")
    port, n_chunk = free_tcp_port(), rate_hz // 50
    options = (
        "audio.source=tcp",
        f"audio.address=127.0.0.1:{port}",
        "audio.format=s16le",
        "audio.stream_rate_hz=44100",
    )
    with (
        talking(*options) as (process, watcher),
        socket.create_connection(("127.0.0.1", port)) as client,
    ):
        endless, begin_s = np.tile(samples, 10), time.monotonic()
        for i in range(450):  # nine seconds, 20 ms at a time
            time.sleep(max(0.0, begin_s + i / 50 - time.monotonic()))
            client.sendall(endless[i * n_chunk : (i + 1) * n_chunk].tobytes())
        _, _, log = stop(process)
    told = [line for line in log.splitlines() if "samples a second arrive" in line]
    assert len(told) == 1, log
    assert f"audio.stream_rate_hz = {rate_hz}" in told[0]
    assert watcher.seen


def test_a_web_page_is_refused_and_the_mp3_behind_it_is_spoken(tmp_path: Path) -> None:
    need_module("av")
    wav = flite(SENTENCE, tmp_path / "x.wav")
    mp3 = subprocess.run(["ffmpeg", "-v", "error", "-i", str(wav), "-f", "mp3", "-"], check=True, capture_output=True)
    port = free_tcp_port()
    with talking("audio.source=tcp", f"audio.address=127.0.0.1:{port}") as (process, watcher):
        with socket.create_connection(("127.0.0.1", port), timeout=60.0) as client:
            client.sendall(b"<!DOCTYPE html><html><body>502 Bad Gateway: the voice is not here</body></html>")
            assert b"web page" in client.recv(1000)
        with socket.create_connection(("127.0.0.1", port)) as client, contextlib.suppress(BrokenPipeError):
            client.sendall(mp3.stdout)
        began = watcher.wait_for("live")
        time.sleep(soundfile.info(wav).duration + 1.0)
        _, _, log = stop(process)
    live = [seen.at_s for seen in watcher.seen if seen.state == "live"]
    assert live[-1] - began.at_s == pytest.approx(soundfile.info(wav).duration, abs=1.0)
    assert max(seen.mouth[0] for seen in watcher.seen) > 0.2
    assert log.count("web page") == 1
