"""The int8 networks that are shipped, against the float networks that are shipped: the budget of the network issue.

Synthetic speech of four voices at two levels, twice in one stream (almost two minutes) with the recurrent state. A
float network that is missing is a failure: without it nobody could calibrate.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from calibration.card import card_numbers, metrics_of
from calibration.choice import observe
from calibration.float_network import read_network, shipped_networks
from calibration.quantize import report_path
from calibration.report import MAX_CORRELATION_LOSS, MAX_MEAN_DIFFERENCE, compare, correlation_loss, rms
from calibration.rewrite import biases_behind_products, products_to_convolutions
from calibration.roll_out import RollOut, compute_features, roll_out
from calibration.speech import SHIPPED_SET, load_speech
from edge.app import shipped_models
from edge.manifest import Manifest, load_manifest
from tests.requirements import need_module

need_module("onnx")

WITHOUT_FLOAT = {"paper"}  # 19 MB for a network that is here as the reference; its report is checked
MAX_SATURATED_SHARE = 1e-3  # of a tensor's values
MAX_GROWTH = 1.25  # of the error between the first and the last third, and from one hearing to the next
STILL = 1e-4  # an activation that never reaches this over two minutes of speech shows nothing
NAMES = [name for name in shipped_models() if name not in WITHOUT_FLOAT]


@dataclass(frozen=True)
class Compared:
    """Both networks of a name over the same stream."""

    manifest: Manifest
    float_manifest: Manifest
    reference: RollOut
    int8: RollOut


@pytest.fixture(scope="module", params=NAMES)
def compared(request: pytest.FixtureRequest) -> Compared:
    import onnx

    name = request.param
    assert name in shipped_networks(), f"no float network {name}: python -m calibration ship EXPORT.json"
    manifest, float_manifest = load_manifest(shipped_models()[name]), load_manifest(shipped_networks()[name])
    model, _ = read_network(float_manifest)
    speech = load_speech(SHIPPED_SET, manifest.sample_rate_hz)
    assert len(speech.files) >= 4
    features = compute_features(manifest, [*speech.recordings, *speech.recordings])
    assert len(features) / float(manifest.frame_rate) > 60
    quantised = onnx.load_from_string(manifest.verify_graph())
    return Compared(
        manifest,
        float_manifest,
        roll_out(model, float_manifest, features),
        roll_out(quantised, manifest, features),
    )


def test_both_are_of_one_network(compared: Compared) -> None:
    ours, theirs = compared.manifest, compared.float_manifest
    for fact in ("name", "version", "channels", "masked_channels", "features", "frame_rate", "state", "lookahead_ms"):
        assert getattr(ours, fact) == getattr(theirs, fact), fact
    assert (ours.precision, theirs.precision) == ("int8", "float32")


def test_int8_stays_within_the_budget(compared: Compared) -> None:
    found = compare(compared.reference, compared.int8, compared.manifest.channels)
    assert found["mean_difference"] <= MAX_MEAN_DIFFERENCE
    moving = [name for name, facts in found["channels"].items() if facts["correlation"] is not None]
    assert {"jawOpen", "mouthClose", "mouthPucker"} <= set(moving)
    lost = {name: 1 - found["channels"][name]["correlation"] for name in moving}
    assert max(lost.values()) <= MAX_CORRELATION_LOSS, {n: v for n, v in lost.items() if v > MAX_CORRELATION_LOSS}
    assert correlation_loss(found) == max(lost.values())
    assert found["lip_geometry"]["lip_gap_mm"]["rms"] < 0.5
    assert found["head_deg"]["rms"] < 0.5


def test_a_channel_that_never_moves_is_named_as_one_that_rests(compared: Compared) -> None:
    for found, manifest in ((compared.int8, compared.manifest), (compared.reference, compared.float_manifest)):
        highest = found.activations.max(axis=0)
        still = {name for name, value in zip(manifest.channels, highest, strict=True) if value < STILL}
        assert still == set(manifest.masked_channels)


def test_its_error_does_not_grow_with_time(compared: Compared) -> None:
    error = compared.int8.activations - compared.reference.activations
    first, _, last = np.array_split(error, 3)
    assert rms(last) <= MAX_GROWTH * rms(first)
    once, again = error[: len(error) // 2], error[-(len(error) // 2) :]  # the same sound, a minute later
    assert rms(again) <= MAX_GROWTH * rms(once)


def test_no_tensor_saturates(compared: Compared) -> None:
    import onnx
    from onnx import numpy_helper

    graph = onnx.load_from_string(compared.manifest.verify_graph()).graph
    steps = {t.name: numpy_helper.to_array(t) for t in graph.initializer if t.name.endswith("_scale")}
    scales = {n.input[0]: float(steps[n.input[1]]) for n in graph.node if n.op_type == "QuantizeLinear"}
    model = biases_behind_products(products_to_convolutions(read_network(compared.float_manifest)[0]))
    inner = {name for node in model.graph.node for name in node.output} | {value.name for value in model.graph.input}
    activated = {n.input[0]: n.output[0] for n in model.graph.node if n.op_type == "LeakyRelu"}
    # Before a leaky ReLU only what is positive counts: what is negative is divided by a hundred behind it.
    looked_at = {tensor: activated.get(tensor, tensor) for tensor in scales}
    assert set(looked_at.values()) <= inner
    assert looked_at
    speech = load_speech(SHIPPED_SET, compared.manifest.sample_rate_hz)
    features = compute_features(compared.manifest, speech.recordings)
    found = observe(model, compared.float_manifest, features, list(dict.fromkeys(looked_at.values())))
    shares = {tensor: found[behind].share_above(127.5 * scales[tensor]) for tensor, behind in looked_at.items()}
    assert max(shares.values()) <= MAX_SATURATED_SHARE, shares


def report_of(name: str) -> dict:
    return json.loads(report_path(shipped_models()[name]).read_text())


@pytest.mark.parametrize("name", shipped_models())
def test_the_report_beside_a_network_is_about_it_and_within_the_budget(name: str) -> None:
    manifest, report = load_manifest(shipped_models()[name]), report_of(name)
    assert report["int8_sha256"] == hashlib.sha256(manifest.verify_graph()).hexdigest()
    assert report["difference"]["n_frames"] / float(manifest.frame_rate) > 50
    assert report["difference"]["mean_difference"] <= MAX_MEAN_DIFFERENCE
    assert correlation_loss(report["difference"]) <= MAX_CORRELATION_LOSS
    assert all(tensor["saturated_share"] <= MAX_SATURATED_SHARE for tensor in report["tensors"].values())
    assert manifest.metrics["int8_against_float"] == metrics_of(report)
    if name not in WITHOUT_FLOAT:
        assert report["network"]["sha256"] == load_manifest(shipped_networks()[name]).sha256


@pytest.mark.parametrize("name", shipped_models())
def test_a_model_card_tells_the_numbers_of_its_report(name: str) -> None:
    assert card_numbers(report_of(name)) in Path(shipped_models()[name]).with_suffix(".md").read_text()
