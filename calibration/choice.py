"""Choose the scales: observe the float network, try every method, keep the one that is nearest on unheard speech.

Where that still costs an activation too much, a layer goes back to float: the smallest that is enough, or the one whose
rounding costs most, and so on. With each method for itself, since the one that is nearest at first may end with the
largest layer in float.
"""

from __future__ import annotations

import dataclasses
import math
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
    attempt, left_in_float = trial.choose(nodes), list[str]()
    if correlation_loss(attempt.difference) > max_correlation_loss:
        attempt, left_in_float = _with_least_in_float(trial, nodes, max_correlation_loss)
        nodes = [node for node in nodes if node.weight not in left_in_float]
    facts = {
        tensor: {
            "step": attempt.steps[tensor],
            "largest": histograms[tensor].largest,
            "saturated_share": histograms[tensor].share_above(127.5 * attempt.steps[tensor]),
        }
        for tensor in observed_tensors(nodes)
    }
    return Calibration(attempt.model, attempt.method, attempt.methods, left_in_float, facts, attempt.difference)


def _with_least_in_float(
    trial: _Trial, nodes: list[QuantisedNode], max_correlation_loss: float
) -> tuple[_Attempt, list[str]]:
    """Return the network that meets the goal with the fewest weights in float, and the layers that it leaves there.

    Of networks that leave the same in float, the nearest; where no method meets the goal, the one that comes nearest.
    """
    found = []
    for method in trial.methods:
        kept, left = nodes, list[str]()
        attempt = trial.attempt(kept, method)
        while correlation_loss(attempt.difference) > max_correlation_loss and len(kept) > 1:
            others = {node.weight: [n for n in kept if n is not node] for node in kept}
            tried = {name: trial.attempt(rest, method) for name, rest in others.items()}
            losses = {name: correlation_loss(one.difference) for name, one in tried.items()}
            enough = [name for name, loss in losses.items() if loss <= max_correlation_loss]
            chosen = min(enough, key=trial.n_weights) if enough else min(losses, key=lambda name: losses[name])
            attempt, kept = tried[chosen], others[chosen]
            left.append(chosen)
        excess = max(0.0, correlation_loss(attempt.difference) - max_correlation_loss)
        cost = (excess, sum(trial.n_weights(name) for name in left), attempt.methods[method]["rms"])
        found.append((cost, attempt, left))
    _, best, left = min(found, key=lambda entry: entry[0])
    methods = {attempt.method: attempt.methods[attempt.method] for _, attempt, _ in found}
    return dataclasses.replace(best, methods=methods), left


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

    @property
    def methods(self) -> tuple[str, ...]:
        """Return the names of the methods to try."""
        return tuple(self._steps)

    def n_weights(self, name: str) -> int:
        """Return how many numbers a weight has."""
        return int(next(math.prod(tensor.dims) for tensor in self._model.graph.initializer if tensor.name == name))

    def choose(self, nodes: list[QuantisedNode]) -> _Attempt:
        """Return the best method's network."""
        distances = {name: self._distance(self._quantised(nodes, name)) for name in self._steps}
        best = min(distances, key=lambda name: distances[name]["rms"])
        return dataclasses.replace(self.attempt(nodes, best), methods=distances)

    def attempt(self, nodes: list[QuantisedNode], method: str) -> _Attempt:
        """Return the network with these nodes in int8 by one method."""
        quantised = self._quantised(nodes, method)
        distances = {method: self._distance(quantised)}
        return _Attempt(quantised, method, distances, self._steps[method], self.difference(quantised))

    def _quantised(self, nodes: list[QuantisedNode], method: str) -> Any:
        return insert_pairs(self._model, nodes, self._steps[method])

    def _distance(self, quantised: Any) -> dict[str, float]:
        """Return how far a network is from float on the speech that chooses."""
        return _distance(self._held_out_reference, roll_out(quantised, self._manifest, self._held_out))

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
