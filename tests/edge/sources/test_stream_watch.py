"""A raw stream that cannot be what was said is told once, with the remedy; speech in its own format never is."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.app.models import shipped_speech
from edge.features.resampler import Resampler
from edge.sources.sound_signature import LOOK_BYTES, Signature, identify
from edge.sources.stream_watch import StreamWatch
from tests.requirements import need

FORMATS = {"s16le": "<i2", "s32le": "<i4", "f32le": "<f4"}


def encoded(*options: str) -> bytes:
    """Return the shipped speech as ffmpeg writes it to a pipe."""
    command = ["ffmpeg", "-v", "error", "-i", str(shipped_speech()), "-t", "3", *options, "-"]
    try:
        return subprocess.run(command, check=True, capture_output=True).stdout
    except FileNotFoundError:
        need("ffmpeg", False, "apt-get install ffmpeg")
        raise


def speech(rate_hz: int) -> np.ndarray:
    samples, own_hz = soundfile.read(shipped_speech(), dtype="float32", always_2d=True)
    samples = samples[: 8 * own_hz, 0]
    return Resampler(own_hz, rate_hz).process(samples, 0)[0].copy()


def packed(samples: np.ndarray, sample_format: str) -> bytes:
    if sample_format == "s24le":
        wide = np.round(samples * 2.0**23).clip(-(2**23), 2**23 - 1).astype("<i4")
        return wide.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    if sample_format == "s16be":
        return np.round(samples * 32767).astype(">i2").tobytes()
    scale = {"s16le": 2.0**15 - 1, "s32le": 2.0**31 - 256, "f32le": 1.0}[sample_format]
    scaled = samples.astype(np.float64) * scale
    return (scaled if sample_format == "f32le" else np.round(scaled)).astype(FORMATS[sample_format]).tobytes()


def lines_of(watch: StreamWatch, data: bytes, chunk: int = 3200, seconds_a_byte: float = 0.0) -> list[str]:
    watch.begin()
    lines = [watch.look(data[i : i + chunk], 100.0 + i * seconds_a_byte) for i in range(0, len(data), chunk)]
    return [line for line in [*lines, watch.end()] if line]


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (["-f", "mp3"], "MP3"),
        (["-f", "mp3", "-id3v2_version", "0", "-write_xing", "0"], "MP3"),
        (["-f", "mp3", "-id3v2_version", "0", "-b:a", "320k", "-ar", "32000"], "MP3"),
        (["-f", "mp3", "-id3v2_version", "0", "-ar", "8000"], "MP3"),
        (["-f", "mp2"], "MP3"),
        (["-f", "ogg", "-c:a", "libopus"], "Ogg/Opus"),
        (["-f", "ogg", "-c:a", "libvorbis"], "Ogg/Vorbis"),
        (["-f", "ogg", "-c:a", "flac"], "Ogg/FLAC"),
        (["-f", "flac"], "FLAC"),
        (["-f", "adts"], "AAC"),
        (["-f", "mp4", "-movflags", "frag_keyframe+empty_moov"], "MP4 or M4A"),
        (["-f", "webm"], "WebM or Matroska"),
        (["-f", "matroska"], "WebM or Matroska"),
        (["-f", "wav"], "WAV"),
        (["-f", "aiff"], "AIFF"),
        (["-f", "au"], "AU"),
        (["-f", "caf"], "CAF"),
    ],
    ids=lambda value: "-".join(value).replace("/", "") if isinstance(value, list) else "",
)
def test_what_an_encoder_writes_is_named(tmp_path: Path, options: list[str], name: str) -> None:
    if "aiff" in options or "caf" in options:  # they must seek
        path = tmp_path / "x"
        encoded_to = ["ffmpeg", "-v", "error", "-i", str(shipped_speech()), *options, str(path)]
        subprocess.run(encoded_to, check=True)
        head = path.read_bytes()
    else:
        head = encoded(*options)
    assert identify(head[:LOOK_BYTES]) == Signature(name, True)
    lines = lines_of(StreamWatch("s16le", 24_000, 1), head)
    assert len(lines) == 1
    assert name in lines[0]
    assert "audio.format = auto" in lines[0]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head></html>", "HTML"),
        (b"\n  <html>\n<body>no such voice</body></html>" + b" " * 20, "HTML"),
        (json.dumps({"error": {"message": "Incorrect API key", "type": "invalid_request"}}).encode(), "JSON"),
        (b'{"error": 401}', "JSON"),
        (b"GET /speak?text=hello HTTP/1.1\r\nHost: robot\r\n\r\n", "web client"),
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", "web server"),
        ("こんにちは、今日はいい天気ですね。散歩に行きましょう。".encode(), "text"),
        (b"Traceback (most recent call last):\n  File 'x.py', line 3\n" * 100, "text"),
    ],
    ids=["html", "html-late", "json", "json-short", "get", "http", "japanese", "traceback"],
)
def test_text_is_named_however_it_is_cut(text: bytes, name: str) -> None:
    for chunk in (1, 7, 100_000):
        lines = lines_of(StreamWatch("f32le", 24_000, 2), text, chunk)
        assert len(lines) == 1
        assert name in lines[0]


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 24_000, 48_000])
@pytest.mark.parametrize("sample_format", ["s16le", "s24le", "s32le", "f32le"])
@pytest.mark.parametrize("gain", [1.0, 0.01])
def test_of_speech_in_its_own_format_nothing_is_said(rate_hz: int, sample_format: str, gain: float) -> None:
    samples = speech(rate_hz) * np.float32(gain)
    assert lines_of(StreamWatch(sample_format, rate_hz, 1), packed(samples, sample_format)) == []
    stereo = np.repeat(samples, 2)
    assert lines_of(StreamWatch(sample_format, rate_hz, 2), packed(stereo, sample_format)) == []


@pytest.mark.parametrize("sample_format", ["s16le", "s24le", "s32le", "f32le"])
@pytest.mark.parametrize("level", [0.0, 3e-5, 0.02, 0.3])
def test_of_silence_and_noise_nothing_is_said(sample_format: str, level: float) -> None:
    noise = np.clip(level * np.random.default_rng(4).standard_normal(200_000), -1, 1).astype(np.float32)
    assert lines_of(StreamWatch(sample_format, 16_000, 1), packed(noise, sample_format)) == []


@pytest.mark.parametrize(
    ("declared", "real"),
    [
        ("s16le", "f32le"), ("s16le", "s24le"), ("s16le", "s16be"), ("s16le", "s32le"),
        ("f32le", "s16le"), ("f32le", "s32le"), ("s32le", "f32le"), ("s24le", "s16le"), ("s24le", "f32le"),
    ],
)  # fmt: skip
def test_another_format_than_said_is_told_once_with_its_name(declared: str, real: str) -> None:
    watch = StreamWatch(declared, 24_000, 1)
    data = packed(speech(24_000), real)
    lines = lines_of(watch, data)
    assert len(lines) == 1
    assert f"it looks like {real}" in lines[0]
    assert lines_of(watch, data) == []  # the next client is no news


@pytest.mark.parametrize("declared", ["s16le", "s32le", "f32le"])
@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 48_000])
@pytest.mark.parametrize(("codec", "name"), [("u8", "u8"), ("mulaw", "mu-law (G.711)"), ("alaw", "A-law (G.711)")])
def test_samples_of_one_byte_are_told_with_their_name(codec: str, name: str, rate_hz: int, declared: str) -> None:
    data = encoded("-ac", "1", "-ar", str(rate_hz), "-f", codec)
    (line,) = lines_of(StreamWatch(declared, rate_hz, 1), data, seconds_a_byte=1 / rate_hz)  # as a live writer gives it
    assert f"it looks like {name}" in line
    assert "let the writer send s16le" in line


def test_half_a_sample_at_the_beginning_is_told() -> None:
    lines = lines_of(StreamWatch("s16le", 24_000, 1), packed(speech(24_000), "s16le")[1:])
    assert len(lines) == 1
    assert "half a sample" in lines[0]


@pytest.mark.parametrize(
    ("declared_hz", "real_hz"),
    [(44_100, 24_000), (44_100, 48_000), (16_000, 8_000), (24_000, 22_050), (16_000, 48_000)],
)
@pytest.mark.parametrize("chunk_s", [0.01, 0.1])
def test_a_live_writer_of_another_rate_is_told_once(declared_hz: int, real_hz: int, chunk_s: float) -> None:
    data = packed(np.tile(speech(real_hz), 3), "s16le")
    chunk = 2 * round(real_hz * chunk_s)
    lines = lines_of(StreamWatch("s16le", declared_hz, 1), data, chunk, 1 / (2 * real_hz))
    assert len(lines) == 1
    assert f"audio.stream_rate_hz = {real_hz}" in lines[0]


def test_of_a_live_writer_of_the_rate_that_was_said_nothing_is_said_nor_of_one_that_jitters() -> None:
    data = packed(np.tile(speech(16_000), 4), "s16le")
    assert lines_of(StreamWatch("s16le", 16_000, 1), data, 640, 1 / 32_000) == []
    assert lines_of(StreamWatch("s16le", 16_000, 1), data, 640, 1 / 32_000 * 1.02) == []
    watch, random, now_s = StreamWatch("s16le", 16_000, 1), np.random.default_rng(1), 0.0
    for i in range(0, len(data), 640):
        now_s += 0.02 * random.choice([0.0, 0.0, 3.0])  # bursts
        assert watch.look(data[i : i + 640], now_s) == ""


def test_of_a_synthesiser_that_writes_sentences_ahead_and_waits_nothing_is_said() -> None:
    watch, now_s = StreamWatch("s16le", 44_100, 1), 0.0
    sentence = packed(speech(44_100), "s16le")
    for _ in range(10):
        for i in range(0, len(sentence), 4410):
            assert watch.look(sentence[i : i + 4410], now_s) == ""
            now_s += 0.002
        now_s += len(sentence) / 88_200
