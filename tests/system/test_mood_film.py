"""The page's face says one sentence in every mood: lips that meet show no teeth in any, and each mood is to be seen.

The pictures are kept as artefact `moods_speaking.png`, one row a mood, for people to look at.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from edge.app import choose_backend, find_manifest, protocol_options, shipped_speech
from edge.commands.render import render_file
from edge.config.reading import load_settings
from edge.config.settings import HeadSettings
from edge.contracts import MOODS
from edge.frames import Float32Array, State
from edge.head.chromium import Chromium, Page, find_browser
from edge.head.running import start_head_thread
from edge.outputs.receiving import StreamDecoder
from engine_build.labels.channels import CHANNELS
from engine_build.labels.geometry import face_geometry_mm
from tests.requirements import need
from tests.system.head_page import ARTEFACTS
from tests.system.programs import GIVE_UP_S
from tests.system.test_head_page import TEETH_SEEN

need("chromium", find_browser() is not None, "a browser to look with: `apt-get install chromium`")
MANIFEST = find_manifest("stream")
NAMES = list(MANIFEST.channels)
N_SHUT, N_OPEN = 4, 2
MORE_TEETH = 12  # of 255 steps: what a corner of the lips that moves a little may uncover
MOUTH_ALONE = "auEdge.stage.camera.setViewOffset(1800, 1800, 720, 1040, 360, 360); 0"
WHOLE_FACE = "auEdge.stage.camera.clearViewOffset(); auEdge.face.scene.getObjectByName('teeth').visible = true; 0"


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    server = start_head_thread(HeadSettings(port=0, frames_port=0), lambda: StreamDecoder().feed)
    with Chromium((360, 360)) as browser:
        made = browser.page(f"{server.address}?render&quality=low")
        made.wait_for("!!window.auEdgePicture", GIVE_UP_S)
        yield made
        made.close()
    server.close()


@pytest.fixture(scope="module")
def spoken() -> dict[str, Float32Array]:
    """Return what is shown of the shipped sentence in each mood, [n_frames, n_channels + 3]; only speech."""
    session = choose_backend(load_settings(protocol_options()), MANIFEST).backend.open(MANIFEST)
    found: dict[str, Float32Array] = {}
    for mood in MOODS:
        settings = load_settings(protocol_options(), overrides=(f"expression.mood={mood}", "expression.amount=1"))
        table = render_file(shipped_speech(), settings, MANIFEST, session)
        found[mood] = table.values[np.array(table.states) == State.LIVE.label]
    session.close()
    return found


def picture(page: Page, row: Float32Array) -> Any:
    """Return the pixels of a face, int16 [height, width, 3]."""
    from PIL import Image

    values = row.tolist()
    call = f"auEdgePicture({json.dumps(NAMES)}, {json.dumps(values[:-3])}, {json.dumps(values[-3:])})"
    data = base64.b64decode(page.run(call, GIVE_UP_S).partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), np.int16)


def test_one_sentence_in_every_mood(page: Page, spoken: dict[str, Float32Array]) -> None:
    from PIL import Image

    neutral = spoken["neutral"]
    gap_mm = face_geometry_mm(neutral[:, [NAMES.index(name) for name in CHANNELS]])[:, 0]
    order = np.argsort(gap_mm, kind="stable")
    shut, wide = sorted(order[:N_SHUT].tolist()), sorted(order[-N_OPEN:].tolist())
    teeth: dict[str, list[int]] = {}
    rows = []
    for mood in MOODS:
        page.run(WHOLE_FACE)
        rows.append(np.hstack([picture(page, spoken[mood][k]) for k in (*shut, *wide)]))
        page.run(MOUTH_ALONE)
        teeth[mood] = []
        for k in (*shut, *wide):
            picture(page, spoken[mood][k])
            teeth[mood].append(page.run(TEETH_SEEN, GIVE_UP_S))
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.vstack(rows).astype(np.uint8)).save(ARTEFACTS / "moods_speaking.png")
    print(f"\nbrightness of teeth, {N_SHUT} shut and {N_OPEN} open: {teeth}")
    for mood, seen in teeth.items():
        shut_as_neutral = np.array(seen[:N_SHUT]) <= np.array(teeth["neutral"][:N_SHUT]) + MORE_TEETH
        assert shut_as_neutral.all(), f"lips that meet show teeth in the mood {mood}"
        assert max(seen[:N_SHUT]) < 70, "and lips that meet are shut at all"
        assert min(seen[N_SHUT:]) > 80, f"open lips are not open in the mood {mood}"
    for mood, row in zip(MOODS[1:], rows[1:], strict=True):
        assert np.abs(row - rows[0]).mean() > 0.5, f"{mood} is not to be seen"
