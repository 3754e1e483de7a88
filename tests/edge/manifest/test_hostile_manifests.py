"""Whatever a manifest or a network holds, it is used, or refused by an error of ours that names the field."""

from __future__ import annotations

import copy
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.app import find_manifest, make_features, make_stages, protocol_options, shipped_models
from edge.app.tables import PROTOCOLS, load_class
from edge.config.reading import load_settings
from edge.errors import EXIT_CONFIGURATION, AuEdgeError, ModelError
from edge.manifest import load_manifest
from edge.manifest.external_data import has_external_data
from tests.hostile import HUGE, fixed
from tests.requirements import need_module
from tests.system.programs import au_edge

SHIPPED = json.loads(shipped_models()["stream"].read_text())
SETTINGS = load_settings(protocol_options(), None, (), Path("/nonexistent/au-edge.conf"))
# As JSON texts: what Python reads from each is not what a field can be.
ODD = {
    "infinity": "Infinity", "minus infinity": "-Infinity", "not a number": "NaN", "overflow": "1e999", "huge": HUGE,
    "minus huge": "-" + HUGE, "NUL": '"a\\u0000b"', "half a character": '"\\ud800"', "escape": '"\\u001b[2J"',
    "long": '"' + "a" * 20_000 + '"', "list of infinity": "[Infinity, 1]", "huge in an object": f'{{"kind": {HUGE}}}',
    "a key that is no text": '{"\\u0000": 1}', "deep": "[" * 400 + "Infinity" + "]" * 400,
}  # fmt: skip
WRONG = {
    "true": True,
    "null": None,
    "list": [None],
    "object": {"a": None},
    "number": 0.5,
    "negative": -1,
    "text": "a b",
}


def written(folder: Path, manifest: str) -> Path:
    path = folder / "network.json"
    path.write_text(manifest)
    return path


def use(path: Path) -> None:
    """Make of a manifest what a program makes of it, but for the network itself."""
    manifest = find_manifest(str(path))
    make_features(manifest)
    make_stages(SETTINGS, manifest)
    for name in PROTOCOLS:
        load_class(PROTOCOLS, name)(manifest, {})


def refusal(act: Callable[[], object]) -> AuEdgeError | None:
    """Return the error of ours that something ends with; None where it works. Another error fails the test."""
    try:
        act()
    except AuEdgeError as caught:
        return caught
    return None


def with_value(field: str, json_text: str) -> str:
    raw = copy.deepcopy(SHIPPED)
    raw[field] = "@"
    return json.dumps(raw).replace('"@"', json_text, 1)


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("field", sorted(SHIPPED))
def test_an_odd_value_in_any_field_is_refused_with_its_name(field: str, odd: str, tmp_path: Path) -> None:
    err = refusal(lambda: load_manifest(written(tmp_path, with_value(field, ODD[odd]))))
    assert isinstance(err, ModelError)
    assert err.exit_code == EXIT_CONFIGURATION
    assert field in str(err)
    assert str(err).replace("\n", "").isprintable()
    assert len(str(err)) < 3500


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("field", sorted(SHIPPED))
def test_a_value_of_another_kind_is_refused_with_its_field_or_can_be_used(
    field: str, wrong: str, tmp_path: Path
) -> None:
    err = refusal(lambda: use(written(tmp_path, with_value(field, json.dumps(WRONG[wrong])))))
    if err is not None:
        assert err.exit_code == EXIT_CONFIGURATION
        assert field in str(err) or "masked_channels" in str(err)


def _places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where every value of a manifest stands."""
    if place:
        yield place
    if place[:1] == ("metrics",) and len(place) > 1:
        return
    items = value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    for key, item in items:
        yield from _places(item, (*place, key))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(list(_places(SHIPPED))),
            st.sampled_from([*ODD.values(), *map(json.dumps, WRONG.values())]) | st.integers().map(str)
            | st.floats().map(json.dumps) | st.text(max_size=20).map(json.dumps),
        ),
        min_size=1, max_size=2,
    )
)  # fmt: skip
@fixed(150)
def test_a_manifest_with_any_value_anywhere_is_used_or_refused(
    tmp_path: Path, changes: list[tuple[tuple[Any, ...], str]]
) -> None:
    raw = copy.deepcopy(SHIPPED)
    for i, (place, _) in enumerate(changes):
        inside = raw
        for key in place[:-1]:
            inside = inside[key] if isinstance(inside, dict | list) else {}
        if isinstance(inside, dict | list) and not (isinstance(inside, dict) and place[-1] not in inside):
            inside[place[-1]] = f"@{i}"
    text = json.dumps(raw)
    for i, (_, value) in enumerate(changes):
        text = text.replace(f'"@{i}"', value, 1)
    refusal(lambda: use(written(tmp_path, text)))


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@fixed(100)
def test_any_bytes_are_a_manifest_or_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "network.json"
    path.write_bytes(content)
    assert refusal(lambda: load_manifest(path)) is not None


@pytest.mark.parametrize("name", ["../../tmp/x", "a/b", "..", ".hidden", "", "a b", "ä", "-o", "a" * 65, "a\n"])
def test_a_name_is_a_plain_word(name: str, tmp_path: Path) -> None:
    err = refusal(lambda: load_manifest(written(tmp_path, with_value("name", json.dumps(name)))))
    assert isinstance(err, ModelError)
    assert "name" in str(err)


@pytest.mark.parametrize("graph", ["../stream.int8.onnx", "/dev/zero", "", ".", "..", "pipe", "n" * 300])
def test_a_graph_is_a_plain_file_beside_its_manifest(graph: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    path = written(tmp_path, with_value("graph", json.dumps(graph)))
    assert isinstance(refusal(lambda: load_manifest(path).verify_graph()), ModelError)


@pytest.mark.parametrize("place", ["/dev/zero", "/dev/stdin", "pipe", ".", "a\0b", "n" * 5000])
def test_a_manifest_is_a_plain_file(place: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert isinstance(refusal(lambda: load_manifest(tmp_path / place)), ModelError)


@pytest.mark.parametrize(
    ("field", "value"), [("lookahead_ms", "Infinity"), ("sample_rate_hz", HUGE), ("name", '"../x"')]
)
def test_the_program_ends_with_status_78_and_a_line(field: str, value: str, tmp_path: Path) -> None:
    path = written(tmp_path, with_value(field, value))
    done = au_edge("run", "--no-view", "--duration", "1", "-o", f"model.path={path}", "-o", "audio.source=silence")
    assert done.returncode == 78, done.stderr
    assert field in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr) < 2000


# --- weights elsewhere ------------------------------------------------------------------------------------------------


def _models() -> dict[str, Any]:
    """Return networks by where in them a tensor lies."""
    onnx = need_module("onnx")
    import numpy as np
    from onnx import helper, numpy_helper

    def tensor(name: str = "w") -> Any:
        return numpy_helper.from_array(np.ones(4, np.float32), name)

    def value(name: str) -> Any:
        return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [4])

    def graph(nodes: list[Any], initializers: list[Any] = [], inputs: tuple[str, ...] = ("x",)) -> Any:  # noqa: B006
        return helper.make_graph(nodes, "g", [value(i) for i in inputs], [value("y")], initializers)

    def constant(**attribute: Any) -> Any:
        return helper.make_node("Constant", [], ["y"], **attribute)

    add = helper.make_node("Add", ["x", "w"], ["y"])
    inner = graph([constant(value=tensor())], inputs=())
    choice = helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner)
    sparse = helper.make_sparse_tensor(tensor(), numpy_helper.from_array(np.arange(4), "i"), [4])
    local = helper.make_function("d", "F", ["x"], ["y"], [constant(value=tensor())], [helper.make_opsetid("", 17)])
    with_sparse = helper.make_model(graph([helper.make_node("Identity", ["x"], ["y"])]))
    with_sparse.graph.sparse_initializer.append(sparse)
    with_function = helper.make_model(graph([helper.make_node("F", ["x"], ["y"], domain="d")]), functions=[local])
    return {
        "initializer": helper.make_model(graph([add], [tensor()])),
        "attribute": helper.make_model(graph([constant(value=tensor())])),
        "list of tensors": helper.make_model(graph([helper.make_node("F", ["x"], ["y"], domain="d", ts=[tensor()])])),
        "graph in a graph": helper.make_model(graph([choice])),
        "sparse": with_sparse,
        "sparse attribute": helper.make_model(graph([constant(sparse_value=sparse)])),
        "function": with_function,
    }


PLACES = ["initializer", "attribute", "list of tensors", "graph in a graph", "sparse", "sparse attribute", "function"]


def _tensors(message: Any) -> Iterator[Any]:
    """Yield every tensor of a network, found by the library's own description of its messages."""
    if message.DESCRIPTOR.name == "TensorProto":
        yield message
    for descriptor, value in message.ListFields():
        if descriptor.message_type is not None:
            repeated = not hasattr(value, "ListFields")
            for item in value if repeated else [value]:
                yield from _tensors(item)


@pytest.mark.parametrize("how", ["location and data", "data alone", "location alone"])
@pytest.mark.parametrize("place", PLACES)
def test_a_tensor_that_lies_elsewhere_is_found_wherever_it_stands(place: str, how: str) -> None:
    model = _models()[place]
    assert not has_external_data(model.SerializeToString())
    tensors = list(_tensors(model))
    assert tensors
    for tensor in tensors:
        changed = copy.deepcopy(tensor)
        if how != "data alone":
            tensor.data_location = 1
        if how != "location alone":
            entry = tensor.external_data.add()
            entry.key, entry.value = "location", "elsewhere"
        assert has_external_data(model.SerializeToString())
        tensor.CopyFrom(changed)
    assert not has_external_data(model.SerializeToString())


@pytest.mark.parametrize("name", sorted(shipped_models()))
def test_shipped_networks_are_whole_and_a_cut_one_is_no_network(name: str) -> None:
    content = find_manifest(name).graph_path.read_bytes()
    assert not has_external_data(content)
    with pytest.raises(ValueError, match="byte"):
        has_external_data(content[:-1])


def test_a_network_with_weights_elsewhere_is_refused_by_the_manifest(tmp_path: Path) -> None:
    model = _models()["initializer"]
    model.graph.initializer[0].data_location = 1
    content = model.SerializeToString()
    (tmp_path / "stream.int8.onnx").write_bytes(content)
    sha256 = json.dumps(hashlib.sha256(content).hexdigest())
    manifest = load_manifest(written(tmp_path, with_value("sha256", sha256)))
    with pytest.raises(ModelError, match="another file"):
        manifest.verify_graph()


@given(st.sampled_from(PLACES), st.data())
@fixed(100)
def test_changed_bytes_of_a_network_never_do_more_than_raise_value_error(place: str, data: st.DataObject) -> None:
    content = bytearray(_models()[place].SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        has_external_data(bytes(content))
    except ValueError as err:
        assert "byte" in str(err)  # noqa: PT017
