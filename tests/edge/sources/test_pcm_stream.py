"""Sound of another program: real pipes and sockets, every layout, pauses, back-pressure, clients that misbehave."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.errors import ConfigurationError, DeviceError, InputError
from edge.features.resampler import Resampler
from edge.frames import AudioChunk, Speech
from edge.machine.clock import SystemClock
from edge.sources.pcm_stream import PcmStreamSource
from tests.pace import Pace

RATE_HZ = 16_000


def ramp(n_samples: int, n_channels: int = 1) -> np.ndarray:
    """Return samples that tell their place: int16 [n_samples, n_channels]."""
    return (np.arange(n_samples * n_channels) % 30_000).astype("<i2").reshape(-1, n_channels)


def wav(samples: np.ndarray, rate_hz: int = RATE_HZ, subtype: str = "PCM_16") -> bytes:
    memory = io.BytesIO()
    soundfile.write(memory, samples, rate_hz, format="WAV", subtype=subtype)
    return memory.getvalue()


def kept(chunk: AudioChunk) -> AudioChunk:
    return replace(chunk, samples=chunk.samples.copy())


def collect(source: PcmStreamSource, n_samples: int, seconds: float = 60.0) -> tuple[np.ndarray, list[AudioChunk]]:
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


def assert_nothing_follows(source: PcmStreamSource) -> None:
    """Nothing but the word that speech has ended."""
    for _ in range(3):
        chunk = source.read(0.02)
        assert chunk is None or (len(chunk.samples) == 0 and chunk.speech is Speech.ENDED and not chunk.is_last)


def stream(kind: str, **options: object) -> PcmStreamSource:
    return PcmStreamSource(kind, clock=SystemClock(), resampler_for=Resampler, **options)  # type: ignore[arg-type]


def connect(source: PcmStreamSource) -> socket.socket:
    return socket.create_connection(("127.0.0.1", source.port), timeout=60.0)


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
    source = stream("tcp", address="127.0.0.1:0", rate_hz=RATE_HZ, pace="fast", sample_format=sample_format)
    source.open()

    def write() -> None:
        with connect(source) as client:
            for begin in range(0, len(data), piece):
                client.sendall(data[begin : begin + piece])

    writer = threading.Thread(target=write)
    writer.start()
    heard, chunks = collect(source, 4000)
    writer.join()
    assert_nothing_follows(source)  # a WAV's trailing chunks are not sound, and a listener does not end
    source.close()
    np.testing.assert_array_equal(heard, (ramp(4000)[:, 0] / 32768).astype(np.float32))
    if source.counters()["pauses"] == 0:
        assert chunks[-1].end_index == 4000
    assert source.counters()["utterances_queued"] == source.counters()["utterances_spoken"] == 1


def test_many_channels_are_counted_by_the_header(tcp: PcmStreamSource) -> None:
    with connect(tcp) as client:
        client.sendall(wav(ramp(1000, 6)))
    heard, _ = collect(tcp, 1000)
    np.testing.assert_array_equal(heard, (ramp(1000, 6)[:, 0] / 32768).astype(np.float32))


def test_a_unix_socket_serves_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "speech"
    source = stream("unix", address=str(path), rate_hz=RATE_HZ, pace="fast")
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
    first = stream("unix", address=str(path))
    first.open()
    second = stream("unix", address=str(path))
    with pytest.raises(DeviceError, match="another program"):
        second.open()
    first.close()
    path.write_text("precious")
    with pytest.raises(ConfigurationError, match="not a socket"):
        second.open()
    assert path.read_text() == "precious"


def test_a_port_in_use_may_be_tried_again_and_a_bad_address_may_not(tcp: PcmStreamSource) -> None:
    taken = stream("tcp", address=f"127.0.0.1:{tcp.port}")
    with pytest.raises(DeviceError, match="in use"):
        taken.open()
    for address in ["8931", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:http", ":1", "203.0.113.7:9000"]:
        with pytest.raises(ConfigurationError):
            stream("tcp", address=address).open()


def test_sound_written_at_once_is_heard_at_the_speed_of_speech_and_the_writer_waits() -> None:
    source = stream("tcp", address="127.0.0.1:0", rate_hz=RATE_HZ)
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
    with Pace() as pace:
        heard, chunks = collect(source, RATE_HZ)
        behind_s = abs(time.monotonic() - chunks[-1].end_time_s)
    elapsed_s = chunks[-1].end_time_s - chunks[0].end_time_s
    n_between = chunks[-1].end_index - chunks[0].end_index
    assert elapsed_s > n_between / RATE_HZ - 0.005
    assert behind_s < pace.allowed(0.1)
    assert not written_s
    source.close()
    writer.join(60.0)
    assert not writer.is_alive()
    np.testing.assert_array_equal(heard[:RATE_HZ], (ramp(RATE_HZ)[:, 0] / 32768).astype(np.float32))


def test_a_pause_is_heard_as_silence_and_the_axis_goes_on_with_time() -> None:
    source = stream("tcp", address="127.0.0.1:0", rate_hz=RATE_HZ)
    source.open()
    with connect(source) as client:
        client.sendall(ramp(1600).tobytes())
        _, before = collect(source, 1600)
        silence, ends_s = [], time.monotonic() + 0.6
        with Pace() as pace:
            while time.monotonic() < ends_s:
                silence += [kept(chunk)] if (chunk := source.read(0.05)) is not None else []
        client.sendall(ramp(1600).tobytes())
        _, after = collect(source, 1600)
    source.close()
    assert not any(chunk.samples.any() for chunk in silence)
    assert silence[-1].speech is Speech.ENDED  # by then it is an end, whatever the writer meant
    silent_s = silence[-1].end_time_s - before[-1].end_time_s
    assert 0.2 < silent_s < pace.allowed(0.5)
    for one, other in [*zip([before[-1], *silence], silence, strict=False), (silence[-1], after[0])]:
        jump_s = (other.start_index - one.end_index) / RATE_HZ
        begin_s = other.end_time_s - len(other.samples) / RATE_HZ
        assert jump_s == pytest.approx(begin_s - one.end_time_s, abs=pace.allowed(0.02))
    assert source.counters()["pauses"] == 1
    assert source.counters()["lost_samples"] == 0


def test_one_client_after_the_other_is_heard_and_a_half_sample_does_not_shift_the_next(tcp: PcmStreamSource) -> None:
    for _ in range(3):
        with connect(tcp) as client:
            client.sendall(ramp(1000).tobytes() + b"\x7f")
        heard, _ = collect(tcp, 1000)
        np.testing.assert_array_equal(heard, (ramp(1000)[:, 0] / 32768).astype(np.float32))
    assert tcp.counters()["reopened"] == 2


def test_clients_and_their_sentences_wait_for_their_turn_in_the_order_of_their_sound(tcp: PcmStreamSource) -> None:
    silent = connect(tcp)  # half-open peers and thinkers: they hold no turn
    first, second, third = (connect(tcp) for _ in range(3))
    heard = collect(tcp, 1, seconds=0.1)[0]
    for client, sound in ((second, ramp(4000) // 4), (first, ramp(3000) // 2), (third, ramp(2000))):
        client.sendall(sound.tobytes())
        heard = np.concatenate([heard, collect(tcp, 1, seconds=0.1)[0]])
    for client in (third, second, first):
        client.close()
    heard = np.concatenate([heard, collect(tcp, 9000 - len(heard))[0]])
    expected = np.concatenate([ramp(4000) // 4, ramp(3000) // 2, ramp(2000)])[:, 0] / 32768
    np.testing.assert_array_equal(heard, expected.astype(np.float32))
    silent.sendall(ramp(500).tobytes())
    np.testing.assert_array_equal(collect(tcp, 500)[0], (ramp(500)[:, 0] / 32768).astype(np.float32))
    silent.close()
    assert tcp.counters()["utterances_queued"] == 4
    assert tcp.counters()["utterances_refused"] == 0


def test_a_client_that_dies_in_the_middle_holds_its_turn_for_a_second_at_most(tcp: PcmStreamSource) -> None:
    with connect(tcp) as dead, connect(tcp) as alive:
        dead.sendall(ramp(1000).tobytes())
        assert len(collect(tcp, 1000)[0]) == 1000
        began_s = time.monotonic()
        alive.sendall(ramp(500).tobytes())
        assert len(collect(tcp, 500, seconds=60.0)[0]) == 500
        assert time.monotonic() - began_s > 0.9
        dead.sendall(ramp(700).tobytes())  # it was not dead: what it says now is another utterance
        alive.close()
        assert len(collect(tcp, 700, seconds=60.0)[0]) == 700
    assert tcp.counters()["utterances_queued"] == 3


def test_a_client_too_many_is_told_so_and_sent_away() -> None:
    source = stream("tcp", address="127.0.0.1:0", rate_hz=RATE_HZ, pace="fast", most_waiting=2)
    source.open()
    clients = [connect(source) for _ in range(4)]
    for client in clients[:3]:
        client.sendall(ramp(100).tobytes())
    for _ in range(6):
        source.read(0.02)
    clients[3].settimeout(60.0)
    assert clients[3].recv(200).startswith(b"refused: 2 clients wait already")
    assert any("2 clients wait" in line for line in source.warnings())
    assert source.counters()["utterances_refused"] == 1
    for client in clients:
        client.close()
    source.close()


@pytest.mark.parametrize("is_size_known", [True, False], ids=["sizes", "sizes-never-filled-in"])
@pytest.mark.parametrize("piece", [1, 5, 4096], ids=lambda n: f"pieces-of-{n}")
def test_where_a_wav_has_ended_the_next_header_begins_the_next(
    tcp: PcmStreamSource, piece: int, is_size_known: bool
) -> None:
    parts = [ramp(n) // divisor for n, divisor in ((900, 1), (300, 2), (1200, 3))]
    files = [wav(part) for part in parts]
    if not is_size_known:  # as a synthesiser writes it to a pipe
        files = [f[:4] + b"\xff\xff\xff\xff" + f[8:40] + b"\xff\xff\xff\xff" + f[44:] for f in files]
    files[1] += b"LIST\x04\x00\x00\x00RIFX" if is_size_known else b""
    data = b"".join(files)

    def write() -> None:
        with connect(tcp) as client:
            for begin in range(0, len(data), piece):
                client.sendall(data[begin : begin + piece])

    writer = threading.Thread(target=write)
    writer.start()
    heard, _ = collect(tcp, 2400)
    writer.join()
    assert_nothing_follows(tcp)
    np.testing.assert_array_equal(heard, (np.concatenate(parts)[:, 0] / 32768).astype(np.float32))
    assert tcp.counters()["utterances_spoken"] == 3


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 24_000, 48_000])
def test_a_wav_of_another_rate_is_heard_at_its_own_speed_to_its_last_sample(tcp: PcmStreamSource, rate_hz: int) -> None:
    sound = np.sin(2 * np.pi * 440 * np.arange(rate_hz // 2) / rate_hz) * 10_000
    for _ in range(2):  # the second does not begin with the first one's end
        with connect(tcp) as client:
            client.sendall(wav(sound.astype("<i2"), rate_hz=rate_hz))
        heard, _ = collect(tcp, RATE_HZ // 2)
        expected = np.sin(2 * np.pi * 440 * np.arange(RATE_HZ // 2) / RATE_HZ) * 10_000 / 32768
        assert abs(len(heard) - RATE_HZ // 2) <= 1
        n = min(len(heard), len(expected)) - 40
        np.testing.assert_allclose(heard[40:n], expected[40:n], atol=0.01)


def test_the_end_of_an_utterance_is_known_at_once_and_said_with_silence() -> None:
    source = stream("tcp", address="127.0.0.1:0", rate_hz=RATE_HZ, lookahead_s=0.1)
    source.open()
    with connect(source) as client:
        client.sendall(ramp(1600).tobytes())
    chunks, ends_s = [], time.monotonic() + 0.8
    while time.monotonic() < ends_s:
        chunk = source.read(0.02)
        if chunk is not None:
            chunks.append(kept(chunk))
    source.close()
    speech = [chunk for chunk in chunks if chunk.speech in (Speech.BEGUN, Speech.GOING_ON)]
    tail = [chunk for chunk in chunks if chunk.speech is Speech.ENDED and chunk.start_index > 0]
    assert [chunk.speech for chunk in speech].count(Speech.BEGUN) == 1
    assert sum(len(chunk.samples) for chunk in speech) == 1600
    assert tail[0].start_index == speech[-1].end_index
    assert sum(len(chunk.samples) for chunk in tail) / RATE_HZ == pytest.approx(0.25, abs=0.02)
    assert source.counters()["pauses"] == 0


@pytest.mark.parametrize("clears", [True, False])
def test_by_a_key_a_client_that_goes_away_is_not_heard_any_more(clears: bool) -> None:
    source = stream("tcp", address="127.0.0.1:0", rate_hz=RATE_HZ, clears=clears)
    source.open()
    client = connect(source)
    client.sendall(ramp(8000).tobytes())  # half a second
    heard, _ = collect(source, 1600)
    client.close()
    with Pace() as pace:
        began_s = time.monotonic()
        after = [source.read(0.03) for _ in range(8)]
    cleared = [chunk for chunk in after if chunk is not None and chunk.speech is Speech.CLEARED]
    if clears:
        assert len(cleared) == 1
        assert cleared[0].end_time_s - began_s < pace.allowed(0.05)
        assert source.counters()["utterances_cleared"] == 1
        assert source.counters()["dropped_samples"] > 0
        with connect(source) as next_client:
            next_client.sendall(ramp(800).tobytes())
            assert len(collect(source, 800)[0]) >= 800
    else:
        assert cleared == []
        assert len(collect(source, 8000 - 1600)[0]) + len(heard) >= 7000
    source.close()


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (wav(ramp(1000), rate_hz=4_000), "8000 to 192000 Hz"),
        (wav(ramp(1000), subtype="PCM_U8"), "not 16, 24 or 32 bit"),
        (b"RIFF\x00\x00\x00\x00WAVEdata\x00\x00\x00\x00" + b"\x00" * 100, "before their format"),
    ],
    ids=["no-rate-of-ours", "8-bit", "no-format"],
)
def test_a_client_that_cannot_be_understood_is_sent_away_with_a_reason_and_the_next_is_heard(
    tcp: PcmStreamSource, data: bytes, found: str
) -> None:
    with connect(tcp) as client:
        client.sendall(data)
        assert len(collect(tcp, 1, seconds=0.2)[0]) == 0
        client.settimeout(60.0)
        assert client.recv(300).startswith(b"refused: ")
    assert any(found in line for line in tcp.warnings())
    assert tcp.counters()["utterances_refused"] == 1
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
    source = stream("tcp", address="127.0.0.1:0", rate_hz=RATE_HZ, pace="fast", sample_format=sample_format)
    source.open()
    longest_s = 0.0
    with Pace() as pace:
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
                longest_s = max(longest_s, time.monotonic() - began_s)
                assert chunk is None or np.isfinite(chunk.samples).all()
    source.close()
    assert longest_s < pace.allowed(0.5)


def test_read_keeps_its_timeout_and_a_closed_source_says_so(tcp: PcmStreamSource) -> None:
    quiet = tcp.read(0.0)  # nobody speaks yet, which is no loss
    assert quiet is not None
    assert quiet.speech is Speech.ENDED
    over_s = []
    with Pace() as pace:
        for timeout_s in (0.0, 0.05, 0.2):
            began_s = time.monotonic()
            assert tcp.read(timeout_s) is None
            over_s.append(time.monotonic() - began_s - timeout_s)
    assert min(over_s) >= -0.01
    assert max(over_s) < pace.allowed(0.1)
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
        stream(**options)  # type: ignore[arg-type]


STDIN_PROGRAM = """
import sys
from edge.machine.clock import SystemClock
from edge.errors import AuEdgeError
from edge.sources.pcm_stream import PcmStreamSource
from edge.features.resampler import Resampler
source = PcmStreamSource("stdin", clock=SystemClock(), resampler_for=Resampler, rate_hz=16000, pace=sys.argv[1])
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
        timeout=300,
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


@pytest.mark.parametrize(
    ("sample_format", "channel", "counter", "words"),
    [
        ("s16le", "1", "wrong_channel", "set audio.channel = 2"),
        ("f32le", "1", "wrong_channel", "set audio.channel = 2"),
        ("s16le", "mix", "cancelled_mix", "cancel each other"),
    ],
)
def test_a_raw_stream_tells_of_a_wrong_channel_and_of_a_mean_that_cancels(
    sample_format: str, channel: str, counter: str, words: str
) -> None:
    at_s = np.arange(12 * RATE_HZ) / RATE_HZ
    voice = np.random.default_rng(1).standard_normal(len(at_s)) * 0.05 * (at_s % 1 < 0.6)
    other = -voice if channel == "mix" else voice * 1e-4
    both = np.stack([other, voice], axis=1)
    data = both.astype("<f4").tobytes() if sample_format == "f32le" else (both * 32767).astype("<i2").tobytes()
    options = {"rate_hz": RATE_HZ, "channels": 2, "channel": channel, "sample_format": sample_format, "pace": "fast"}
    source = stream("tcp", address="127.0.0.1:0", **options)
    source.open()
    try:
        with connect(source) as client:
            sender = threading.Thread(target=client.sendall, args=(data,))
            sender.start()
            collect(source, len(at_s))
            sender.join()
        lines = source.warnings()
        assert [words in line for line in lines].count(True) == 1, lines
        assert source.counters()[counter] >= 1
    finally:
        source.close()
