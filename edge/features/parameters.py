"""Read an extractor's parameters from a manifest: all of them, of the right type, and no others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge.errors import ModelError

_REMEDY = "Export the network again with `python -m engine_build export`"


def read_parameters(features: Mapping[str, Any], kind: str, types: Mapping[str, type]) -> dict[str, Any]:
    """Return the parameters of an extractor, checked against what it takes.

    Args:
        features: The manifest's `features`, with its `kind`.
        kind: The extractor's own kind.
        types: Name -> int, float or str, for every parameter; an int is taken for a float.

    Raises:
        ModelError: Of another kind, or a parameter is missing, unknown or of another type; all in one message.
    """
    mistakes = [] if features.get("kind") == kind else [f"kind is {features.get('kind')!r}"]
    mistakes += [f"{name!r} is missing" for name in types if name not in features]
    mistakes += [f"{name!r} is unknown" for name in features if name not in types and name != "kind"]
    values: dict[str, Any] = {}
    for name, wanted in types.items():
        value = features.get(name)
        if wanted is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if name in features and (not isinstance(value, wanted) or isinstance(value, bool)):
            mistakes.append(f"{name!r} is {value!r}, not of type {wanted.__name__}")
        values[name] = value
    if mistakes:
        raise bad_parameters(kind, mistakes)
    return values


def bad_parameters(kind: str, mistakes: list[str]) -> ModelError:
    """Return the error for parameters that cannot be."""
    return ModelError(f"features of kind {kind!r} in the model manifest", "; ".join(mistakes), _REMEDY)
