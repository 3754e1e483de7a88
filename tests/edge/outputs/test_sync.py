"""`au-edge sync`: a clap opens the mouth, keys shift it, and two microphones measure the way of the sound."""

from __future__ import annotations

import io
import itertools
import time
from collections.abc import Mapping

import numpy as np
import pytest

from edge.commands.sync import ByEye, measure, pipeline_ms, report
from edge.errors import DeviceError
from edge.frames import AudioChunk, State
from edge.outputs.json_udp import JsonCodec, decode
from edge.outputs.sender import Output
from edge.sources.onsets import Lag
from tests.edge.outputs.faces import FakeClock, manifest_with
from tests.edge.outputs.test_sender import Recorder
from tests.edge.sources.test_onsets import claps
from tests.pace import Pace

RATE_HZ = 16000
N_CHUNK = 160


class PlayedSource:
    """A microphone that hears a given sound; its clock goes with it."""

    def __init__(self, sound: np.ndarray, clock: FakeClock, later_s: float = 0.0) -> None:  # type: ignore[type-arg]
        self._sound, self._clock, self._at = sound, clock, 0
        self._later_s, self._start_s = later_s, clock.monotonic_s()
        self.rate_hz, self.description, self.n_closed = RATE_HZ, "played", 0

    def open(self) -> None: ...

    def read(self, timeout_s: float) -> AudioChunk | None:
        samples = self._sound[self._at : self._at + N_CHUNK]
        start, self._at = self._at, self._at + len(samples)
        end_s = self._start_s + self._at / RATE_HZ
        self._clock.sleep_until(end_s)
        return AudioChunk(samples, start, end_s + self._later_s, is_last=self._at >= len(self._sound))

    def counters(self) -> Mapping[str, int]:
        return {}

    def close(self) -> None:
        self.n_closed += 1


class TimedRecorder(Recorder):
    """Keeps when each datagram was sent."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock
        self.times_s: list[float] = []

    def send(self, datagram: bytes | bytearray | memoryview) -> None:
        super().send(datagram)
        self.times_s.append(self._clock.monotonic_s())


def by_eye(presses: list[str], seconds: float = 3.0) -> tuple[float, list[float], TimedRecorder, str]:
    """Return the delay, when the mouth opened (since the start), the recorder, and the screen."""
    clock = FakeClock()
    manifest, recorder, screen = manifest_with(), TimedRecorder(clock), io.StringIO()
    output = Output("head", JsonCodec(manifest, {}), recorder, clock)
    source = PlayedSource(claps([0.5, 1.5, 2.5], RATE_HZ, seconds), clock)
    eye = ByEye(source, [output], manifest.channels, 1 / 30, 0.0, clock)  # type: ignore[arg-type]
    keys = itertools.chain(presses, itertools.repeat(""))
    delay_ms = eye.run(lambda: next(keys), screen)
    jaws = [dict(zip(f.names or (), f.values, strict=True))["jawOpen"] for f in map(decode, recorder.datagrams)]
    opened = [
        time_s - 100.0
        for time_s, (before, after) in zip(recorder.times_s[1:], itertools.pairwise(jaws), strict=True)
        if after > before
    ]
    assert source.n_closed == 1
    return delay_ms, opened, recorder, screen.getvalue()


def test_a_clap_opens_the_mouth_at_once_and_it_closes_again() -> None:
    _, opened, recorder, _ = by_eye([])
    assert opened == pytest.approx([0.5, 1.5, 2.5], abs=0.025)
    last = decode(recorder.datagrams[-1])
    assert last.state == State.STOPPING
    assert not any(last.values)


def test_plus_brings_the_face_later_by_what_is_shown_and_returned() -> None:
    delay_ms, opened, _, screen = by_eye(["+"] * 12)
    assert delay_ms == 120
    assert opened == pytest.approx([0.62, 1.62, 2.62], abs=0.025)
    assert "delay_ms =   120" in screen


def test_the_face_cannot_come_earlier_and_that_is_said() -> None:
    delay_ms, _, _, screen = by_eye(["+", "-", "-", "-"])
    assert delay_ms == 0
    assert "delay the loudspeaker" in screen


def test_q_ends_it() -> None:
    _, opened, _, _ = by_eye(["q"])
    assert opened == []


@pytest.mark.parametrize("later_s", [0.15, 0.0, -0.05])
def test_two_microphones_measure_the_way_of_the_sound(later_s: float) -> None:
    sound = claps([0.5, 1.5, 2.5, 3.5], RATE_HZ, 4.5)
    screen = io.StringIO()
    first, second = PlayedSource(sound, FakeClock()), PlayedSource(sound, FakeClock(), later_s)
    assert measure(first, second, 10.0, 20.0, screen) == 0
    assert f"{1000 * later_s:.0f} ms later at the second" in screen.getvalue()


def test_too_few_claps_are_said() -> None:
    quiet = claps([], RATE_HZ, 1.0)
    screen = io.StringIO()
    with Pace() as pace:
        start_s = time.monotonic()
        assert measure(PlayedSource(quiet, FakeClock()), PlayedSource(quiet, FakeClock()), 5.0, 20.0, screen) == 1
        took_s = time.monotonic() - start_s
    assert took_s < pace.allowed(3.0)
    assert "too few claps" in screen.getvalue()


def test_a_microphone_that_cannot_be_had_is_the_error() -> None:
    class Broken(PlayedSource):
        def open(self) -> None:
            raise OSError("no such card")

    sound = claps([], RATE_HZ, 1.0)
    with pytest.raises(OSError, match="no such card"):
        measure(PlayedSource(sound, FakeClock()), Broken(sound, FakeClock()), 5.0, 20.0, io.StringIO())


@pytest.mark.parametrize(("lag_s", "text"), [(0.15, "delay_ms = 120"), (0.01, "delay the loudspeaker by that")])
def test_the_report_says_what_to_set(lag_s: float, text: str) -> None:
    assert text in report(Lag(lag_s, 0.001, 5), 5, 5, 30.0)


def test_a_face_of_more_frames_a_second_is_sooner_there() -> None:
    slow, fast = (pipeline_ms(1 / rate_hz) for rate_hz in (30, 60))
    assert slow - fast == pytest.approx(1000 * (1 / 30 - 1 / 60) / 2)
    assert 1000 / 60 < slow < 1000 / 30


def test_nobody_is_asked_to_clap_for_a_microphone_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, screen = FakeClock(), io.StringIO()
    first, second = (PlayedSource(claps([0.5], RATE_HZ, 1.0), clock) for _ in range(2))

    def fail() -> None:
        raise DeviceError("the microphone", "there is none", "Plug one in")

    monkeypatch.setattr(second, "open", fail)
    with pytest.raises(DeviceError):
        measure(first, second, 0.1, 20.0, screen)  # type: ignore[arg-type]
    assert screen.getvalue() == ""
