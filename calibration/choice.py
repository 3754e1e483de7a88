"""Choose the scales: observe the float network, try every method, keep the one that is nearest on unheard speech.

Where that still costs an activation too much, the layer whose rounding costs most goes back to float, and so on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from calibration.graph import QuantisedNode, insert_pairs, observed_tensors, quantised_nodes
from calibration.histogram import MagnitudeHistogram
from calibration.report import compare, correlation_loss, rms
from calibration.roll_out import RollOut, compute_features, roll_out
from calibration.scales import METHODS, step_of
from calibration.speech import Recording, SpeechSet
from edge.errors import ModelError
from edge.frames import Float32Array
from edge.manifest import Manifest

# Loss of an activation's correlation that is aimed at: under the budget of 0.01, since processors round differently.
CORRELATION_LOSS_GOAL = 0.008
HELD_OUT_EVERY = 4  # every fourth file chooses between the methods; the others make the scales


@dataclass(frozen=True)
class Calibration:
    """A quantised network and how it was come by.

    Attributes:
        model: Q/DQ ONNX model.
        method: Which won.
        methods: Method -> summary of the difference on held-out speech.
        left_in_float: Layers that could be int8 and are not, since they would cost too much.
        tensors: Tensor -> step, largest value seen, share of values that saturate.
        difference: See `calibration.report.compare`: over all speech.
    """

    model: Any
    method: str
    methods: dict[str, dict[str, float]]
    left_in_float: list[str]
    tensors: dict[str, dict[str, float]]
    difference: dict[str, Any]


def calibrate(
    model: Any,
    manifest: Manifest,
    speech: SpeechSet,
    method: str = "auto",
    max_correlation_loss: float = CORRELATION_LOSS_GOAL,
) -> Calibration:
    """Quantise a network.

    Args:
        model: Float ONNX model.
        manifest: Its manifest.
        speech: What it is to be good at.
        method: One of `scales.METHODS`, or "auto" for the best of them.
        max_correlation_loss: While an activation loses more than this, another layer goes back to float.

    Raises:
        ModelError: The network cannot be run or has nothing to quantise, or gives numbers that are not finite.
    """
    nodes = quantised_nodes(model)
    heard, held_out = split(speech)
    histograms = observe(model, manifest, compute_features(manifest, heard), observed_tensors(nodes))
    test, whole = compute_features(manifest, held_out), compute_features(manifest, speech.recordings)
    trial = _Trial(model, manifest, test, whole, METHODS if method == "auto" else (method,), histograms)
    attempt = trial.choose(nodes)
    left_in_float: list[str] = []
    while correlation_loss(attempt.difference) > max_correlation_loss and len(nodes) > 1:
        others = {node.weight: [n for n in nodes if n is not node] for node in nodes}
        costly = min(others, key=lambda name: correlation_loss(trial.difference(trial.quantise(others[name], attempt))))
        left_in_float.append(costly)
        nodes = others[costly]
        attempt = trial.choose(nodes)
    facts = {
        tensor: {
            "step": attempt.steps[tensor],
            "largest": histograms[tensor].largest,
            "saturated_share": histograms[tensor].share_above(127.5 * attempt.steps[tensor]),
        }
        for tensor in observed_tensors(nodes)
    }
    return Calibration(attempt.model, attempt.method, attempt.methods, left_in_float, facts, attempt.difference)


@dataclass(frozen=True)
class _Attempt:
    """A quantised network: model, method, what every method gave, steps and the difference to float on all speech."""

    model: Any
    method: str
    methods: dict[str, dict[str, float]]
    steps: dict[str, float]
    difference: dict[str, Any]


class _Trial:
    """The float network and the speech that quantised ones are tried on."""

    def __init__(
        self,
        model: Any,
        manifest: Manifest,
        held_out: Float32Array,
        whole: Float32Array,
        methods: Iterable[str],
        histograms: Mapping[str, MagnitudeHistogram],
    ) -> None:
        self._model, self._manifest, self._held_out, self._whole = model, manifest, held_out, whole
        self._steps = {
            name: {tensor: step_of(METHODS[name](histogram)) for tensor, histogram in histograms.items()}
            for name in methods
        }
        self._held_out_reference = roll_out(model, manifest, held_out)
        self._whole_reference = roll_out(model, manifest, whole)

    def choose(self, nodes: list[QuantisedNode]) -> _Attempt:
        """Return the best method's network."""
        candidates, found = {}, {}
        for name, steps in self._steps.items():
            candidates[name] = insert_pairs(self._model, nodes, steps)
            found[name] = _distance(
                self._held_out_reference, roll_out(candidates[name], self._manifest, self._held_out)
            )
        best = min(found, key=lambda name: found[name]["rms"])
        return _Attempt(candidates[best], best, found, self._steps[best], self.difference(candidates[best]))

    def quantise(self, nodes: list[QuantisedNode], like: _Attempt) -> Any:
        """Return the network with these nodes in int8 and the steps of an attempt."""
        return insert_pairs(self._model, nodes, like.steps)

    def difference(self, quantised: Any) -> dict[str, Any]:
        """Return how far a network is from float on all speech."""
        rolled = roll_out(quantised, self._manifest, self._whole)
        return compare(self._whole_reference, rolled, self._manifest.channels)


def split(speech: SpeechSet) -> tuple[list[Recording], list[Recording]]:
    """Return the recordings that make the scales and those that choose; of few files, all do both."""
    held_out = set(speech.files[HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY])
    if not held_out:
        return list(speech.recordings), list(speech.recordings)
    heard = [r for r in speech.recordings if r.file not in held_out]
    return heard, [r for r in speech.recordings if r.file in held_out]


def observe(
    model: Any, manifest: Manifest, features: Float32Array, tensors: list[str]
) -> dict[str, MagnitudeHistogram]:
    """Return the histogram of each tensor over a roll-out.

    Raises:
        ModelError: A value is not finite.
    """
    histograms = {name: MagnitudeHistogram() for name in tensors}
    try:
        roll_out(model, manifest, features, tensors, lambda name, value: histograms[name].add(value))
    except ValueError as err:
        raise ModelError(
            f"network {manifest.graph_path}", f"{err} in a roll-out over speech", "Train it again"
        ) from err
    return histograms


def _distance(reference: RollOut, other: RollOut) -> dict[str, float]:
    """Return how far two roll-outs are apart."""
    difference = other.activations - reference.activations
    return {"rms": round(rms(difference), 6), "largest": round(float(abs(difference).max(initial=0)), 6)}
