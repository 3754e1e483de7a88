"""The walls of the house: who may import whom, and where the heavy libraries are named."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("edge", "engine_build", "calibration")
# Core modules of edge that every room may use: facts, types and time, no behaviour of a room.
CORE = {
    "edge", "edge.contracts", "edge.contracts.network", "edge.contracts.outputs", "edge.contracts.sound",
    "edge.frames", "edge.errors", "edge.clock", "edge.settings", "edge.options",
    "edge.manifest", "edge.metrics", "edge.service", "edge.realtime", "edge.vocabulary",
}  # fmt: skip
ROOMS = {"sources", "features", "backends", "postprocess", "outputs", "head", "robots", "watch", "runtime"}
# What only the composition root and the commands may import rooms for.
TOP = {
    "edge.app", "edge.cli", "edge.live", "edge.commands", "edge.self_test", "edge.bench", "edge.configuration",
    "edge.recording", "edge.metrics_http", "edge.live_engine", "edge.live_head", "edge.live_parts", "edge.live_reload",
    "edge.live_report", "edge.__main__",
}  # fmt: skip
# Doors: who shows frames reads them by the decoders beside the encoders, so that they cannot drift apart.
DOORS = {
    ("watch", "edge.outputs.received"), ("watch", "edge.outputs.receiving"),
    ("head", "edge.outputs.received"), ("head", "edge.outputs.sound_datagram"),
}  # fmt: skip
HEAVY = {
    "pyaudio": {"edge/sources/portaudio.py", "edge/bench/loudspeaker.py"},
    "pycuda": {"edge/backends/cuda.py"},
    "onnxruntime": {"edge/backends/onnx_runtime.py"},
}


def _modules() -> list[tuple[str, Path]]:
    found = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "node_modules" in path.parts:
                continue
            parts = path.relative_to(ROOT).with_suffix("").parts
            found.append((".".join(parts[:-1] if parts[-1] == "__init__" else parts), path))
    return found


MODULES = _modules()
NAMES = {name for name, _ in MODULES}


def _imports(path: Path) -> list[tuple[str, bool]]:
    """Return the absolute modules that a file imports, and whether at its top level."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = set(ast.iter_child_nodes(tree))
    found = []
    for node in ast.walk(tree):
        is_top = node in top
        if isinstance(node, ast.Import):
            found += [(alias.name, is_top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            found += [(f"{module}.{a.name}" if f"{module}.{a.name}" in NAMES else module, is_top) for a in node.names]
    return found


def _is_top(name: str) -> bool:
    return any(name == top or name.startswith(top + ".") for top in TOP)


def _room(name: str) -> str | None:
    parts = name.split(".")
    return parts[1] if parts[0] == "edge" and len(parts) > 1 and parts[1] in ROOMS else None


@pytest.mark.parametrize(("name", "path"), MODULES, ids=[name for name, _ in MODULES])
def test_imports_keep_to_the_walls(name: str, path: Path) -> None:
    for imported, _ in _imports(path):
        root = imported.split(".")[0]
        if name.startswith("edge"):
            assert root not in ("engine_build", "calibration"), f"{name} imports {imported}: the runtime stands alone"
        if name.startswith("calibration"):
            assert root != "engine_build", f"{name} imports {imported}"
        if root != "edge" or not name.startswith("edge") or _is_top(name):
            continue
        mine, theirs = _room(name), _room(imported)
        if mine is None:
            assert imported in CORE, f"{name} is core and imports {imported}"
        else:
            is_allowed = theirs == mine or imported in CORE or (mine, imported) in DOORS
            assert is_allowed, f"{name} imports {imported}: rooms do not import one another"


@pytest.mark.parametrize(("name", "path"), MODULES, ids=[name for name, _ in MODULES])
def test_edge_imports_only_numpy_and_the_standard_library_at_the_top(name: str, path: Path) -> None:
    import sys

    if not name.startswith("edge"):
        return
    for imported, is_top in _imports(path):
        root = imported.split(".")[0]
        if is_top:
            assert root in sys.stdlib_module_names | {"edge", "numpy"}, f"{name} imports {imported} at the top"


@pytest.mark.parametrize("library", sorted(HEAVY))
def test_heavy_libraries_are_named_in_as_few_files_as_possible(library: str) -> None:
    found = {
        str(path.relative_to(ROOT))
        for name, path in MODULES
        if name.startswith("edge") and any(imported.split(".")[0] == library for imported, _ in _imports(path))
    }
    assert found <= HEAVY[library], f"{library} is imported in {sorted(found - HEAVY[library])}"
