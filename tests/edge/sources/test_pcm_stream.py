"""Sound of another program: real pipes and sockets, every layout, pauses, back-pressure, clients that misbehave."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.errors import ConfigurationError, DeviceError, InputError
from edge.frames import AudioChunk
from edge.machine.clock import SystemClock
from edge.sources.pcm_stream import PcmStreamSource

RATE_HZ = 16_000


def ramp(n_samples: int, n_channels: int = 1) -> np.ndarray:
    """Return samples that tell their place: int16 [n_samples, n_channels]."""
    return (np.arange(n_samples * n_channels) % 30_000).astype("<i2").reshape(-1, n_channels)


def wav(samples: np.ndarray, rate_hz: int = RATE_HZ, subtype: str = "PCM_16") -> bytes:
    memory = io.BytesIO()
    soundfile.write(memory, samples, rate_hz, format="WAV", subtype=subtype)
    return memory.getvalue()


def collect(source: PcmStreamSource, n_samples: int, seconds: float = 5.0) -> tuple[np.ndarray, list[AudioChunk]]:
    heard, chunks = np.zeros(0, np.float32), []
    limit_s = time.monotonic() + seconds
    while len(heard) < n_samples and time.monotonic() < limit_s:
        chunk = source.read(0.05)
        if chunk is not None:
            heard = np.concatenate([heard, chunk.samples])
            chunks.append(chunk)
            if chunk.is_last:
                break
    return heard, chunks


@pytest.fixture
def tcp() -> Iterator[PcmStreamSource]:
    source = PcmStreamSource("tcp", clock=SystemClock(), address="127.0.0.1:0", rate_hz=RATE_HZ, pace="fast")
    source.open()
    yield source
    source.close()


def connect(source: PcmStreamSource) -> socket.socket:
    return socket.create_connection(("127.0.0.1", source.port), timeout=5.0)


@pytest.mark.parametrize(
    ("sample_format", "data"),
    [
        ("s16le", ramp(4000).tobytes()),
        ("auto", ramp(4000).tobytes()),
        ("s32le", (ramp(4000).astype("<i4") << 16).tobytes()),
        ("f32le", (ramp(4000) / 32768).astype("<f4").tobytes()),
        ("s24le", b"".join(int(v).to_bytes(3, "little", signed=True) for v in ramp(4000)[:, 0].astype(int) << 8)),
        ("auto", wav(ramp(4000))),
        ("auto", wav(ramp(4000), subtype="PCM_24")),
        ("auto", wav(ramp(4000), subtype="PCM_32")),
        ("auto", wav((ramp(4000) / 32768).astype("f4"), subtype="FLOAT")),
    ],
    ids=["s16le", "auto-raw", "s32le", "f32le", "s24le", "wav16", "wav24", "wav32", "wav-float"],
)
@pytest.mark.parametrize("piece", [1, 7, 4096, 1 << 20], ids=lambda n: f"pieces-of-{n}")
def test_every_layout_arrives_whole_however_the_writer_cuts_it(sample_format: str, data: bytes, piece: int) -> None:
    source = PcmStreamSource(
        "tcp", clock=SystemClock(), address="127.0.0.1:0", rate_hz=RATE_HZ, pace="fast", sample_format=sample_format
    )
    source.open()

    def write() -> None:
        with connect(source) as client:
            for begin in range(0, len(data), piece):
                client.sendall(data[begin : begin + piece])

    writer = threading.Thread(target=write)
    writer.start()
    heard, chunks = collect(source, 4000)
    writer.join()
    assert source.read(0.02) is None  # a WAV's trailing chunks are not sound, and a listener does not end
    source.close()
    np.testing.assert_array_equal(heard, (ramp(4000)[:, 0] / 32768).astype(np.float32))
    if source.counters()["pauses"] == 0:
        assert chunks[-1].end_index == 4000


def test_many_channels_are_counted_by_the_header(tcp: PcmStreamSource) -> None:
    with connect(tcp) as client:
        client.sendall(wav(ramp(1000, 6)))
    heard, _ = collect(tcp, 1000)
    np.testing.assert_array_equal(heard, (ramp(1000, 6)[:, 0] / 32768).astype(np.float32))


def test_a_unix_socket_serves_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "speech"
    source = PcmStreamSource("unix", clock=SystemClock(), address=str(path), rate_hz=RATE_HZ, pace="fast")
    source.open()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(str(path))
        client.sendall(ramp(2000).tobytes())
    heard, _ = collect(source, 2000)
    source.close()
    source.close()
    assert len(heard) == 2000
    assert not path.exists()


def test_a_socket_left_by_a_killed_program_is_replaced_and_a_live_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "speech"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))
    first = PcmStreamSource("unix", clock=SystemClock(), address=str(path))
    first.open()
    second = PcmStreamSource("unix", clock=SystemClock(), address=str(path))
    with pytest.raises(DeviceError, match="another program"):
        second.open()
    first.close()
    path.write_text("precious")
    with pytest.raises(ConfigurationError, match="not a socket"):
        second.open()
    assert path.read_text() == "precious"


def test_a_port_in_use_may_be_tried_again_and_a_bad_address_may_not(tcp: PcmStreamSource) -> None:
    taken = PcmStreamSource("tcp", clock=SystemClock(), address=f"127.0.0.1:{tcp.port}")
    with pytest.raises(DeviceError, match="in use"):
        taken.open()
    for address in ["8931", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:http", ":1", "203.0.113.7:9000"]:
        with pytest.raises(ConfigurationError):
            PcmStreamSource("tcp", clock=SystemClock(), address=address).open()


def test_sound_written_at_once_is_heard_at_the_speed_of_speech_and_the_writer_waits() -> None:
    source = PcmStreamSource("tcp", clock=SystemClock(), address="127.0.0.1:0", rate_hz=RATE_HZ)
    source.open()
    n_samples = 600 * RATE_HZ  # 19 MB: more than the writer's own socket buffer holds
    written_s: list[float] = []

    def write() -> None:
        with connect(source) as client:
            try:
                client.sendall(ramp(n_samples).tobytes())
            except OSError:
                pass
            written_s.append(time.monotonic())

    writer = threading.Thread(target=write)
    writer.start()
    heard, chunks = collect(source, RATE_HZ)
    elapsed_s = chunks[-1].end_time_s - chunks[0].end_time_s
    n_between = chunks[-1].end_index - chunks[0].end_index
    assert elapsed_s > n_between / RATE_HZ - 0.005
    assert elapsed_s < n_between / RATE_HZ + 0.5  # a busy machine comes late, and then starts a new count of time
    assert abs(time.monotonic() - chunks[-1].end_time_s) < 0.1
    assert not written_s
    source.close()
    writer.join(5.0)
    assert not writer.is_alive()
    np.testing.assert_array_equal(heard[:RATE_HZ], (ramp(RATE_HZ)[:, 0] / 32768).astype(np.float32))


def test_a_pause_is_no_loss_and_the_axis_goes_on_with_time() -> None:
    source = PcmStreamSource("tcp", clock=SystemClock(), address="127.0.0.1:0", rate_hz=RATE_HZ)
    source.open()
    with connect(source) as client:
        client.sendall(ramp(1600).tobytes())
        _, before = collect(source, 1600)
        assert source.read(0.5) is None
        client.sendall(ramp(1600).tobytes())
        _, after = collect(source, 1600)
    source.close()
    jump = after[0].start_index - before[-1].end_index
    begin_s = after[0].end_time_s - len(after[0].samples) / RATE_HZ
    assert jump / RATE_HZ == pytest.approx(begin_s - before[-1].end_time_s, abs=0.02)
    assert 0.4 * RATE_HZ < jump < 0.7 * RATE_HZ
    assert source.counters()["pauses"] == 1
    assert source.counters()["lost_samples"] == 0


def test_one_client_after_the_other_is_heard_and_a_half_sample_does_not_shift_the_next(tcp: PcmStreamSource) -> None:
    for _ in range(3):
        with connect(tcp) as client:
            client.sendall(ramp(1000).tobytes() + b"\x7f")
        heard, _ = collect(tcp, 1000)
        np.testing.assert_array_equal(heard, (ramp(1000)[:, 0] / 32768).astype(np.float32))
    assert tcp.counters()["reopened"] == 2


def test_a_second_client_is_turned_away_while_the_first_speaks(tcp: PcmStreamSource) -> None:
    with connect(tcp) as first:
        first.sendall(ramp(1000).tobytes())
        collect(tcp, 1000)
        with connect(tcp) as second:
            tcp.read(0.05)
            tcp.read(0.05)
            second.settimeout(1.0)
            assert second.recv(1) == b""
        first.sendall(ramp(500).tobytes())
        heard, _ = collect(tcp, 500)
        assert len(heard) == 500
    assert tcp.counters()["refused_streams"] == 1


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (wav(ramp(1000), rate_hz=22_050), "22050 Hz"),
        (wav(ramp(1000), rate_hz=4_000), "8000 to 192000 Hz"),
        (wav(ramp(1000), subtype="PCM_U8"), "not 16, 24 or 32 bit"),
        (b"RIFF\x00\x00\x00\x00WAVEdata\x00\x00\x00\x00" + b"\x00" * 100, "before their format"),
    ],
    ids=["other-rate", "no-rate-of-ours", "8-bit", "no-format"],
)
def test_a_client_that_cannot_be_understood_is_sent_away_with_a_reason_and_the_next_is_heard(
    tcp: PcmStreamSource, data: bytes, found: str
) -> None:
    with connect(tcp) as client:
        client.sendall(data)
        assert collect(tcp, 1, seconds=0.2)[1] == []
    assert any(found in line for line in tcp.warnings())
    assert tcp.counters()["refused_streams"] == 1
    with connect(tcp) as client:
        client.sendall(wav(ramp(1000)))
    assert len(collect(tcp, 1000)[0]) == 1000


def test_a_client_that_resets_the_connection_ends_only_its_own_sound(tcp: PcmStreamSource) -> None:
    client = connect(tcp)
    client.sendall(ramp(100).tobytes())
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    client.close()
    collect(tcp, 100, seconds=0.3)
    with connect(tcp) as client:
        client.sendall(ramp(1000).tobytes())
    assert len(collect(tcp, 1000)[0]) >= 1000


@pytest.mark.parametrize("sample_format", ["auto", "s16le", "f32le", "s24le"])
def test_random_bytes_never_break_and_never_hang(sample_format: str) -> None:
    random = np.random.default_rng(5)
    source = PcmStreamSource(
        "tcp", clock=SystemClock(), address="127.0.0.1:0", rate_hz=RATE_HZ, pace="fast", sample_format=sample_format
    )
    source.open()
    for round_index in range(40):
        body = random.integers(0, 256, random.integers(0, 5000), np.uint8).tobytes()
        with connect(source) as client:
            try:
                client.sendall((b"RIFF", b"RIFF\0\0\0\0WAVEfmt ", b"")[round_index % 3] + body)
            except OSError:
                pass
        for _ in range(30):
            began_s = time.monotonic()
            chunk = source.read(0.001)
            assert time.monotonic() - began_s < 0.5
            assert chunk is None or np.isfinite(chunk.samples).all()
    source.close()


def test_read_keeps_its_timeout_and_a_closed_source_says_so(tcp: PcmStreamSource) -> None:
    for timeout_s in (0.0, 0.05, 0.2):
        began_s = time.monotonic()
        assert tcp.read(timeout_s) is None
        assert timeout_s - 0.01 <= time.monotonic() - began_s < timeout_s + 0.1
    tcp.close()
    with pytest.raises(DeviceError, match="closed"):
        tcp.read(0.0)


@pytest.mark.parametrize(
    "options",
    [
        {"kind": "carrier pigeon"},
        {"kind": "stdin", "sample_format": "mp3"},
        {"kind": "stdin", "rate_hz": 0},
        {"kind": "stdin", "channels": 0},
        {"kind": "stdin", "sample_format": "s16le", "channels": 2, "channel": "3"},
    ],
    ids=lambda options: str(list(options.values())[-1]),
)
def test_impossible_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        PcmStreamSource(clock=SystemClock(), **options)  # type: ignore[arg-type]


STDIN_PROGRAM = """
import sys
from edge.machine.clock import SystemClock
from edge.errors import AuEdgeError
from edge.sources.pcm_stream import PcmStreamSource
source = PcmStreamSource("stdin", clock=SystemClock(), rate_hz=16000, pace=sys.argv[1])
try:
    source.open()
    n, total = 0, 0.0
    while True:
        chunk = source.read(0.1)
        if chunk is None:
            continue
        n += len(chunk.samples)
        total += float(chunk.samples.sum(dtype="f8"))
        if chunk.is_last:
            break
    print(source.rate_hz, n, round(total * 32768))
except AuEdgeError as err:
    print(type(err).__name__, err)
"""


def run_stdin(data: bytes | None, pace: str = "fast", stdin: int | None = None) -> str:
    result = subprocess.run(
        [sys.executable, "-c", STDIN_PROGRAM, pace],
        input=data,
        stdin=stdin,
        capture_output=True,
        timeout=30,
        check=True,
    )
    return result.stdout.decode().strip()


@pytest.mark.parametrize(
    ("data", "rate_hz", "n_samples"),
    [
        (ramp(5000).tobytes(), 16_000, 5000),
        (wav(ramp(5000), rate_hz=22_050), 22_050, 5000),
        (b"", 16_000, 0),
        (b"\x01", 16_000, 0),
        (b"RIF", 16_000, 1),
    ],
    ids=["raw", "wav-of-another-rate", "nothing", "half-a-sample", "almost-a-header"],
)
def test_what_is_piped_in_is_heard_to_its_end(data: bytes, rate_hz: int, n_samples: int) -> None:
    rate, n, total = map(int, run_stdin(data).split())
    assert (rate, n) == (rate_hz, n_samples)
    if n_samples == 5000:
        assert total == int(ramp(5000).sum())


def test_a_redirected_file_is_heard_too(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(wav(ramp(5000)))
    with (tmp_path / "x").open("rb") as file:
        assert run_stdin(None, stdin=file.fileno()).startswith("16000 5000 ")


def test_a_terminal_is_refused() -> None:
    leader, follower = os.openpty()
    try:
        assert "terminal" in run_stdin(None, stdin=follower)
    finally:
        os.close(leader)
        os.close(follower)


def test_a_header_that_cannot_be_used_ends_stdin_with_an_error() -> None:
    assert run_stdin(wav(ramp(100), subtype="PCM_U8")).startswith(InputError.__name__)
