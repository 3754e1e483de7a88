"""A stream of a synthesiser's MP3, Ogg ... is decoded as it comes: the sound of the file, and early."""

from __future__ import annotations

import subprocess
import threading

import numpy as np
import pytest

from edge.app.models import shipped_speech
from edge.errors import InputError
from edge.sources import compressed_stream
from edge.sources.compressed_stream import CompressedDecoder
from tests.requirements import need, need_module

need_module("av")
FORMATS = {
    "MP3": ["-f", "mp3", "-ar", "24000", "-b:a", "64k"],
    "MP3 without a tag": ["-f", "mp3", "-ar", "24000", "-b:a", "64k", "-id3v2_version", "0"],
    "Ogg/Opus": ["-f", "ogg", "-c:a", "libopus", "-page_duration", "100000"],
    "Ogg/Vorbis": ["-f", "ogg", "-c:a", "libvorbis", "-page_duration", "100000"],
    "FLAC": ["-f", "flac", "-ar", "24000"],
    "AAC": ["-f", "adts", "-ar", "24000"],
    "WebM": ["-f", "webm", "-c:a", "libopus", "-cluster_time_limit", "200"],
    "MP4": ["-f", "mp4", "-movflags", "frag_keyframe+empty_moov+default_base_moof", "-frag_duration", "200000"],
}


def run(*command: str, data: bytes = b"") -> bytes:
    try:
        return subprocess.run(command, input=data, check=True, capture_output=True).stdout
    except FileNotFoundError:
        need("ffmpeg", False, "apt-get install ffmpeg")
        raise


@pytest.fixture(scope="module", params=FORMATS)
def encoded(request: pytest.FixtureRequest) -> tuple[str, bytes]:
    options = FORMATS[request.param]
    return request.param, run("ffmpeg", "-v", "error", "-t", "4", "-i", str(shipped_speech()), *options, "-")


def taken(decoder: CompressedDecoder) -> np.ndarray:
    return decoder.take(decoder.n_frames)[:, 0] if decoder.n_frames else np.zeros(0, np.float32)


@pytest.mark.parametrize("chunk", [61, 997, 1 << 20])
def test_what_comes_out_is_what_ffmpeg_decodes_however_the_stream_is_cut(
    encoded: tuple[str, bytes], chunk: int
) -> None:
    name, data = encoded
    decoder = CompressedDecoder(name)
    parts = []
    for i in range(0, len(data), chunk):
        decoder.feed(data[i : i + chunk])
        parts.append(taken(decoder))
    decoder.finish()
    parts.append(taken(decoder))
    assert decoder.is_over
    decoder.close()
    samples = np.concatenate(parts)
    piped = run("ffmpeg", "-v", "quiet", "-i", "-", "-f", "f32le", "-", data=data)
    oracle = np.frombuffer(piped, "<f4")
    n_most = min(len(samples), len(oracle))
    assert abs(len(samples) - len(oracle)) <= 1152  # the frame of a tag, which counts as one where it cannot be sought
    assert (
        np.sqrt(np.mean((samples[:n_most] - oracle[:n_most]) ** 2)) < 3e-3
    )  # decoders of MP3 at low rates differ by 1 %
    assert decoder.rate_hz in (24_000, 44_100, 48_000)


def test_the_first_sound_comes_long_before_the_end(encoded: tuple[str, bytes]) -> None:
    name, data = encoded
    decoder = CompressedDecoder(name)
    n_fed = 0
    while not decoder.n_frames:
        decoder.feed(data[n_fed : n_fed + 500])
        n_fed += 500
    decoder.close()
    assert n_fed < 0.5 * len(data)


def test_joined_streams_are_heard_to_the_end(encoded: tuple[str, bytes]) -> None:
    name, data = encoded
    if name in ("WebM", "MP4", "FLAC"):
        return  # nobody joins them on a stream
    lengths = []
    for n_joined in (1, 3):
        decoder = CompressedDecoder(name)
        decoder.feed(data * n_joined)
        decoder.finish()
        lengths.append(decoder.n_frames)
        decoder.close()
    assert lengths[1] > 2.9 * lengths[0]


def test_a_stream_that_is_given_up_leaves_no_thread(encoded: tuple[str, bytes]) -> None:
    name, data = encoded
    before = set(threading.enumerate())  # those that an earlier test has left may end meanwhile
    for n_bytes in (0, 1, 100, len(data) // 2):
        decoder = CompressedDecoder(name)
        decoder.feed(data[:n_bytes])
        decoder.close()
        decoder.close()
    assert not set(threading.enumerate()) - before


def listen_to_noise(decoder: CompressedDecoder) -> None:
    for _ in range(100):
        decoder.feed(np.random.default_rng(1).bytes(4000))
    decoder.finish()


def test_what_is_no_sound_is_refused_and_a_cut_stream_is_heard_as_far_as_it_goes(encoded: tuple[str, bytes]) -> None:
    name, data = encoded
    cut = CompressedDecoder(name)
    cut.feed(data[: len(data) * 2 // 3])
    cut.finish()
    assert cut.n_frames > 0
    cut.close()
    noise = CompressedDecoder(name)
    with pytest.raises(InputError, match=name.split("/")[0]):
        listen_to_noise(noise)
    noise.close()


def test_where_pyav_is_missing_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compressed_stream, "is_av_here", lambda: False)
    with pytest.raises(InputError, match=r"au-edge\[formats\]"):
        CompressedDecoder("MP3")
