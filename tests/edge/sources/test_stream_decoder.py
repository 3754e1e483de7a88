"""Real sockets and pipes: what a synthesiser sends is heard by what it says itself, and what is no sound is told."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge.app.models import shipped_speech
from edge.features.resampler import Resampler
from edge.machine.clock import SystemClock
from edge.sources.pcm_stream import PcmStreamSource
from edge.sources.stream_decoder import StreamDecoder
from tests.requirements import need, need_module

RATE_HZ = 16_000
FORMATS = {
    "mp3": ["-f", "mp3"],
    "opus": ["-f", "ogg", "-c:a", "libopus"],
    "flac": ["-f", "flac"],
    "aac": ["-f", "adts"],
    "webm": ["-f", "webm", "-c:a", "libopus"],
    "wav": ["-f", "wav"],
    "raw": ["-f", "s16le"],
}


def encoded(name: str, rate_hz: int = RATE_HZ) -> bytes:
    command = ["ffmpeg", "-v", "error", "-t", "2", "-i", str(shipped_speech()), "-ar", str(rate_hz)]
    try:
        return subprocess.run([*command, *FORMATS[name], "-"], check=True, capture_output=True).stdout
    except FileNotFoundError:
        need("ffmpeg", False, "apt-get install ffmpeg")
        raise


@pytest.fixture
def source() -> Iterator[PcmStreamSource]:
    made = tcp_source("auto")
    made.open()
    yield made
    made.close()


def tcp_source(sample_format: str) -> PcmStreamSource:
    return PcmStreamSource(
        "tcp", clock=SystemClock(), resampler_for=Resampler, address="127.0.0.1:0", sample_format=sample_format,
        rate_hz=RATE_HZ, pace="fast",
    )  # fmt: skip


def send(source: PcmStreamSource, data: bytes) -> threading.Thread:
    def write() -> None:
        with socket.create_connection(("127.0.0.1", source.port), timeout=60.0) as client:
            client.sendall(data)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    return thread


def listen(source: PcmStreamSource, n_samples: int, seconds: float = 20.0) -> np.ndarray:
    heard, limit_s = [np.zeros(0, np.float32)], time.monotonic() + seconds
    while sum(map(len, heard)) < n_samples and time.monotonic() < limit_s:
        chunk = source.read(0.05)
        if chunk is not None:
            heard.append(chunk.samples.copy())
    return np.concatenate(heard)


@pytest.mark.parametrize("name", FORMATS)
def test_what_a_client_sends_is_heard_by_what_it_says_itself(source: PcmStreamSource, name: str) -> None:
    if name not in ("wav", "raw"):
        need_module("av")
    oracle = np.frombuffer(encoded("raw"), "<i2") / np.float32(2**15)
    sending = send(source, encoded(name))
    heard = listen(source, len(oracle))
    sending.join(60.0)
    assert source.warnings() == []
    # The codec's own delay aside (an MP3's 1105 samples), it is the same speech.
    lags = range(1, 1400) if name == "mp3" else range(2600) if name == "aac" else range(400)
    best = max(float(np.corrcoef(heard[lag : 20_000 + lag], oracle[:20_000])[0, 1]) for lag in lags)
    assert best > 0.97


def test_one_client_after_the_other_may_send_what_it_likes(source: PcmStreamSource) -> None:
    need_module("av")
    n_samples = 2 * RATE_HZ
    for name in ("mp3", "raw", "opus", "wav"):
        sending = send(source, encoded(name))
        assert len(listen(source, n_samples)) >= n_samples
        sending.join(60.0)


def test_a_web_page_is_no_speech_its_client_is_told_and_the_next_is_heard(source: PcmStreamSource) -> None:
    page = b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>no voice</body></html>"
    with socket.create_connection(("127.0.0.1", source.port), timeout=60.0) as client:
        client.sendall(page)
        assert len(listen(source, 1, seconds=0.5)) == 0
        assert b"HTML" in client.recv(1000)
    lines = source.warnings()
    assert len(lines) == 1
    assert "a web page (HTML)" in lines[0]
    send(source, encoded("raw"))
    assert len(listen(source, 2 * RATE_HZ)) == 2 * RATE_HZ


def test_an_mp3_on_a_stream_that_was_declared_raw_is_told_once_with_the_remedy() -> None:
    source = tcp_source("s16le")
    source.open()
    lines = []
    for _ in range(2):
        sending = send(source, encoded("mp3"))
        listen(source, 5_000)
        sending.join(60.0)
        lines += source.warnings()
    source.close()
    told = [line for line in lines if "MP3" in line]
    assert len(told) == 1
    assert "audio.format = auto" in told[0]


def test_a_client_that_leaves_in_the_middle_leaves_no_thread(source: PcmStreamSource) -> None:
    need_module("av")
    data, before = encoded("mp3"), set(threading.enumerate())
    for _ in range(5):
        sending = send(source, data[: len(data) // 2])
        listen(source, 5_000)
        sending.join(60.0)
        listen(source, 1 << 30, seconds=0.3)
    source.close()
    assert not set(threading.enumerate()) - before


@pytest.mark.parametrize("first", [b"\x00" * 8, b"\x01\x00\xff\xff\x05\x00\x10\x00", b"\x12\x34" * 4])
def test_raw_samples_are_heard_from_the_eighth_byte_on(first: bytes) -> None:
    lines: list[str] = []
    decoder = StreamDecoder("auto", RATE_HZ, 1, lines.append, set())
    for byte in first:
        assert decoder.layout is None
        decoder.feed(bytes([byte]))
    assert decoder.n_frames == 4
    assert decoder.take(4)[:, 0].tobytes() == first


def test_the_rate_of_what_is_piped_in_is_that_of_the_mp3(tmp_path: Path) -> None:
    need_module("av")
    program = f"""
from edge.features.resampler import Resampler
from edge.machine.clock import SystemClock
from edge.sources.pcm_stream import PcmStreamSource
source = PcmStreamSource("stdin", clock=SystemClock(), resampler_for=Resampler, rate_hz={RATE_HZ}, pace="fast")
source.open()
n_samples, is_last = 0, False
while not is_last:
    chunk = source.read(0.1)
    if chunk is not None:
        n_samples, is_last = n_samples + len(chunk.samples), chunk.is_last
print(source.rate_hz, n_samples)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], input=encoded("mp3", 24_000), capture_output=True, timeout=300, check=True
    )
    rate_hz, n_samples = map(int, done.stdout.split())
    assert rate_hz == 24_000
    assert abs(n_samples - 2 * 24_000) < 3000
