"""Gains and limits: no value leaves its range, whatever the network says."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge.frames import AUFrame
from edge.postprocess.articulation import Articulation
from edge.postprocess.limits import HEAD_LIMIT_DEG, Gains, Limits

CHANNELS = ("jawOpen", "mouthClose", "eyeBlinkLeft")
NONE = np.zeros(0, np.float32)
ANY_FLOAT = st.floats(width=32, allow_nan=True, allow_infinity=True)


@given(hnp.arrays(np.float32, 3, elements=ANY_FLOAT), hnp.arrays(np.float32, 3, elements=ANY_FLOAT))
def test_nothing_leaves_its_range(activations: np.ndarray, head: np.ndarray) -> None:
    frame = AUFrame(activations.copy(), head.copy())
    with np.errstate(over="ignore"):
        Articulation(2.0, {}, CHANNELS, ()).apply(frame, NONE)
        Gains({"default": 10.0, "mouthClose": -10.0}, CHANNELS).apply(frame, NONE)
        Limits({"default": 1.0, "jawOpen": 0.6}, CHANNELS).apply(frame, NONE)
    assert np.all(frame.activations >= 0)
    assert np.all(frame.activations <= np.array([0.6, 1, 1], np.float32))
    assert np.all(np.abs(frame.head_deg) <= HEAD_LIMIT_DEG)


def test_gain_by_name() -> None:
    frame = AUFrame(np.full(3, 0.4, np.float32), np.zeros(3, np.float32))
    Gains({"default": 1.0, "jawOpen": 1.5}, CHANNELS).apply(frame, NONE)
    np.testing.assert_allclose(frame.activations, [0.6, 0.4, 0.4], rtol=1e-6)


def test_a_mouth_bends_towards_its_limit_and_a_blink_closes() -> None:
    limits, shown = Limits({"default": 1.0, "jawOpen": 0.6}, CHANNELS), []
    for value in np.linspace(0, 2, 201, dtype=np.float32):
        frame = AUFrame(np.full(3, value, np.float32), np.zeros(3, np.float32))
        limits.apply(frame, NONE)
        shown.append(frame.activations.copy())
    jaw, close, lid = np.array(shown).T
    np.testing.assert_allclose(jaw[:49], np.linspace(0, 0.48, 49), atol=1e-6)  # untouched up to 0.8 of its limit
    assert (np.diff(jaw[:80]) > 0).all()  # no plateau just above
    assert (np.diff(np.diff(jaw)) < 1e-5).all()  # and no corner
    assert close[100] < 1.0
    assert lid[100] == 1.0
