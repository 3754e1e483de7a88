"""Sound files: what a foreign writer wrote is what is heard, at the right time, and what cannot be used is refused."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.errors import ConfigurationError, InputError
from edge.frames import AudioChunk
from edge.sources.sound_file import SoundFileSource
from tests.edge.sources.manual_clock import ManualClock


def write(path: Path, samples: np.ndarray, rate_hz: int, subtype: str, file_format: str = "WAV") -> Path:
    soundfile.write(path, samples, rate_hz, subtype=subtype, format=file_format)
    return path


def noise(n_samples: int, n_channels: int = 1) -> np.ndarray:
    return np.random.default_rng(7).uniform(-0.5, 0.5, (n_samples, n_channels)).astype(np.float32)


def read_all(source: SoundFileSource) -> tuple[np.ndarray, list[AudioChunk]]:
    parts, chunks = [], []
    while not chunks or not chunks[-1].is_last:
        chunk = source.read(1.0)
        assert chunk is not None
        assert chunk.start_index == sum(len(part) for part in parts)
        parts.append(chunk.samples.copy())
        chunks.append(chunk)
    return np.concatenate(parts), chunks


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 44_100, 48_000, 192_000])
@pytest.mark.parametrize(
    ("subtype", "file_format", "step"),
    [
        ("PCM_U8", "WAV", 2**-7),
        ("PCM_16", "WAV", 2**-15),
        ("PCM_24", "WAV", 2**-23),
        ("PCM_32", "WAV", 2**-24),
        ("FLOAT", "WAV", 0.0),
        ("DOUBLE", "WAV", 0.0),
        ("PCM_16", "FLAC", 2**-15),
        ("PCM_24", "FLAC", 2**-23),
        ("PCM_16", "WAVEX", 2**-15),
    ],
    ids=["u8", "s16", "s24", "s32", "f32", "f64", "flac16", "flac24", "extensible"],
)
def test_every_format_and_rate_is_heard_as_it_was_written(
    tmp_path: Path, rate_hz: int, subtype: str, file_format: str, step: float
) -> None:
    written = noise(5000)
    path = write(tmp_path / "x.bin", written, rate_hz, subtype, file_format)  # the name's ending must not matter
    source = SoundFileSource(path, clock=ManualClock())
    source.open()
    heard, _ = read_all(source)
    source.close()
    assert source.rate_hz == rate_hz
    assert len(heard) == len(written)
    assert np.max(np.abs(heard - written[:, 0])) <= step + 1e-7


@pytest.mark.parametrize(("channel", "index"), [("1", 0), ("6", 5), ("mix", None)])
def test_the_chosen_channel_is_heard(tmp_path: Path, channel: str, index: int | None) -> None:
    written = noise(3000, 6)
    source = SoundFileSource(write(tmp_path / "x.wav", written, 48_000, "FLOAT"), clock=ManualClock(), channel=channel)
    source.open()
    heard, _ = read_all(source)
    expected = written.mean(axis=1) if index is None else written[:, index]
    np.testing.assert_allclose(heard, expected, atol=1e-6)


@pytest.mark.parametrize("n_samples", [1, 255, 256, 257, 512])
@pytest.mark.parametrize("chunk_samples", [1, 256, 4096])
def test_no_sample_is_lost_or_doubled_however_the_file_is_cut(
    tmp_path: Path, n_samples: int, chunk_samples: int
) -> None:
    written = noise(n_samples)
    path = write(tmp_path / "x.wav", written, 44_100, "FLOAT")
    source = SoundFileSource(path, clock=ManualClock(), chunk_samples=chunk_samples)
    source.open()
    heard, chunks = read_all(source)
    np.testing.assert_array_equal(heard, written[:, 0])
    assert [chunk.is_last for chunk in chunks].count(True) == 1


def test_real_time_is_kept_to_the_sample_and_does_not_drift(tmp_path: Path) -> None:
    clock = ManualClock(now_s=500.0)
    path = write(tmp_path / "x.wav", noise(44_100), 44_100, "PCM_16")
    source = SoundFileSource(path, clock=clock, pace="realtime")
    source.open()
    _, chunks = read_all(source)
    for chunk in chunks:
        assert chunk.end_time_s == pytest.approx(500.0 + chunk.end_index / 44_100, abs=1e-9)
    assert clock.now_s == pytest.approx(501.0, abs=1e-6)


def test_a_chunk_that_is_not_due_is_waited_for_no_longer_than_asked(tmp_path: Path) -> None:
    clock = ManualClock(now_s=0.0)
    path = write(tmp_path / "x.wav", noise(44_100), 44_100, "PCM_16")
    source = SoundFileSource(path, clock=clock, pace="realtime", chunk_samples=4410)
    source.open()
    assert source.read(0.06) is None
    assert clock.now_s == pytest.approx(0.06)
    chunk = source.read(0.06)
    assert chunk is not None
    assert clock.now_s == pytest.approx(0.1)


def test_after_a_suspended_machine_time_is_counted_anew_and_no_sample_is_skipped(tmp_path: Path) -> None:
    clock = ManualClock(now_s=0.0)
    source = SoundFileSource(
        write(tmp_path / "x.wav", noise(44_100), 44_100, "PCM_16"), clock=clock, pace="realtime", chunk_samples=441
    )
    source.open()
    first = source.read(1.0)
    clock.now_s += 100.0
    second = source.read(1.0)
    third = source.read(1.0)
    assert first is not None
    assert second is not None
    assert third is not None
    assert second.start_index == first.end_index
    assert third.end_time_s == pytest.approx(second.end_time_s + 0.01)


def test_a_loop_goes_on_along_the_axis(tmp_path: Path) -> None:
    written = noise(1000)
    path = write(tmp_path / "x.flac", written, 44_100, "PCM_24", "FLAC")
    source = SoundFileSource(path, clock=ManualClock(), loop=True, chunk_samples=300)
    source.open()
    heard = np.zeros(0, np.float32)
    while len(heard) < 3500:
        chunk = source.read(1.0)
        assert chunk is not None
        assert not chunk.is_last
        assert chunk.start_index == len(heard)
        heard = np.concatenate([heard, chunk.samples])
    np.testing.assert_allclose(heard[:3000], np.tile(written[:, 0], 3), atol=2e-7)


def test_a_reopened_file_begins_anew_and_the_axis_goes_on(tmp_path: Path) -> None:
    source = SoundFileSource(write(tmp_path / "x.wav", noise(1000), 44_100, "FLOAT"), clock=ManualClock())
    source.open()
    first, _ = read_all(source)
    source.close()
    source.open()
    chunk = source.read(1.0)
    assert chunk is not None
    assert chunk.start_index == 1000
    np.testing.assert_array_equal(chunk.samples, first)
    assert source.counters()["reopened"] == 1


def test_samples_that_are_not_numbers_are_silent_counted_and_said_once(tmp_path: Path) -> None:
    written = noise(9000)
    written[100] = np.nan
    written[5000] = np.inf
    written[8000] = -np.inf
    source = SoundFileSource(write(tmp_path / "x.wav", written, 44_100, "FLOAT"), clock=ManualClock())
    source.open()
    heard, _ = read_all(source)
    expected = np.where(np.isfinite(written[:, 0]), written[:, 0], 0.0)
    np.testing.assert_array_equal(heard, expected.astype(np.float32))
    assert source.counters()["bad_samples"] == 3
    assert len([line for line in source.warnings() if "not numbers" in line]) == 1
    assert source.warnings() == []


def test_a_clipped_file_is_counted_and_said_once_and_a_normalised_one_is_not(tmp_path: Path) -> None:
    loud = np.clip(noise(100_000) * 4, -1.0, 1.0)
    source = SoundFileSource(write(tmp_path / "x.wav", loud, 44_100, "PCM_16"), clock=ManualClock())
    source.open()
    read_all(source)
    stored, _ = soundfile.read(tmp_path / "x.wav", dtype="int16")
    assert source.counters()["clipped_samples"] == np.count_nonzero(np.abs(stored.astype(int)) >= 32767)
    assert len([line for line in source.warnings() if "clipped" in line]) == 1

    peak = noise(100_000)
    peak[77] = 1.0
    source = SoundFileSource(write(tmp_path / "y.wav", peak, 44_100, "PCM_16"), clock=ManualClock())
    source.open()
    read_all(source)
    assert source.counters()["clipped_samples"] == 1
    assert source.warnings() == []


def header(**changes: int) -> bytes:
    values = {"riff": 36 + 2000, "tag": 1, "channels": 1, "rate": 44_100, "bits": 16, "data": 2000} | changes
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", values["riff"], b"WAVE", b"fmt ", 16, values["tag"], values["channels"],
        values["rate"], values["rate"] * 2, 2, values["bits"], b"data", values["data"],
    )  # fmt: skip


def flac(n_samples: int, tmp_path: Path) -> bytes:
    return write(tmp_path / "whole.flac", noise(n_samples), 44_100, "PCM_16", "FLAC").read_bytes()


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (lambda _: b"", "empty"),
        (lambda _: b"This is a shopping list, and not a sound.\n" * 50, "not sound"),
        (lambda _: b"\x00" * 4096, "not sound"),
        (lambda _: b"RIFF\x24\x00\x00\x00WAVE", "not sound"),
        (lambda _: header(data=0), "no samples"),
        (lambda _: header() + b"\x00" * 1000, "truncated: 1000 of the bytes"),
        (lambda _: header(), "truncated"),
        (lambda _: header(rate=0) + b"\x00" * 2000, ""),
        (lambda _: header(rate=1) + b"\x00" * 2000, "rate is 1 Hz"),
        (lambda _: header(channels=0) + b"\x00" * 2000, ""),
        (lambda tmp_path: flac(44_100, tmp_path)[:20_000], "truncated"),
        (lambda tmp_path: flac(44_100, tmp_path)[:-100], "truncated"),
        (lambda tmp_path: flac(44_100, tmp_path)[:60], ""),
    ],
    ids=[
        "empty", "text", "zeros", "bare-riff", "no-samples", "half", "header-only", "rate-0", "rate-1", "no-channels",
        "flac-half", "flac-end", "flac-header",
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_at_open_with_a_remedy(tmp_path: Path, content, found: str) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(content(tmp_path))
    source = SoundFileSource(path, clock=ManualClock())
    with pytest.raises(InputError) as caught:
        source.open()
    assert found in caught.value.found
    assert str(path) in caught.value.asked
    assert caught.value.remedy
    assert caught.value.exit_code == 65
    source.close()


def test_a_missing_file_a_folder_and_a_raw_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.raw").write_bytes(b"\x01\x02" * 1000)
    for path, found in [
        (tmp_path / "none.wav", "no such file"),
        (tmp_path, "not a regular file"),
        (tmp_path / "x.raw", "not sound"),
        (Path("/dev/zero"), "not a regular file"),
        (tmp_path / ("n" * 300), "cannot be read"),
    ]:
        with pytest.raises(InputError, match=found):
            SoundFileSource(path, clock=ManualClock()).open()


def test_a_size_left_open_by_a_writer_to_a_pipe_is_no_truncation(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(header(riff=0xFFFFFFFF, data=0xFFFFFFFF) + b"\x01\x00" * 1000)
    source = SoundFileSource(path, clock=ManualClock())
    source.open()
    heard, _ = read_all(source)
    assert len(heard) == 1000


def test_a_flac_damaged_in_the_middle_is_an_error_and_not_silence(tmp_path: Path) -> None:
    whole = bytearray(flac(200_000, tmp_path))
    middle = len(whole) // 2
    whole[middle : middle + 20_000] = b"\xff" * 20_000
    (tmp_path / "x.flac").write_bytes(whole)
    source = SoundFileSource(tmp_path / "x.flac", clock=ManualClock())
    source.open()
    with pytest.raises(InputError, match="damaged"):
        read_all(source)


@pytest.mark.parametrize("channel", ["7", "99"])
def test_a_channel_that_the_file_lacks_is_a_configuration_error(tmp_path: Path, channel: str) -> None:
    path = write(tmp_path / "x.wav", noise(100, 6), 44_100, "PCM_16")
    with pytest.raises(ConfigurationError, match="6 channels"):
        SoundFileSource(path, clock=ManualClock(), channel=channel).open()


@pytest.mark.parametrize(
    "options", [{"channel": "0"}, {"channel": "left"}, {"channel": "-1"}, {"channel": "²"}, {"pace": "slow"}]
)
def test_impossible_options_are_refused_before_anything_is_opened(tmp_path: Path, options: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError):
        SoundFileSource(tmp_path / "x.wav", clock=ManualClock(), **options)


def test_a_long_file_costs_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    n_samples = 20_000_000
    with path.open("wb") as file:
        file.write(header(riff=36 + 2 * n_samples, data=2 * n_samples))
        file.truncate(44 + 2 * n_samples)  # 40 MB of zeros that take no disk
    source = SoundFileSource(path, clock=ManualClock())
    tracemalloc.start()
    source.open()
    for _ in range(2000):
        source.read(1.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    source.close()
    assert peak < 2_000_000


def test_random_bytes_behind_every_magic_number_are_refused_or_heard_and_never_break(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    path = tmp_path / "x"
    magics = [b"RIFF", header(), header(bits=24, channels=6), b"fLaC", b"OggS", b"FORM", b"ID3\x04", b".snd", b""]
    for round_index in range(300):
        body = random.integers(0, 256, random.integers(0, 3000), np.uint8).tobytes()
        path.write_bytes(magics[round_index % len(magics)] + body)
        source = SoundFileSource(path, clock=ManualClock())
        try:
            source.open()
            heard, _ = read_all(source)
            assert np.isfinite(heard).all()
        except InputError:
            pass
        finally:
            source.close()
