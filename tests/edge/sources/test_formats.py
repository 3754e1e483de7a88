"""What synthesisers really give: whatever ffmpeg encodes is heard whole, joined files too, and a cut one is named.

The oracle is ffmpeg, which encodes and decodes; the samples are compared.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from edge.app.models import shipped_speech
from edge.errors import InputError
from edge.sources import av_decoder
from edge.sources.sound_file import SoundFileSource
from tests.edge.sources.manual_clock import ManualClock
from tests.requirements import need, need_module

SECONDS = 3.2
# Name: ffmpeg's options, whether it takes PyAV, whether a cut at any byte can be seen.
FORMATS: dict[str, tuple[list[str], bool, bool]] = {
    "wav": (["-f", "wav"], False, True),
    "wav-float-stereo": (["-f", "wav", "-c:a", "pcm_f32le", "-ac", "2"], False, True),
    "wav-ulaw": (["-f", "wav", "-c:a", "pcm_mulaw", "-ar", "8000"], False, True),
    "wav-mp3": (["-f", "wav", "-c:a", "libmp3lame"], False, True),
    "aiff": (["-f", "aiff"], False, True),
    "au": (["-f", "au"], False, True),
    "w64": (["-f", "w64"], False, True),
    "caf": (["-f", "caf"], False, True),
    "avi": (["-f", "avi"], True, True),
    "flac": (["-f", "flac"], False, True),
    "mp3": (["-f", "mp3"], False, True),
    "mp3-no-xing": (["-f", "mp3", "-write_xing", "0"], False, True),
    "mp3-vbr": (["-f", "mp3", "-q:a", "2", "-id3v2_version", "0"], False, True),
    "mp3-vbr-no-xing": (["-f", "mp3", "-q:a", "2", "-write_xing", "0"], False, True),
    "mp3-24k-id3v1": (["-f", "mp3", "-ar", "24000", "-write_id3v1", "1", "-metadata", "title=x"], False, True),
    "mp3-11k-no-xing": (["-f", "mp3", "-ar", "11025", "-write_xing", "0"], False, True),
    "mp2": (["-f", "mp2"], False, True),
    "ogg-vorbis": (["-f", "ogg", "-c:a", "libvorbis"], False, True),
    "ogg-opus": (["-f", "ogg", "-c:a", "libopus"], False, True),
    "ogg-opus-24k": (["-f", "ogg", "-c:a", "libopus", "-ar", "24000"], False, True),
    "ogg-flac": (["-f", "ogg", "-c:a", "flac"], False, True),
    "aac": (["-f", "adts"], True, True),
    "m4a": (["-f", "ipod"], True, True),
    "m4a-index-first": (["-f", "ipod", "-movflags", "+faststart"], True, True),
    "m4a-alac": (["-f", "ipod", "-c:a", "alac"], True, True),
    "mp4-fragments": (["-f", "mp4", "-movflags", "frag_keyframe+empty_moov"], True, True),
    "mkv": (["-f", "matroska", "-c:a", "libvorbis"], True, True),
    "webm": (["-f", "webm", "-c:a", "libopus"], True, True),
    "mov-film": (["-f", "lavfi", "-i", "testsrc=d=3:s=64x64", "-f", "mov"], True, True),
}
PIPED = ("wav", "flac", "mp3", "ogg-opus", "aac", "mp4-fragments", "mkv", "webm")


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Every format's file; those of PIPED once more as a pipe's reader gets them, with lengths never filled in."""
    folder = tmp_path_factory.mktemp("formats")
    command = ["ffmpeg", "-v", "error", "-y", "-t", str(SECONDS), "-i", str(shipped_speech())]
    made = {}
    try:
        for name, (options, _, _) in FORMATS.items():
            path = folder / name
            subprocess.run([*command, *options, str(path)], check=True, capture_output=True)
            made[name] = path.read_bytes()
        for name in PIPED:
            output = subprocess.run([*command, *FORMATS[name][0], "-"], check=True, capture_output=True)
            made[f"piped-{name}"] = output.stdout
    except FileNotFoundError:
        need("ffmpeg", False, "apt-get install ffmpeg")
    return made


def takes_av(name: str) -> bool:
    return FORMATS[name.removeprefix("piped-")][1]


def need_decoder(name: str) -> None:
    if takes_av(name):
        need_module("av")


def by_ffmpeg(path: Path, rate_hz: int) -> np.ndarray:
    """Return the first channel, float32 [n]."""
    probe = ["ffprobe", "-v", "error", "-select_streams", "a:0", "-show_entries", "stream=channels", "-of", "csv=p=0"]
    n_channels = int(subprocess.run([*probe, str(path)], check=True, capture_output=True).stdout.split()[0].strip(b","))
    command = ["ffmpeg", "-v", "quiet", "-i", str(path), "-map", "a:0", "-ar", str(rate_hz), "-f", "f32le", "-"]
    output = subprocess.run(command, check=True, capture_output=True)
    return np.frombuffer(output.stdout, "<f4").reshape(-1, n_channels)[:, 0]


def heard(path: Path) -> np.ndarray:
    source = SoundFileSource(path, clock=ManualClock())
    source.open()
    parts = []
    while True:
        chunk = source.read(1.0)
        assert chunk is not None
        parts.append(chunk.samples.copy())
        if chunk.is_last:
            break
    assert source.warnings() == []
    source.close()
    return np.concatenate(parts)


def assert_same_sound(samples: np.ndarray, oracle: np.ndarray, tolerance: float) -> None:
    assert len(samples) == len(oracle)
    error = samples - oracle
    # Two decoders of MP3 in 32 bits; Vorbis and Opus differ in the last bits of 24.
    assert np.sqrt(np.mean(error**2)) < tolerance * np.sqrt(np.mean(oracle**2))


ALL = [*FORMATS, *(f"piped-{name}" for name in PIPED)]


@pytest.mark.parametrize("name", ALL)
def test_a_file_is_heard_whole_and_as_ffmpeg_decodes_it(encoded: dict[str, bytes], name: str, tmp_path: Path) -> None:
    need_decoder(name)
    path = tmp_path / "speech"  # no ending: what a file is called decides nothing
    path.write_bytes(encoded[name])
    samples, rate_hz = heard(path), source_rate(path)
    assert abs(len(samples) / rate_hz - SECONDS) < 0.15
    # libsndfile decodes Opus at the rate that was encoded, ffmpeg at 48 kHz and converts; mpg123 and ffmpeg differ by
    # 2 % in MP3 of the low rates, in one piece, too.
    assert_same_sound(samples, by_ffmpeg(path, rate_hz), 0.05 if "24k" in name else 1e-3)


def source_rate(path: Path) -> int:
    source = SoundFileSource(path, clock=ManualClock())
    source.open()
    source.close()
    return source.rate_hz


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("n_joined", [3])
def test_every_sound_of_a_joined_file_is_heard(
    encoded: dict[str, bytes], name: str, n_joined: int, tmp_path: Path
) -> None:
    need_decoder(name)
    if name in ("aiff", "au", "w64", "caf", "avi", "wav-mp3", "piped-aac", "aac", "mp2", "mov-film"):
        return  # nothing marks where the next begins, or nobody joins them
    single, joined = tmp_path / "single", tmp_path / "joined"
    single.write_bytes(encoded[name])
    joined.write_bytes(encoded[name] * n_joined)
    np.testing.assert_array_equal(heard(joined), np.tile(heard(single), n_joined))


def test_sounds_of_several_formats_joined_are_all_heard(encoded: dict[str, bytes], tmp_path: Path) -> None:
    names = ["mp3", "wav", "mp3-no-xing", "ogg-vorbis", "mp3-vbr", "flac"]
    (tmp_path / "joined").write_bytes(b"".join(encoded[name] for name in names))
    singles = []
    for name in names:
        (tmp_path / name).write_bytes(encoded[name])
        singles.append(heard(tmp_path / name))
    np.testing.assert_array_equal(heard(tmp_path / "joined"), np.concatenate(singles))


def test_sounds_of_several_rates_are_refused_by_name(encoded: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "joined.mp3").write_bytes(encoded["mp3"] + encoded["mp3-24k-id3v1"])
    with pytest.raises(InputError, match=r"44100 Hz, then 24000 Hz"):
        heard(tmp_path / "joined.mp3")


@pytest.mark.parametrize("name", [name for name, (_, _, is_seen) in FORMATS.items() if is_seen])
@pytest.mark.parametrize("share", [0.03, 0.33, 0.61, 0.95])
def test_a_cut_file_is_named(encoded: dict[str, bytes], name: str, share: float, tmp_path: Path) -> None:
    need_decoder(name)
    whole = encoded[name]
    (tmp_path / "cut").write_bytes(whole[: int(share * len(whole)) | 1])
    with pytest.raises(InputError, match=r"truncated|damaged") as caught:
        heard(tmp_path / "cut")
    assert "again" in caught.value.remedy


@pytest.mark.parametrize("name", ["piped-flac", "piped-mp3", "piped-ogg-opus", "piped-aac", "piped-mkv", "piped-webm"])
def test_a_cut_file_whose_length_was_never_filled_in_is_named_too(
    encoded: dict[str, bytes], name: str, tmp_path: Path
) -> None:
    need_decoder(name)
    (tmp_path / "cut").write_bytes(encoded[name][: int(0.7 * len(encoded[name])) | 1])
    with pytest.raises(InputError, match="truncated"):
        heard(tmp_path / "cut")


@pytest.mark.parametrize("name", ["mp3", "mp3-no-xing", "mp3-vbr-no-xing"])
@pytest.mark.parametrize("n_frames", [1, 2, 10])
def test_an_mp3_cut_between_frames_is_named_where_a_tag_tells_and_heard_to_its_end_where_nothing_does(
    encoded: dict[str, bytes], name: str, n_frames: int, tmp_path: Path
) -> None:
    from edge.sources.containers.mpeg_frames import mpeg_frame

    whole = encoded[name]
    starts, position = [], 10 + whole[9] + (whole[8] << 7)
    while (frame := mpeg_frame(whole[position : position + 8])) is not None:
        starts.append(position)
        position += frame.n_bytes
    (tmp_path / "cut").write_bytes(whole[: starts[-n_frames]])
    if name == "mp3" and n_frames > 1:
        with pytest.raises(InputError, match="Xing"):
            heard(tmp_path / "cut")
    elif name != "mp3":
        assert len(heard(tmp_path / "cut")) == 1152 * (len(starts) - n_frames)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 2_000_000_000, 0x7FFFFFFF, 0x7FFFF000, 0xFFFFFFFF - 36])
@pytest.mark.parametrize("riff", [0, 0xFFFFFFFF, 2_000_000_036])
def test_a_wav_whose_sizes_were_never_filled_in_is_heard_to_its_end(
    encoded: dict[str, bytes], size: int, riff: int, tmp_path: Path
) -> None:
    whole = bytearray(encoded["wav"])
    at = whole.index(b"data")
    samples = np.frombuffer(bytes(whole[at + 8 :]), "<i2") / np.float32(2**15)
    whole[4:8] = riff.to_bytes(4, "little")
    whole[at + 4 : at + 8] = size.to_bytes(4, "little")
    (tmp_path / "x.wav").write_bytes(whole)
    np.testing.assert_array_equal(heard(tmp_path / "x.wav"), samples)
    (tmp_path / "two.wav").write_bytes(whole * 2)
    np.testing.assert_array_equal(heard(tmp_path / "two.wav"), np.tile(samples, 2))


def test_tags_padding_and_a_servers_words_between_mp3s_are_no_sound_and_no_fault(
    encoded: dict[str, bytes], tmp_path: Path
) -> None:
    mp3 = encoded["mp3"]
    ape = b"APETAGEX" + (2000).to_bytes(4, "little") + (32).to_bytes(4, "little") + bytes(16)
    between = (
        b"TAG" + b"x" * 125 + bytes(3000) + ape + bytes(32) + b"\r\n--boundary\r\nContent-Type: audio/mpeg\r\n\r\n"
    )
    (tmp_path / "x.mp3").write_bytes(mp3)
    (tmp_path / "joined.mp3").write_bytes(mp3 + between + mp3 + b"TAG" + b"y" * 125)
    np.testing.assert_array_equal(heard(tmp_path / "joined.mp3"), np.tile(heard(tmp_path / "x.mp3"), 2))


@pytest.mark.parametrize("name", ["ogg-vorbis", "ogg-opus", "flac", "aac", "m4a-alac"])
def test_damage_in_the_middle_is_said_and_what_was_good_is_heard(
    encoded: dict[str, bytes], name: str, tmp_path: Path
) -> None:
    need_decoder(name)
    data = bytearray(encoded[name])
    middle = len(data) // 2
    data[middle : middle + 600] = bytes(byte ^ 0x55 for byte in data[middle : middle + 600])
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(InputError, match=r"damaged|truncated"):
        heard(tmp_path / "x")


def test_an_ogg_file_that_ends_between_pages_is_heard_and_the_doubt_said(
    encoded: dict[str, bytes], tmp_path: Path
) -> None:
    whole = encoded["ogg-opus"]
    (tmp_path / "x.opus").write_bytes(whole[: whole.rindex(b"OggS")])
    source = SoundFileSource(tmp_path / "x.opus", clock=ManualClock())
    source.open()
    assert [line for line in source.warnings() if "may have been cut" in line]
    assert source.warnings() == []


@pytest.mark.parametrize("name", ["aac", "m4a", "webm", "mkv", "mov-film"])
def test_where_pyav_is_missing_the_format_and_the_remedy_are_named(
    encoded: dict[str, bytes], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(av_decoder, "is_av_here", lambda: False)
    (tmp_path / "x").write_bytes(encoded[name])
    with pytest.raises(InputError, match="PyAV") as caught:
        heard(tmp_path / "x")
    assert 'pip install "au-edge[formats]"' in caught.value.remedy


def test_a_film_without_sound_and_a_picture_are_no_sound(tmp_path: Path, encoded: dict[str, bytes]) -> None:
    need_module("av")
    for name, options in {
        "silent.mp4": ["-f", "lavfi", "-i", "testsrc=d=1:s=64x64"],
        "x.png": ["-f", "lavfi", "-i", "testsrc=s=64x64", "-frames:v", "1"],
    }.items():
        command = ["ffmpeg", "-v", "error", *options, str(tmp_path / name)]
        subprocess.run(command, check=True)
        with pytest.raises(InputError, match="not sound"):
            heard(tmp_path / name)


def test_a_list_of_addresses_opens_none_of_them(tmp_path: Path) -> None:
    (tmp_path / "inner.wav").write_bytes(b"RIFF")
    playlists = {
        "x.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{tmp_path}/inner.wav\n#EXT-X-ENDLIST\n",
        "x.ffconcat": f"ffconcat version 1.0\nfile '{tmp_path}/inner.wav'\n",
    }
    for name, text in playlists.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError, match="not sound"):
            heard(tmp_path / name)
