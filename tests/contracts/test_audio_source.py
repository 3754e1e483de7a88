"""The laws of every source of sound: one axis, no sample twice, timeouts kept, close twice, reopen."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.contracts import AudioSource
from edge.errors import DeviceError
from edge.features.resampler import Resampler
from edge.frames import AudioChunk
from edge.machine.clock import SystemClock
from edge.sources.microphone import Microphone
from edge.sources.pcm_stream import PcmStreamSource
from edge.sources.sound_file import SoundFileSource
from edge.sources.synthetic import SyntheticSource
from tests.pace import Pace
from tests.virtual_microphone.air import Device
from tests.virtual_microphone.studio import Studio, open_studio

RATE_HZ = 48_000


class Spoken:
    """A source with whoever speaks into it."""

    def __init__(self, source: AudioSource, speak: Callable[[], None] = lambda: None) -> None:
        self.source = source
        self.speak = speak


def tcp_source() -> Spoken:
    source = PcmStreamSource(
        "tcp", clock=SystemClock(), resampler_for=Resampler, address="127.0.0.1:0", rate_hz=RATE_HZ
    )

    def speak() -> None:
        def write() -> None:
            with socket.create_connection(("127.0.0.1", source.port), timeout=60.0) as client:
                try:
                    client.sendall(np.random.default_rng(1).bytes(2 * RATE_HZ * 5))
                except OSError:
                    pass

        threading.Thread(target=write, daemon=True).start()

    return Spoken(source, speak)


def unix_source(folder: Path) -> Spoken:
    path = str(folder / "speech")
    source = PcmStreamSource(
        "unix", clock=SystemClock(), resampler_for=Resampler, address=path, rate_hz=RATE_HZ, sample_format="s16le"
    )

    def speak() -> None:
        def write() -> None:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                try:
                    client.connect(path)
                    client.sendall(np.random.default_rng(1).bytes(2 * RATE_HZ * 5))
                except OSError:
                    pass

        threading.Thread(target=write, daemon=True).start()

    return Spoken(source, speak)


def file_source(folder: Path, **options: object) -> Spoken:
    path = folder / "x.wav"
    soundfile.write(path, np.random.default_rng(1).uniform(-0.5, 0.5, 10 * RATE_HZ), RATE_HZ)
    return Spoken(SoundFileSource(path, clock=SystemClock(), **options))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with open_studio(tmp_path_factory.mktemp("studio"), [Device("mic", RATE_HZ)]) as made:
        yield made


@pytest.fixture(params=["microphone", "file", "file-fast", "file-looped", "tone", "noise", "silence", "tcp", "unix"])
def spoken(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Spoken]:
    kind = request.param
    if kind == "microphone":
        request.getfixturevalue("studio")
        made = Spoken(Microphone("mic", clock=SystemClock()))
    elif kind.startswith("file"):
        made = file_source(tmp_path, pace="fast" if kind == "file-fast" else "realtime", loop=kind == "file-looped")
    elif kind in ("tcp", "unix"):
        made = tcp_source() if kind == "tcp" else unix_source(tmp_path)
    else:
        made = Spoken(SyntheticSource(kind, clock=SystemClock(), rate_hz=RATE_HZ))
    yield made
    made.source.close()


def listen(source: AudioSource, seconds: float) -> list[AudioChunk]:
    chunks = []
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s and len(chunks) < 50:
        chunk = source.read(0.05)
        if chunk is not None:
            chunks.append(AudioChunk(chunk.samples.copy(), chunk.start_index, chunk.end_time_s, chunk.is_last))
    return chunks


def test_it_keeps_the_contract_by_name(spoken: Spoken) -> None:
    assert isinstance(spoken.source, AudioSource)


def test_chunks_follow_each_other_on_one_axis_in_time(spoken: Spoken) -> None:
    spoken.source.open()
    spoken.speak()
    chunks = listen(spoken.source, 1.0)
    assert len(chunks) > 20
    assert spoken.source.rate_hz == RATE_HZ
    for before, after in pairwise(chunks):
        assert after.start_index == before.end_index
        assert after.end_time_s >= before.end_time_s
    for chunk in chunks:
        assert chunk.samples.dtype == np.float32
        assert chunk.samples.ndim == 1
        assert chunk.end_time_s <= time.monotonic()
        assert not chunk.is_last
    assert spoken.source.counters()["lost_samples"] == 0


def test_read_never_takes_longer_than_asked(spoken: Spoken) -> None:
    spoken.source.open()
    over_s = []
    with Pace() as pace:
        for timeout_s in (0.0, 0.005, 0.03):
            for _ in range(5):
                began_s = time.monotonic()
                spoken.source.read(timeout_s)
                over_s.append(time.monotonic() - began_s - timeout_s)
    assert max(over_s) < pace.allowed(0.1)


def test_closing_is_final_may_be_repeated_and_needs_no_opening(spoken: Spoken) -> None:
    spoken.source.close()
    spoken.source.open()
    spoken.source.read(0.01)
    spoken.source.close()
    spoken.source.close()
    with pytest.raises(DeviceError):
        spoken.source.read(0.01)


def test_after_reopening_the_axis_goes_on_and_never_back(spoken: Spoken) -> None:
    spoken.source.open()
    spoken.speak()
    before = listen(spoken.source, 0.2)
    spoken.source.close()
    spoken.source.open()
    spoken.speak()
    after = listen(spoken.source, 0.5)
    assert before
    assert after
    assert after[0].start_index >= before[-1].end_index
    assert spoken.source.counters()["reopened"] == 1


def test_the_description_is_one_line_before_and_after_opening(spoken: Spoken) -> None:
    for _ in range(2):
        assert spoken.source.description
        assert "\n" not in spoken.source.description
        spoken.source.open()


def test_warnings_are_said_once(spoken: Spoken) -> None:
    spoken.source.open()
    spoken.speak()
    listen(spoken.source, 0.1)
    spoken.source.warnings()
    assert list(spoken.source.warnings()) == []
