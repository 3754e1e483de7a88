"""Lips that meet in the network meet in the face, however much is done to it in between."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge.app import find_manifest
from edge.frames import AUFrame, State
from edge.manifest import Lips
from edge.postprocess.articulation import Articulation
from edge.postprocess.lips import PRESSED_MM, Meeting, Parting, Sealing

CHANNELS = ("jawOpen", "mouthClose", "mouthLowerDownLeft", "mouthFunnel", "mouthPucker", "browInnerUp")
SLOPES = np.array([34.8, -34.8, 3.8, 13.1, -2.4, 0.0])
LIPS = Lips(dict(zip(CHANNELS, SLOPES.tolist(), strict=True)), 0.0, 0.4, 2.0)
NONE = np.zeros(0, np.float32)
CLOSED = np.array([0.2, 0.2, 0, 0, 0.3, 0], np.float32)  # an open jaw behind met lips: gap below 0
OPEN = np.array([0.3, 0.0, 0.1, 0, 0, 0], np.float32)


def sealed(network: np.ndarray, face: np.ndarray, state: State = State.LIVE, lips: Lips | None = LIPS) -> np.ndarray:
    frame = AUFrame(network.copy(), np.zeros(3, np.float32))
    Meeting(lips, CHANNELS).apply(frame, NONE)
    np.testing.assert_array_equal(frame.activations, network)
    frame.activations[:] = face
    frame.state = state
    Sealing(lips, CHANNELS).apply(frame, NONE)
    return frame.activations


@given(hnp.arrays(np.float32, 6, elements=st.floats(0, 0.875, width=32)))
def test_what_the_network_closed_stays_closed_at_every_amount(face: np.ndarray) -> None:
    assert float(sealed(CLOSED, face) @ SLOPES) <= 0.01


@given(hnp.arrays(np.float32, 6, elements=st.floats(0, 0.875, width=32)))
def test_what_it_opened_is_left_alone_and_so_is_all_but_the_lips(face: np.ndarray) -> None:
    np.testing.assert_array_equal(sealed(OPEN, face), face)
    untouched = [CHANNELS.index(name) for name in ("jawOpen", "mouthPucker", "browInnerUp")]
    np.testing.assert_array_equal(sealed(CLOSED, face)[untouched], face[untouched])


@given(hnp.arrays(np.float32, 6, elements=st.floats(0, 0.875, width=32)))
def test_no_lip_is_drawn_over_the_other(face: np.ndarray) -> None:
    face[CHANNELS.index("mouthPucker")] = 0.0
    shown = sealed(CLOSED, face)
    assert float(shown @ SLOPES) >= -PRESSED_MM - 0.01
    assert (shown >= 0).all()


def test_a_face_at_rest_may_open_its_mouth_in_a_mood() -> None:
    np.testing.assert_array_equal(sealed(np.zeros(6, np.float32), OPEN, State.SILENCE), OPEN)


def test_without_a_measure_nothing_is_sealed() -> None:
    np.testing.assert_array_equal(sealed(CLOSED, OPEN, lips=None), OPEN)


def test_the_seal_fades_and_does_not_snap() -> None:
    gaps = []
    for opening in np.linspace(0.0, 0.1, 41):
        network = np.array([opening, 0, 0, 0, 0, 0], np.float32)
        gaps.append(float(sealed(network, 2 * network) @ SLOPES))
    assert (np.diff(gaps) >= -1e-4).all()
    assert np.diff(gaps).max() < 0.5  # mm for 0.09 mm of the network's own gap


SHIPPED = find_manifest("stream")


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(np.float32, len(SHIPPED.channels), elements=st.floats(0, 0.5, width=32)),
    st.floats(0, 1),
    st.floats(0.5, 2),
)
def test_at_every_amount_lips_meet_and_part_as_the_network_has_them(
    network: np.ndarray, closing: float, amount: float
) -> None:
    lips, channels, masked = SHIPPED.lips, SHIPPED.channels, SHIPPED.masked_channels
    assert lips is not None
    slopes = np.array([lips.gap_mm.get(name, 0.0) for name in channels])
    network[[channels.index(name) for name in masked]] = 0
    # a mouth that is nearly closed is where it matters, and what random numbers hardly ever are
    gap_mm = float(network @ slopes)
    network[channels.index("mouthClose")] += np.float32(max(0.0, closing * gap_mm) / 34.8)
    np.clip(network, 0, 1, out=network)
    gap_mm = float(network @ slopes) + lips.rest_mm
    frame = AUFrame(network.copy(), np.zeros(3, np.float32), state=State.LIVE)
    for stage in (
        Meeting(lips, channels),
        Articulation(amount, SHIPPED.articulation, channels, masked),
        Parting(lips, channels, masked),
        Sealing(lips, channels),
    ):
        stage.apply(frame, NONE)
    shown_mm = float(frame.activations @ slopes) + lips.rest_mm
    if gap_mm <= lips.met_mm:
        assert shown_mm <= lips.rest_mm + 0.01
    else:
        share = min(1.0, (gap_mm - lips.met_mm) / (lips.parted_mm - lips.met_mm))
        assert shown_mm >= lips.rest_mm + share * (lips.parted_mm - lips.rest_mm) - 0.01


def test_without_a_jaw_of_its_own_a_face_is_not_parted() -> None:
    face = np.full(6, 0.1, np.float32)
    for masked in (("jawOpen",), ()):
        frame = AUFrame(face.copy(), np.zeros(3, np.float32))
        Parting(None if not masked else LIPS, CHANNELS, masked).apply(frame, NONE)
        np.testing.assert_array_equal(frame.activations, face)
