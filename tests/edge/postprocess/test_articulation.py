"""Articulation: a face at rest stays at rest, curves rise, and the network's own measure can be had back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge.frames import AUFrame
from edge.manifest import Curve
from edge.postprocess.articulation import Articulation, undone

CHANNELS = ("jawOpen", "mouthClose", "browInnerUp")
NONE = np.zeros(0, np.float32)
CURVES = st.builds(Curve, st.floats(0, 0.3), st.floats(0.01, 0.3), st.floats(0.2, 5))


def shown(values: np.ndarray, stage: Articulation) -> np.ndarray:
    frame = AUFrame(np.asarray(values, np.float32).copy(), np.zeros(3, np.float32))
    stage.apply(frame, NONE)
    return frame.activations


@given(CURVES, hnp.arrays(np.float32, 3, elements=st.floats(0, 1, width=32)))
def test_rest_stays_rest_and_more_is_shown_as_more(curve: Curve, values: np.ndarray) -> None:
    stage = Articulation(1.0, {"jawOpen": curve}, CHANNELS, ())
    np.testing.assert_allclose(shown(np.zeros(3), stage), 0, atol=1e-6)
    sweep = [shown(np.full(3, x), stage)[0] for x in np.linspace(0, 1, 9)]
    assert (np.diff(sweep) > -1e-6).all()
    np.testing.assert_allclose(shown(values, stage)[1:], values[1:], atol=1e-6)  # without a curve nothing is bent


@given(CURVES, st.floats(0.02, 1))
def test_the_measure_of_the_network_can_be_had_back(curve: Curve, value: float) -> None:
    curves = {"jawOpen": curve, "mouthClose": Curve(0, 0, 2)}
    bent = shown(np.full(3, value), Articulation(1.0, curves, CHANNELS, ()))
    np.testing.assert_allclose(undone(bent[None], curves, CHANNELS)[0], value, atol=2e-3)


def test_the_amount_turns_up_jaw_and_mouth_together_and_leaves_brows() -> None:
    curves = {"jawOpen": Curve(0.1, 0.05, 2.0)}
    once = shown(np.full(3, 0.3), Articulation(1.0, curves, CHANNELS, ()))
    twice = shown(np.full(3, 0.3), Articulation(2.0, curves, CHANNELS, ()))
    np.testing.assert_allclose(twice / once, [2, 2, 1], rtol=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_masked_channels_rest_and_what_is_no_number_is_no_movement(bad: float) -> None:
    stage = Articulation(1.0, {}, CHANNELS, ("browInnerUp",))
    frame = AUFrame(np.array([bad, 0.4, bad], np.float32), np.array([bad, 1, 2], np.float32))
    stage.apply(frame, NONE)
    assert np.isfinite(frame.activations).all()
    assert frame.activations[1] == np.float32(0.4)
    assert frame.activations[2] == 0
    assert frame.head_deg.tolist() == [0, 1, 2]
