"""Recordings one after the other on one player: no gap, each whole and at its own rate, mistakes before a word."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.errors import InputError
from edge.features.resampler import Resampler
from edge.frames import Speech
from edge.playback.machine_clock_player import MachineClockPlayer
from edge.sources.file_turns import FileTurns
from edge.sources.played import PlayedTime
from edge.sources.sound_file import SoundFileSource
from edge.sources.talk import TalkSource
from tests.edge.runtime.doubles import ManualClock


def tone(seconds: float, rate_hz: int, level: float) -> np.ndarray:
    return (level * np.sin(2 * np.pi * 200 * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(np.float32)


def source_of(clock: ManualClock, *paths: Path) -> tuple[TalkSource, MachineClockPlayer]:
    player = MachineClockPlayer(clock=clock)
    files = [SoundFileSource(path, clock=clock) for path in paths]
    turns = FileTurns(*files, resampler_for=Resampler)

    def listen(timeout_s: float) -> None:  # which would wait in real time
        clock.now_s += max(0.0, min(timeout_s, 0.002))

    turns.listen = listen  # type: ignore[method-assign]
    played = PlayedTime(player, clock, lookahead_s=0.1, lead_s=0.0)
    return TalkSource(turns, clock=clock, lookahead_s=0.1, played=played), player


def test_files_follow_one_another_without_a_gap_each_whole_and_at_its_own_rate(tmp_path: Path) -> None:
    clock = ManualClock()
    paths = [tmp_path / f"{i}.wav" for i in range(3)]
    for path, rate_hz, level in zip(paths, (16_000, 48_000, 16_000), (0.3, 0.5, 0.7), strict=True):
        soundfile.write(path, tone(0.5, rate_hz, level), rate_hz)
    source, player = source_of(clock, *paths)
    source.open()
    assert source.rate_hz == 16_000
    said, n_begun, ends_s = [], 0, []
    for _ in range(5000):
        clock.now_s += 0.001
        chunk = source.read(0.002)
        if chunk is None:
            continue
        if chunk.is_last:
            break
        if chunk.speech in (Speech.BEGUN, Speech.GOING_ON):
            n_begun += chunk.speech is Speech.BEGUN
            said.append(chunk.samples.copy())
            ends_s.append(chunk.end_time_s)
    else:
        pytest.fail("it does not end")
    heard = np.concatenate(said)
    assert n_begun == 3
    assert len(heard) == pytest.approx(3 * 8000, abs=40)  # and the length of a filter
    assert ends_s[-1] - ends_s[0] == pytest.approx(1.5, abs=0.03)  # without a gap in time
    for third, level in enumerate((0.3, 0.5, 0.7)):
        inner = heard[third * 8000 + 400 : (third + 1) * 8000 - 400]
        assert np.abs(inner).max() == pytest.approx(level, abs=0.02)
    assert source.counters()["utterances_spoken"] == 3
    assert player.counters()["underruns"] == 0
    source.close()


def test_a_file_that_is_no_sound_is_refused_before_the_first_is_heard(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(0.5, 16_000, 0.3), 16_000)
    (tmp_path / "b.wav").write_text("no sound")
    source, _ = source_of(ManualClock(), tmp_path / "a.wav", tmp_path / "b.wav")
    with pytest.raises(InputError, match=r"b\.wav"):
        source.open()
