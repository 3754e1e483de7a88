"""A map from channels to a rig does what its file says, and says what is wrong with its file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edge.errors import ConfigurationError
from edge.outputs.json_udp import JsonCodec
from edge.outputs.retarget import RetargetedCodec, load_retarget, retargeted_manifest, shipped_retargets
from edge.vocabulary import ARKIT_ALPHABETICAL, ARKIT_APPLE, FACS_PROXIES
from tests.edge.outputs.faces import frame_with, manifest_with, random_frame

SHAPES = np.random.default_rng(1).uniform(0, 1, (50, 52)).astype(np.float32)


def test_the_maps_that_the_documentation_names_are_shipped() -> None:
    assert shipped_retargets() == ["arkit", "facewarehouse46", "facs", "oculus", "vrm"]


@pytest.mark.parametrize("name", shipped_retargets())
def test_a_shipped_map_loads_for_any_order_and_stays_in_range(name: str) -> None:
    apple, alphabetical = load_retarget(name, ARKIT_APPLE), load_retarget(name, ARKIT_ALPHABETICAL)
    order = [ARKIT_APPLE.index(channel) for channel in ARKIT_ALPHABETICAL]
    for shape in SHAPES:
        result = apple.apply(shape).copy()
        assert np.all((result >= 0) & (result <= 1))
        assert alphabetical.apply(shape[order]) == pytest.approx(result, abs=1e-6)


def test_the_arkit_map_changes_nothing_but_the_order() -> None:
    retarget = load_retarget("arkit", ARKIT_ALPHABETICAL)
    assert retarget.targets == ARKIT_APPLE
    order = [ARKIT_ALPHABETICAL.index(channel) for channel in ARKIT_APPLE]
    assert retarget.apply(SHAPES[0]) == pytest.approx(SHAPES[0][order])


def test_the_facs_map_is_the_table_of_proxies() -> None:
    retarget = load_retarget("facs", ARKIT_APPLE)
    result = dict(zip(retarget.targets, retarget.apply(SHAPES[0]).tolist(), strict=True))
    for unit, names in FACS_PROXIES.items():
        expected = np.mean([SHAPES[0][ARKIT_APPLE.index(name)] for name in names])
        assert result[f"AU{unit:02d}"] == pytest.approx(float(expected), abs=1e-6)


def test_facewarehouse_has_its_46_stable_numbers() -> None:
    assert load_retarget("facewarehouse46", ARKIT_APPLE).targets == tuple(f"fw{index:02d}" for index in range(46))


@pytest.fixture
def write(tmp_path: Path):  # type: ignore[no-untyped-def]
    def write_map(text: str) -> str:
        path = tmp_path / "rig.ini"
        path.write_text(text)
        return str(path)

    return write_map


@pytest.mark.parametrize(
    ("lines", "values", "expected"),
    [
        ("a = 0.5\nb = 0.25", (1.0, 1.0), 0.75),
        ("a = 0.5\nb = -1", (1.0, 1.0), 0.0),
        (":combine = max\na = 0.5\nb = 1", (1.0, 0.25), 0.5),
        (":combine = max\na = 0.5\nb = 1", (1.0, 0.75), 0.75),
        (":offset = 0.2\na = 0.5", (0.4, 0.0), 0.4),
        (":curve = 0 0, 0.5 0.1, 1 1\na = 1", (0.25, 0.0), 0.05),
        (":curve = 0 1, 1 0\na = 1", (0.25, 0.0), 0.75),
        ("a = 9", (1.0, 0.0), 1.0),
    ],
)
def test_gains_curves_and_combinations(write, lines: str, values: tuple[float, float], expected: float) -> None:  # type: ignore[no-untyped-def]
    retarget = load_retarget(write(f"[T]\n{lines}\n"), ["a", "b"])
    assert retarget.apply(np.array(values, np.float32)) == pytest.approx([expected], abs=1e-6)


def test_all_mistakes_of_a_map_are_named_at_once(write) -> None:  # type: ignore[no-untyped-def]
    path = write("[T]\njawOpne = 1\njawOpen = much\n:combine = product\n:curve = 1 0, 0 1\n[U]\n:offset = nan\n")
    with pytest.raises(ConfigurationError) as caught:
        load_retarget(path, ARKIT_APPLE)
    text = str(caught.value)
    for part in ("jawOpne", "Did you mean 'jawOpen'", "much", "product", "1 0, 0 1", "nan"):
        assert part in text


@pytest.mark.parametrize("content", ["", "jawOpen = 1", "[T]\n[T]\n", "\0"])
def test_what_is_no_map_is_refused(write, content: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ConfigurationError):
        load_retarget(write(content), ARKIT_APPLE)


def test_a_missing_map_names_those_that_are_shipped() -> None:
    with pytest.raises(ConfigurationError, match="arkit, facewarehouse46, facs, oculus, vrm"):
        load_retarget("vroid", ARKIT_APPLE)


def test_any_codec_speaks_the_names_of_the_rig() -> None:
    manifest = manifest_with()
    retarget = load_retarget("facs", manifest.channels)
    codec = RetargetedCodec(JsonCodec(retargeted_manifest(manifest, retarget), {}), retarget)
    frame = random_frame(1)
    sent = json.loads(bytes(codec.encode(frame)[0]))
    assert sent["au"].keys() == set(retarget.targets)
    assert sent["seq"] == frame.sequence
    assert sent["head"]["yaw"] == pytest.approx(float(frame.head_deg[1]), abs=0.01)
    nan = frame_with([float("nan")] * 52)
    assert json.loads(bytes(codec.encode(nan)[0]))["au"]["AU26"] == 0
