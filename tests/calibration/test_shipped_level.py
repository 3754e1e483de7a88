"""The shipped networks at another level: a microphone 20 dB less sensitive changes no activation by more than 0.1."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from calibration.roll_out import compute_features, roll_out
from calibration.speech import SHIPPED_SET, Recording, load_speech
from edge.app import shipped_models
from edge.manifest import load_manifest
from tests.requirements import need_module

need_module("onnx")

MAX_CHANGE = 0.1
SAID_IN_ITS_CARD = {"stream-60": 0.13}  # a network that is known to change more
ROOM_DBFS = -55.0  # beneath what the network takes for silence once it is 20 dB softer, above it before: the hard case
LEAD_S = 0.5
NAMES = [name for name in shipped_models() if load_manifest(shipped_models()[name]).features["kind"] == "log_mel"]


def in_a_room(recording: Recording, rate_hz: int, gain: float) -> Recording:
    spoken = np.concatenate([np.zeros(round(LEAD_S * rate_hz), np.float32), recording.samples])
    room = np.random.default_rng(1).standard_normal(len(spoken)) * 10 ** (ROOM_DBFS / 20)
    return dataclasses.replace(recording, samples=(gain * (spoken + room)).astype(np.float32))


@pytest.mark.parametrize("name", NAMES)
def test_20_db_less_change_no_activation_by_more_than_a_tenth(name: str) -> None:
    import onnx

    manifest = load_manifest(shipped_models()[name])
    model = onnx.load_from_string(manifest.verify_graph())
    recordings = {r.file: r for r in load_speech(SHIPPED_SET, manifest.sample_rate_hz).recordings if r.level_db == 0}
    assert len(recordings) >= 4
    for file, recording in recordings.items():
        loud, soft = (
            roll_out(model, manifest, compute_features(manifest, [in_a_room(recording, manifest.sample_rate_hz, gain)]))
            for gain in (1.0, 0.1)
        )
        change = np.abs(loud.activations - soft.activations)
        assert change.max() <= SAID_IN_ITS_CARD.get(name, MAX_CHANGE), (
            file,
            manifest.channels[int(change.max(axis=0).argmax())],
        )
        assert np.ptp(loud.activations, axis=0).max() > 2 * MAX_CHANGE  # it speaks
