"""The facts about a network: the JSON file beside it that the whole runtime is fixed by.

A manifest names the sample rate, frame rate, features, channels in order, state tensors and look-ahead. Code never
assumes any of them. Format `au-edge-model/1`; unknown keys are refused so that a misspelt one cannot be silent.
"""

from edge.manifest.consistency import MAX_CHANNELS
from edge.manifest.facts import Curve, Lips, Manifest, StateTensor
from edge.manifest.reading import FORMAT, load_manifest

__all__ = ["FORMAT", "MAX_CHANNELS", "Curve", "Lips", "Manifest", "StateTensor", "load_manifest"]
