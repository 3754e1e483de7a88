"""Real speech, the shipped network, the whole post-processing: a mood colours the face and leaves the words alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from edge.app import choose_backend, find_manifest, protocol_options, shipped_speech
from edge.commands.render import render_file
from edge.config.reading import load_settings
from edge.contracts import MOODS, InferenceSession
from edge.expression.moods import is_of_mouth, mood_channels
from edge.frames import Float32Array, State
from edge.recording import FrameTable
from engine_build.evaluation.metrics import CLOSED_GAP_MM
from engine_build.labels.channels import CHANNELS
from engine_build.labels.geometry import face_geometry_mm

MANIFEST = find_manifest("stream")
NAMES = list(MANIFEST.channels)


@pytest.fixture(scope="module")
def session() -> Iterator[InferenceSession]:
    opened = choose_backend(load_settings(protocol_options()), MANIFEST).backend.open(MANIFEST)
    yield opened
    opened.close()


def rendered(session: InferenceSession, *overrides: str) -> FrameTable:
    settings = load_settings(protocol_options(), overrides=overrides)
    return render_file(shipped_speech(), settings, MANIFEST, session)


@pytest.fixture(scope="module")
def plain(session: InferenceSession) -> FrameTable:
    """Return the speech without a mood."""
    return rendered(session)


def gap_mm(values: Float32Array) -> Float32Array:
    gap: Float32Array = face_geometry_mm(values[:, [NAMES.index(name) for name in CHANNELS]])[:, 0]
    return gap


@pytest.mark.parametrize("mood", [mood for mood in MOODS if mood != "neutral"])
def test_a_mood_over_real_speech(session: InferenceSession, plain: FrameTable, mood: str) -> None:
    shown = rendered(session, f"expression.mood={mood}", "expression.amount=1")
    said_mm, shown_mm = gap_mm(plain.values), gap_mm(shown.values)
    is_live = np.array(plain.states) == State.LIVE.label
    closed = is_live & (said_mm <= CLOSED_GAP_MM)
    assert closed.sum() > 20, "there are closed lips in this speech"
    assert np.mean(shown_mm[closed] <= CLOSED_GAP_MM) >= 0.95
    assert np.corrcoef(said_mm[is_live], shown_mm[is_live])[0, 1] > 0.98
    for name, amount in mood_channels(mood).items():
        added = (shown.values - plain.values)[is_live, NAMES.index(name)]
        if not is_of_mouth(name):
            is_masked = name in MANIFEST.masked_channels
            assert added.mean() > (0.9 if is_masked else 0.6) * amount, f"{name} shows the mood in speech"
