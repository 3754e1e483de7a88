"""Choose the scales: observe the float network, try every method, keep the one that is nearest on unheard speech."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from calibration.graph import insert_pairs, observed_tensors, quantised_nodes
from calibration.histogram import MagnitudeHistogram
from calibration.report import compare, rms
from calibration.roll_out import RollOut, compute_features, roll_out
from calibration.scales import METHODS, step_of
from calibration.speech import Recording, SpeechSet
from edge.errors import ModelError
from edge.frames import Float32Array
from edge.manifest import Manifest

HELD_OUT_EVERY = 4  # every fourth file chooses between the methods; the others make the scales


@dataclass(frozen=True)
class Calibration:
    """A quantised network and how it was come by.

    Attributes:
        model: Q/DQ ONNX model.
        method: Which won.
        methods: Method -> summary of the difference on held-out speech.
        tensors: Tensor -> step, largest value seen, share of values that saturate.
        difference: See `calibration.report.compare`: over all speech.
    """

    model: Any
    method: str
    methods: dict[str, dict[str, float]]
    tensors: dict[str, dict[str, float]]
    difference: dict[str, Any]


def calibrate(model: Any, manifest: Manifest, speech: SpeechSet, method: str = "auto") -> Calibration:
    """Quantise a network.

    Args:
        model: Float ONNX model.
        manifest: Its manifest.
        speech: What it is to be good at.
        method: One of `scales.METHODS`, or "auto" for the best of them.

    Raises:
        ModelError: The network cannot be run or has nothing to quantise, or gives numbers that are not finite.
    """
    nodes = quantised_nodes(model)
    tensors = observed_tensors(nodes)
    heard, held_out = split(speech)
    histograms = observe(model, manifest, compute_features(manifest, heard), tensors)
    test = compute_features(manifest, held_out)
    reference = roll_out(model, manifest, test)
    candidates: dict[str, Any] = {}
    found: dict[str, dict[str, float]] = {}
    for name in METHODS if method == "auto" else (method,):
        steps = {tensor: step_of(METHODS[name](histogram)) for tensor, histogram in histograms.items()}
        candidates[name] = (insert_pairs(model, nodes, steps), steps)
        found[name] = _distance(reference, roll_out(candidates[name][0], manifest, test))
    best = min(found, key=lambda name: found[name]["rms"])
    quantised, steps = candidates[best]
    whole = compute_features(manifest, speech.recordings)
    difference = compare(roll_out(model, manifest, whole), roll_out(quantised, manifest, whole), manifest.channels)
    facts = {
        tensor: {
            "step": steps[tensor],
            "largest": histogram.largest,
            "saturated_share": histogram.share_above(127.5 * steps[tensor]),
        }
        for tensor, histogram in histograms.items()
    }
    return Calibration(quantised, best, found, facts, difference)


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
