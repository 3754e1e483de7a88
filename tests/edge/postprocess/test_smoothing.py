"""One Euro: against the published recurrence written out for one number at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edge.config.settings import SmoothingSettings
from edge.frames import AUFrame
from edge.postprocess.smoothing import DERIVATIVE_CUTOFF_HZ, OneEuro, Smoothing, channel_group

PERIOD_S = 1 / 30


def _alpha(cutoff_hz: float) -> float:
    tau = 1 / (2 * math.pi * cutoff_hz)
    return 1 / (1 + tau / PERIOD_S)


def _published(values: list[float], min_cutoff: float, beta: float) -> list[float]:
    """Algorithm 1 of the CHI 2012 paper, with the speed taken against the filtered value."""
    out = [values[0]]
    speed = 0.0
    for value in values[1:]:
        a_d = _alpha(DERIVATIVE_CUTOFF_HZ)
        speed = a_d * (value - out[-1]) / PERIOD_S + (1 - a_d) * speed
        a = _alpha(min_cutoff + beta * abs(speed))
        out.append(a * value + (1 - a) * out[-1])
    return out


@pytest.mark.parametrize(("min_cutoff", "beta"), [(1.0, 0.0), (10.0, 4.0), (2.0, 1.0)])
def test_it_is_the_published_filter(min_cutoff: float, beta: float) -> None:
    rng = np.random.default_rng(0)
    signal = np.clip(np.cumsum(rng.normal(0, 0.1, (200, 3)), axis=0), 0, 1).astype(np.float32)
    one_euro = OneEuro(np.full(3, min_cutoff, np.float32), np.full(3, beta, np.float32), PERIOD_S)
    got = []
    for row in signal:
        values = row.copy()
        one_euro.apply(values)
        got.append(values)
    for channel in range(3):
        expected = _published([float(x) for x in signal[:, channel]], min_cutoff, beta)
        np.testing.assert_allclose(np.array(got)[:, channel], expected, atol=2e-5)


@pytest.mark.parametrize(("height", "longest_s"), [(1.0, 0.002), (0.3, 0.003), (0.1, 0.006)])
def test_a_lip_that_moves_is_hardly_late(height: float, longest_s: float) -> None:
    """A 4 Hz opening and closing, as quick as speech moves a jaw, keeps its phase."""
    smoothing = Smoothing(SmoothingSettings(), ["jawOpen"], PERIOD_S)
    t = np.arange(300) * PERIOD_S
    signal = (height * (0.5 - 0.5 * np.cos(2 * np.pi * 4 * t))).astype(np.float32)
    got = []
    for value in signal:
        frame = AUFrame.neutral(1)
        frame.activations[0] = value
        smoothing.apply(frame, np.zeros(0, np.float32))
        got.append(float(frame.activations[0]))
    turn = np.exp(-2j * np.pi * 4 * t[60:])
    delay_s = np.angle(np.sum(signal[60:] * turn) / np.sum(np.array(got)[60:] * turn)) / (2 * np.pi * 4)
    assert 0 <= delay_s < longest_s


def test_jitter_of_a_face_at_rest_shrinks() -> None:
    smoothing = Smoothing(SmoothingSettings(), ["browInnerUp"], PERIOD_S)
    noise = 0.2 + 0.01 * np.random.default_rng(1).standard_normal(300).astype(np.float32)
    got = []
    for value in noise:
        frame = AUFrame.neutral(1)
        frame.activations[0] = value
        smoothing.apply(frame, np.zeros(0, np.float32))
        got.append(float(frame.activations[0]))
    assert np.abs(np.diff(got, 2)).mean() < 0.4 * np.abs(np.diff(noise, 2)).mean()


def test_after_reset_the_first_value_passes() -> None:
    one_euro = OneEuro(np.ones(1, np.float32), np.zeros(1, np.float32), PERIOD_S)
    for _ in range(5):
        one_euro.apply(np.zeros(1, np.float32))
    one_euro.reset()
    value = np.ones(1, np.float32)
    one_euro.apply(value)
    assert value[0] == 1.0


def test_groups() -> None:
    assert [channel_group(n) for n in ("browDownLeft", "eyeBlinkLeft", "jawOpen", "cheekPuff", "noseSneerLeft")] == [
        "brows", "eyes", "mouth", "mouth", "mouth",
    ]  # fmt: skip
