"""A float network in half the bytes: what is stored comes back, and says nearly the same."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from calibration.float_network import find_network, read_network, shipped_networks
from calibration.roll_out import roll_out
from calibration.stored_weights import MIN_WEIGHTS, narrow, widen
from edge.errors import ModelError
from edge.manifest import load_manifest
from tests.calibration.small_network import make_small_network, write_small_network
from tests.requirements import need

need("onnx", importlib.util.find_spec("onnx") is not None, "pip install 'au-edge[calibrate]'")


def constants(model) -> dict[str, np.ndarray]:
    from onnx import numpy_helper

    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def test_large_weights_take_half_the_bytes_and_everything_else_is_untouched() -> None:
    before, stored = make_small_network(), narrow(make_small_network())
    kept, halves = constants(before), constants(stored)
    large = {name for name, array in kept.items() if name[0] == "w" and array.size >= MIN_WEIGHTS}
    assert large == {"w2", "wi", "wh"}
    for name, array in kept.items():
        if name in large:
            assert halves[f"{name}_stored"].dtype == np.float16
        else:
            np.testing.assert_array_equal(halves[name], array)
    assert len(stored.SerializeToString()) < 0.52 * len(before.SerializeToString())


def test_what_is_read_back_has_no_casts_and_every_weight_within_a_2048th() -> None:
    before, back = make_small_network(), widen(narrow(make_small_network()))
    assert [node.op_type for node in back.graph.node] == [node.op_type for node in before.graph.node]
    kept, found = constants(before), constants(back)
    assert found.keys() == kept.keys()
    for name, array in kept.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_allclose(
            found[name], array, rtol=2**-11, atol=2**-25
        )  # half precision, and its smallest step


def test_the_file_itself_runs_and_says_what_its_widened_weights_say(tmp_path: Path) -> None:
    manifest = load_manifest(write_small_network(tmp_path))
    features = np.random.default_rng(0).uniform(-1, 0, (60, 20, 2)).astype(np.float32)
    stored = narrow(make_small_network())
    as_stored, widened = (roll_out(m, manifest, features) for m in (stored, widen(stored)))
    exact = roll_out(make_small_network(), manifest, features)
    np.testing.assert_allclose(as_stored.activations, widened.activations, atol=1e-6)
    assert 0 < np.abs(as_stored.activations - exact.activations).max() < 1e-3


def test_a_network_is_found_by_its_name_or_its_path_and_a_wrong_name_lists_what_there_is(tmp_path: Path) -> None:
    path = write_small_network(tmp_path)
    assert find_network(str(path)) == path
    assert shipped_networks(tmp_path) == {"small.float32": path}
    assert find_network("small.float32", tmp_path) == path
    with pytest.raises(ModelError, match=r"no float network of that name.*there are: small\.float32"):
        find_network("smal", tmp_path)


def test_a_file_that_is_no_onnx_is_named(tmp_path: Path) -> None:
    manifest = load_manifest(write_small_network(tmp_path, b"no network at all"))
    with pytest.raises(ModelError, match=r"small\.float32\.onnx.*cannot be read as ONNX"):
        read_network(manifest)
