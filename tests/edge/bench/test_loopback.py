"""Chirps are found again, and the error of time stamps with them: computed frames first, then the real program."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from edge.bench.loopback import chirp_sound, evaluate, run_loopback
from edge.bench.measured_process import ProgramWish
from edge.errors import DeviceError
from edge.frames import State
from edge.outputs.received import ReceivedFrame
from tests.edge.bench.air_player import AirPlayer
from tests.requirements import need
from tests.virtual_microphone.air import Air, Device, why_not, write_configuration

PERIOD_S = 1 / 30
BEGIN_S = 1_700_000_000.0
OPEN_DBFS = -52.0


def computed_frames(
    onsets: list[float], stamp_error_s: float, latency_s: float, jitter_s: float = 0.0
) -> list[tuple[float, ReceivedFrame]]:
    """Return what a program sends whose stamps are wrong by a known time."""
    random = np.random.default_rng(7)
    frames = []
    for k in range(math.ceil((max(onsets) - BEGIN_S + 1) / PERIOD_S)):
        end_s = BEGIN_S + 0.0123 + k * PERIOD_S
        is_live = any(onset < end_s <= onset + 0.15 for onset in onsets)
        claimed_s = end_s - stamp_error_s + random.uniform(-jitter_s, jitter_s)
        state = State.LIVE if is_live else State.SILENCE
        frame = ReceivedFrame("osc", (), None, (0.0, 0.0, 0.0), k, 2**31, claimed_s, state)
        frames.append((end_s + latency_s, frame))
    return frames


def onsets_of(n_chirps: int) -> list[float]:
    _, samples = chirp_sound(44_100, n_chirps, PERIOD_S)
    return [BEGIN_S + sample / 44_100 for sample in samples]


@pytest.mark.parametrize("stamp_error_s", [-0.050, -0.004, 0.0, 0.0007, 0.012, 0.045])
@pytest.mark.parametrize("n_chirps", [8, 40])
def test_the_error_of_stamps_is_found_within_the_uncertainty(stamp_error_s: float, n_chirps: int) -> None:
    onsets = onsets_of(n_chirps)
    found = evaluate(computed_frames(onsets, stamp_error_s, 0.005), onsets, PERIOD_S, OPEN_DBFS)
    assert found["n_found"] == n_chirps
    assert abs(found["stamp_error_ms"] / -1000 - stamp_error_s) * 1000 <= found["stamp_uncertainty_ms"] + 0.05
    assert found["stamp_uncertainty_ms"] <= 1000 * PERIOD_S / n_chirps / 2 + 0.1
    assert found["sound_to_datagram"]["p50_ms"] == pytest.approx(5.0, abs=found["stamp_uncertainty_ms"] + 0.05)


def test_jitter_of_stamps_widens_the_result_by_no_more_than_itself() -> None:
    onsets = onsets_of(40)
    found = evaluate(computed_frames(onsets, 0.003, 0.005, jitter_s=0.001), onsets, PERIOD_S, OPEN_DBFS)
    assert found["stamp_error_ms"] == pytest.approx(-3.0, abs=1.5)


def test_what_a_person_sees_lies_between_the_latency_and_a_period_more() -> None:
    onsets = onsets_of(40)
    found = evaluate(computed_frames(onsets, 0.0, 0.005), onsets, PERIOD_S, OPEN_DBFS)["onset_to_datagram"]
    assert 5.0 <= found["p50_ms"] <= found["max_ms"] <= 5.0 + 1000 * PERIOD_S + 0.05


def test_chirps_that_nobody_hears_are_an_error_and_no_number() -> None:
    onsets = onsets_of(8)
    elsewhere = [onset + 100 for onset in onsets]
    with pytest.raises(DeviceError, match="0 of 8 chirps"):
        evaluate(computed_frames(onsets, 0.0, 0.005), elsewhere, PERIOD_S, OPEN_DBFS)


def test_a_lost_frame_before_a_chirp_takes_the_chirp_out() -> None:
    onsets = onsets_of(8)
    frames = computed_frames(onsets, 0.0, 0.005)
    first_live = next(i for i, (_, frame) in enumerate(frames) if frame.state == State.LIVE)
    found = evaluate(frames[: first_live - 1] + frames[first_live:], onsets, PERIOD_S, OPEN_DBFS)
    assert found["n_found"] == 7


def test_chirps_begin_at_evenly_spaced_phases_of_the_frame() -> None:
    _, samples = chirp_sound(48_000, 16, PERIOD_S)
    phases = np.sort(np.mod(np.array(samples) / 48_000 / PERIOD_S, 1.0))
    gaps = np.diff(np.concatenate([phases, phases[:1] + 1]))
    assert gaps.max() == pytest.approx(1 / 16, rel=0.02)


@pytest.mark.parametrize("told_late_s", [0.0, 0.010])
def test_real_sound_through_the_real_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told_late_s: float
) -> None:
    missing = why_not()
    need("microphone", not missing, f"the virtual microphone cannot be built; {missing}")
    air = Air(tmp_path / "bench.air", 1, seconds=20, rate_hz=44_100)
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(write_configuration(tmp_path, [Device("bench", 44_100)])))
    options = ("audio.source=microphone", "audio.device=bench", "audio.period_samples=128", "realtime.fifo_priority=15")
    wish = ProgramWish(tuple(word for option in options for word in ("-o", option)))
    found = run_loopback(wish, AirPlayer(air, told_late_s), OPEN_DBFS, 10)
    assert found["n_found"] >= 8
    # The virtual microphone's times are true to a sample, so what the method finds is its own error, the stamps' (some
    # tenths of a period of 2.9 ms), and the lie that the player told.
    assert found["stamp_error_ms"] == pytest.approx(-1000 * told_late_s, abs=found["stamp_uncertainty_ms"] + 1.5)
