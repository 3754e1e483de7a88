"""The walls of the house: who may import whom, and where the heavy libraries are named."""

from __future__ import annotations

import ast
import functools
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("edge", "engine_build", "calibration")
# The floors of edge, the ground first. A module imports from floors below its own and from its own room, nothing else:
# never from above, never from a neighbour on its floor. The longest name that fits says where a module lives.
FLOORS = (
    ("edge.client",),  # what other programs take along: it stands below all, for it may import nothing
    ("edge", "edge.bounded_file", "edge.errors", "edge.frames", "edge.vocabulary"),  # what everybody may know
    (  # facts: of deployment, machine and model; the sound system, which microphone and loudspeaker share
        "edge.alsa", "edge.config", "edge.machine", "edge.manifest",
    ),
    ("edge.contracts", "edge.exit_status"),  # what the rooms promise each other; how a process ends
    ("edge.metrics",),  # what they count
    (  # the rooms: each one thing, by the contracts alone
        "edge.backends", "edge.control", "edge.expression", "edge.features", "edge.head", "edge.metrics.http",
        "edge.outputs", "edge.playback", "edge.postprocess", "edge.recording", "edge.robots", "edge.runtime",
        "edge.sources", "edge.watch",
    ),
    ("edge.app",),  # the composition root: the one place that chooses among the rooms
    ("edge.live", "edge.self_test"),  # the running program
    ("edge.bench",),  # what measures it
    ("edge.commands",),
    ("edge.cli",),
    ("edge.__main__",),
)  # fmt: skip
# The same for what makes networks. calibration stands below it and above edge.
BUILD_FLOORS = (
    ("engine_build", "engine_build.cluster"),
    ("engine_build.labels", "engine_build.data", "engine_build.head_face"),
    ("engine_build.effort", "engine_build.network", "engine_build.voices"),
    ("engine_build.engine", "engine_build.evaluation"),
    ("engine_build.training",),
    ("engine_build.export",),
    ("engine_build.__main__",),
)
# Doors in walls, each with its reason: (module or room that goes through, what it may import).
DOORS = {
    # Who shows frames reads them by the decoders beside the encoders, so that the two cannot drift apart.
    ("edge.watch", "edge.outputs.received"), ("edge.watch", "edge.outputs.receiving"),
    ("edge.head", "edge.outputs.received"), ("edge.head", "edge.outputs.sound_datagram"),
    # One reader and one writer of OSC: who hears an application believes as little as who hears a sender of frames.
    ("edge.control", "edge.outputs.osc_reading"), ("edge.control", "edge.outputs.osc_template"),
}  # fmt: skip
HEAVY = {
    "pyaudio": {"edge/alsa/portaudio.py"},
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
ROOMS = {room: floor for floors in (FLOORS, BUILD_FLOORS) for floor, rooms in enumerate(floors) for room in rooms}


@functools.cache
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
            module = node.module or ""
            if node.level:  # one folder is made to be taken along, under whatever name
                assert path.parent.relative_to(ROOT).as_posix() == "edge/client", f"{path}: relative import"
                assert node.level == 1, f"{path}: an import from outside the folder"
                module = f"edge.client.{module}"
            found += [(f"{module}.{a.name}" if f"{module}.{a.name}" in NAMES else module, is_top) for a in node.names]
    return found


def _room(name: str) -> str | None:
    """Return the room that a module lives in; None where the plan has none. The roots are rooms of one module."""
    if name in ROOMS:
        return name
    parts = name.split(".")
    return next((r for n in range(len(parts), 1, -1) if (r := ".".join(parts[:n])) in ROOMS), None)


def _mistake(name: str, imported: str) -> str | None:
    """Say what is wrong with an import; None where it keeps to the walls."""
    mine_root, theirs_root = name.split(".")[0], imported.split(".")[0]
    if theirs_root not in PACKAGES:
        return None
    if mine_root != theirs_root:
        below = {"edge": (), "calibration": ("edge",), "engine_build": ("edge", "calibration")}[mine_root]
        return None if theirs_root in below else f"{name} imports {imported}: {mine_root} stands below {theirs_root}"
    if mine_root == "calibration":
        return None
    mine, theirs = _room(name), _room(imported)
    if mine is None or theirs is None:
        return f"{name if mine is None else imported} is in no room: give it a place in the table of floors"
    if mine == theirs or ROOMS[theirs] < ROOMS[mine] or (mine, imported) in DOORS:
        return None
    if ROOMS[theirs] == ROOMS[mine]:
        return f"{name} imports {imported}: rooms of a floor do not import one another"
    return f"{name} imports {imported}, which climbs from floor {ROOMS[mine]} to floor {ROOMS[theirs]}"


@pytest.mark.parametrize(("name", "path"), MODULES, ids=[name for name, _ in MODULES])
def test_imports_keep_to_the_walls(name: str, path: Path) -> None:
    assert [m for imported, _ in _imports(path) if (m := _mistake(name, imported))] == []


@pytest.mark.parametrize(
    ("name", "imported", "word"),
    [
        ("edge.sources.microphone", "edge.app.tables", "climbs"),
        ("edge.live.engine", "edge.bench.lanes", "climbs"),
        ("edge.errors", "edge.frames", "one another"),
        ("edge.outputs.udp", "edge.robots.servo", "one another"),
        ("edge.sources.microphone", "edge.metrics.http", "one another"),
        ("edge.attic.box", "edge.errors", "no room"),
        ("edge.app.models", "engine_build.export", "below"),
        ("calibration.ship", "engine_build.export", "below"),
        ("engine_build.data.corpus", "engine_build.training.config", "climbs"),
    ],
)
def test_an_import_that_climbs_or_crosses_is_named(name: str, imported: str, word: str) -> None:
    assert word in (_mistake(name, imported) or "nothing is wrong")


def test_every_room_of_the_table_has_somebody_in_it() -> None:
    assert [room for room in ROOMS if all(_room(name) != room for name in NAMES)] == []


@pytest.mark.parametrize(("name", "path"), MODULES, ids=[name for name, _ in MODULES])
def test_edge_imports_only_numpy_and_the_standard_library_at_the_top(name: str, path: Path) -> None:
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


PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROWS = [re.split(r" *\| *", row)[1:-1] for row in PAGE.splitlines() if row.startswith("| a ")]


def _drawn_rooms() -> set[str]:
    """Return the rooms that the drawing of the house names in bold."""
    drawing = ElementTree.parse(ROOT / "docs" / "architecture.svg")
    bold = [e.text or "" for e in drawing.iter() if e.get("font-weight") == "bold" or e.get("class") == "room"]
    return {name for text in bold for name in text.split(", ")}


def test_the_drawing_of_the_house_has_every_room_of_the_table_and_no_other() -> None:
    rooms = {room.removeprefix("edge.") for floor in FLOORS for room in floor} - {"edge"}
    assert _drawn_rooms() == rooms, "a room is missing in docs/architecture.svg, or too many are drawn"


def test_the_page_of_the_house_names_only_what_there_is() -> None:
    named = re.findall(r"`((?:edge|tests|docs)/[\w./]*)`", PAGE)
    assert len(named) > 10
    assert [name for name in named if not (ROOT / name.replace("NAME.py", "")).exists()] == []
    code = "\n".join(path.read_text(encoding="utf-8") for path in (*(p for _, p in MODULES), Path(__file__)))
    words = re.findall(r"`(_?[A-Za-z]\w+)`", PAGE)
    assert len(words) > 20
    unknown = [word for word in words if not re.search(rf"\b{word}\b", code)]
    assert unknown == []


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_each_usual_change_has_a_room_and_a_line_in_a_file(row: list[str]) -> None:
    _, file, line, _ = row
    (room,) = re.findall(r"`(edge/\w+)/NAME\.py`", file)
    word, where = re.findall(r"`(\w+)` of `([\w/.]+)`", line)[0]
    assert (
        f'"{room.replace("/", ".")}.' in (code := (ROOT / where).read_text())
        or f"from {room.replace('/', '.')}." in code
    )
    assert re.search(rf"^(def )?{word}\b", code, re.MULTILINE)


def test_the_page_tells_of_all_five_usual_changes() -> None:
    assert sorted(row[0] for row in ROWS) == ["a backend", "a feature", "a protocol", "a robot driver", "a source"]
