"""The committed page is what its sources give, and the sources pass the type checker."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.requirements import need

HEAD = Path(__file__).parent.parent.parent.parent / "edge" / "head"
WEB, STATIC = HEAD / "web", HEAD / "static"
BUILT = ("app.js", "LICENSES.txt", "index.html", "style.css", "icon.svg")


@pytest.fixture(autouse=True)
def node() -> None:
    ready = shutil.which("node") is not None and (WEB / "node_modules").is_dir()
    need("node", ready, "the page's build tools: `npm ci` in edge/head/web")


def test_building_the_page_gives_the_committed_bytes(tmp_path: Path) -> None:
    subprocess.run(["node", "build.mjs", str(tmp_path)], cwd=WEB, check=True, capture_output=True, timeout=300)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(BUILT)
    for name in BUILT:
        assert (tmp_path / name).read_bytes() == (STATIC / name).read_bytes(), name


def test_the_sources_pass_the_type_checker() -> None:
    command = ["node", "node_modules/typescript/bin/tsc", "--noEmit"]
    done = subprocess.run(command, cwd=WEB, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout
