"""A writer that is itself live: however its clock and its pauses are, it is heard as it comes, and the age is true."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edge.frames import Float32Array, Speech
from edge.sources.talk import TalkSource
from tests.edge.runtime.doubles import ManualClock

INDEX = 1e-6  # a sample tells its place, within full scale and what float32 tells apart
RATE_HZ = 1_000  # what is tested does not depend on it, and an hour is short


class LiveWriter:
    """Turns of one writer that has written so many samples by a time; a sample is its own index."""

    description, rate_hz, is_over, is_wanted, is_spent = "writer", RATE_HZ, False, False, False

    def __init__(self, clock: ManualClock, n_written: Callable[[float], int]) -> None:
        self.clock, self.n_written = clock, n_written
        self.n_received = self.n_taken = 0

    def ready(self, n_samples: int) -> int:
        if n_samples:
            self.n_received = self.n_written(self.clock.now_s)
        return self.n_received - self.n_taken

    def take(self, out: Float32Array) -> None:
        out[:] = np.arange(self.n_taken, self.n_taken + len(out)) * INDEX
        self.n_taken += len(out)

    def drop(self, n_samples: int) -> None:
        self.n_taken += n_samples

    def next(self) -> LiveWriter | None:
        return self if self.ready(1) else None

    def listen(self, timeout_s: float) -> None:
        self.clock.now_s += max(0.0, min(timeout_s, 0.02))

    def open(self) -> None: ...
    def close(self) -> None: ...
    def begun(self, saying: object) -> None: ...
    def finished(self, saying: object, n_samples: int) -> None: ...
    def tell_by(self, later: object) -> None: ...
    def take_clear(self, n_given: int, n_unheard: int) -> bool:
        return False

    def counters(self) -> dict[str, int]:
        return {}

    def warnings(self) -> list[str]:
        return []


def hear(
    n_written: Callable[[float], int], seconds: float, busy_s: Callable[[float], float]
) -> tuple[np.ndarray, dict]:
    """Return [n, 3]: time, newest sample heard, age that the chunk has; and the counters."""
    clock = ManualClock()
    clock.now_s = 0.0
    source = TalkSource(LiveWriter(clock, n_written), clock=clock, pace="live")
    source.open()
    rows = []
    while clock.now_s < seconds:
        chunk = source.read(0.033)
        clock.now_s += 0.0005
        if chunk is not None and len(chunk.samples) and chunk.samples.any() and chunk.speech is not Speech.ENDED:
            rows.append((clock.now_s, round(float(chunk.samples[-1]) / INDEX), clock.now_s - chunk.end_time_s))
            clock.now_s += busy_s(clock.now_s)
    return np.array(rows), dict(source.counters())


@pytest.mark.parametrize(("ppm", "seconds"), [(200, 3600.0), (-200, 600.0)])
def test_a_clock_that_is_wrong_for_an_hour_adds_no_lag_and_costs_no_sound(ppm: int, seconds: float) -> None:
    rate_hz, piece = RATE_HZ * (1 + ppm * 1e-6), 50

    def n_written(now_s: float) -> int:
        return int(now_s * rate_hz) // piece * piece

    rows, counters = hear(n_written, seconds, lambda now_s: 0.004)
    lags_s = np.array([n_written(now_s) - 1 - newest for now_s, newest, _ in rows]) / RATE_HZ
    assert lags_s.max() < 0.06 + piece / RATE_HZ  # its piece is old when it is written
    assert np.percentile(lags_s, 90) < 0.06
    assert rows[:, 2].max() < 0.06 + piece / RATE_HZ
    assert counters["dropped_samples"] < piece  # of the first, when its period is not known yet
    assert counters["pauses"] == 0


def test_a_stall_and_its_catching_up_are_left_out_and_said() -> None:
    def n_written(now_s: float) -> int:
        return int((now_s if not 5.0 <= now_s < 7.0 else 5.0) * RATE_HZ) // 20 * 20

    rows, counters = hear(n_written, 10.0, lambda now_s: 0.004)
    lags_s = np.array([n_written(now_s) - 1 - newest for now_s, newest, _ in rows]) / RATE_HZ
    assert lags_s.max() < 0.06
    assert counters["dropped_samples"] / RATE_HZ == pytest.approx(2.0, abs=0.1)
    assert rows[:, 2].max() < 0.06


def test_a_machine_that_hesitates_leaves_out_what_it_missed_and_the_age_is_true() -> None:
    def n_written(now_s: float) -> int:
        return int(now_s * RATE_HZ) // 20 * 20

    hesitated: list[float] = []

    def busy_s(now_s: float) -> float:
        if now_s > 3.0 and not hesitated:
            hesitated.append(now_s)
            return 1.0
        return 0.004

    rows, counters = hear(n_written, 8.0, busy_s)
    lags_s = np.array([n_written(now_s) - 1 - newest for now_s, newest, _ in rows]) / RATE_HZ
    assert lags_s.max() < 0.06
    assert 0.8 < counters["dropped_samples"] / RATE_HZ < 1.1
    written_s = rows[:, 1] / RATE_HZ
    assert np.abs((rows[:, 0] - rows[:, 2]) - written_s).max() < 0.03  # what it says against what the writer knows


def test_a_synthesiser_that_writes_ahead_is_told_that_it_needs_another_pace() -> None:
    clock = ManualClock()
    source = TalkSource(LiveWriter(clock, lambda now_s: 10 * RATE_HZ), clock=clock, pace="live")
    source.open()
    for _ in range(20):
        source.read(0.01)
    assert source.counters()["dropped_samples"] > 9 * RATE_HZ
    lines = source.warnings()
    assert any("audio.pace = realtime" in line for line in lines)
    assert source.warnings() == []
