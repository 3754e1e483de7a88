"""Read a manifest: JSON of one format, every field of the kind that code rests on, or one message of what is wrong."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from edge.bounded_file import read_bounded
from edge.errors import ModelError
from edge.manifest.consistency import inconsistencies
from edge.manifest.facts import Curve, Lips, Manifest, StateTensor
from edge.manifest.plain_values import PLAIN_WORD, odd_values, wrong_kinds

FORMAT = "au-edge-model/1"
MAX_MANIFEST_BYTES = 256 * 1024  # a manifest is about 4 KiB; more is not a manifest
MAX_STATE_VALUES = 1 << 24  # of one tensor; the largest of ours has 1000
PLAIN_CHANNEL = re.compile(r"[^\s\x00-\x1f]{1,64}")

_REQUIRED = {
    "format", "name", "version", "graph", "sha256", "precision", "sample_rate_hz", "frame_rate", "features",
    "input", "state", "activations", "head", "channels", "lookahead_ms", "licence",
}  # fmt: skip
_OPTIONAL = {
    "masked_channels",
    "variants",
    "trained_on",
    "metrics",
    "created",
    "head_range_deg",
    "description",
    "lip_seal_mm",
    "articulation",
    "lips",
}


_KINDS = {
    "name": "text", "graph": "text", "sha256": "text", "precision": "text", "sample_rate_hz": "whole number",
    "frame_rate": "list", "features": "object", "input": "text", "state": "list", "activations": "text", "head": "text",
    "channels": "list", "masked_channels": "list", "lookahead_ms": "number", "licence": "text", "metrics": "object",
    "articulation": "object", "lips": "object",
}  # fmt: skip


def load_manifest(path: Path) -> Manifest:
    """Read and check a manifest.

    Args:
        path: The JSON file.

    Returns:
        The manifest; the graph itself is not read (see `Manifest.verify_graph`).

    Raises:
        ModelError: Missing, not JSON, of another format, or inconsistent in itself; all mistakes in one message.
    """
    asked = f"model manifest {path}"
    try:
        content = read_bounded(path, MAX_MANIFEST_BYTES)
    except OSError as err:
        raise ModelError(asked, f"cannot be read: {err.strerror or err}", "Correct `model.path`") from err
    if len(content) > MAX_MANIFEST_BYTES:
        raise ModelError(asked, "it is larger than 256 KiB", "Give the JSON file, not the network")
    try:
        raw = json.loads(content.decode("utf-8"))
    except (UnicodeDecodeError, ValueError, RecursionError) as err:
        raise ModelError(asked, f"it is not JSON ({err})", "Give the .json file beside the .onnx file") from err
    return _parse(raw, path, asked)


def _parse(raw: object, path: Path, asked: str) -> Manifest:
    """Turn JSON values into a Manifest, or name everything that is wrong with them."""
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        found = raw.get("format") if isinstance(raw, dict) else type(raw).__name__
        raise ModelError(asked, f"its format is {found!r}, not {FORMAT!r}", "Export the network with this version")
    mistakes = [f"key {key!r} is missing" for key in sorted(_REQUIRED - raw.keys())]
    mistakes += [f"key {key!r} is unknown" for key in sorted(raw.keys() - _REQUIRED - _OPTIONAL)]
    mistakes = mistakes or odd_values(raw) or _wrong_forms(raw)
    if mistakes:
        raise ModelError(asked, "; ".join(mistakes), "Export the network again with `python -m engine_build export`")
    try:
        manifest = _build(raw, path)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError, ZeroDivisionError) as err:
        raise ModelError(asked, f"a value has the wrong type or form ({err})", "Export the network again") from err
    mistakes = inconsistencies(manifest)
    if mistakes:
        raise ModelError(asked, "; ".join(mistakes), "Export the network again with `python -m engine_build export`")
    return manifest


def _wrong_forms(raw: Mapping[str, Any]) -> list[str]:
    """Return which fields are of another kind than code rests on."""
    found = wrong_kinds(raw, _KINDS)
    if found:
        return found
    if not PLAIN_WORD.fullmatch(raw["name"]):
        found.append(f"name {raw['name']!r} is no plain word: letters, digits, `_`, `.` and `-`, at most 64")
    if not re.fullmatch("[0-9a-fA-F]{64}", raw["sha256"]):
        found.append(f"sha256 {raw['sha256']!r} is not 64 hexadecimal digits")
    if len(raw["frame_rate"]) != 2 or not all(type(n) is int for n in raw["frame_rate"]) or raw["frame_rate"][1] == 0:
        found.append(f"frame_rate {raw['frame_rate']!r} is not two whole numbers, such as [30, 1]")
    for key in ("channels", "masked_channels"):
        names = raw.get(key, [])
        if not all(isinstance(name, str) and PLAIN_CHANNEL.fullmatch(name) for name in names):
            found.append(f"{key} holds what is no name: printable, without spaces, at most 64 characters")
    for i, tensor in enumerate(raw["state"]):
        if not _is_state(tensor):
            found.append(f"state[{i}] is not an object of `input`, `output` and `shape` (whole numbers above 0)")
    return found


def _is_state(tensor: object) -> bool:
    if not isinstance(tensor, dict) or tensor.keys() != {"input", "output", "shape"}:
        return False
    shape = tensor["shape"]
    return (
        isinstance(tensor["input"], str)
        and isinstance(tensor["output"], str)
        and isinstance(shape, list)
        and all(type(d) is int and d > 0 for d in shape)
        and math.prod(shape) <= MAX_STATE_VALUES
    )


def _build(raw: dict[str, Any], path: Path) -> Manifest:
    graph_name = str(raw["graph"])
    if Path(graph_name).name != graph_name:
        raise ValueError(f"graph {graph_name!r} is not a plain file name beside the manifest")
    numerator, denominator = raw["frame_rate"]
    return Manifest(
        path=path,
        name=str(raw["name"]),
        version=str(raw["version"]),
        graph_path=path.parent / graph_name,
        sha256=str(raw["sha256"]).lower(),
        precision=str(raw["precision"]),
        sample_rate_hz=int(raw["sample_rate_hz"]),
        frame_rate=Fraction(int(numerator), int(denominator)),
        features=dict(raw["features"]),
        input=str(raw["input"]),
        state=tuple(
            StateTensor(str(s["input"]), str(s["output"]), tuple(int(d) for d in s["shape"])) for s in raw["state"]
        ),
        activations=str(raw["activations"]),
        head=str(raw["head"]),
        channels=tuple(str(c) for c in raw["channels"]),
        masked_channels=tuple(str(c) for c in raw.get("masked_channels", ())),
        lookahead_ms=float(raw["lookahead_ms"]),
        licence=str(raw["licence"]),
        metrics=dict(raw.get("metrics", {})),
        articulation=_articulation(raw.get("articulation", {})),
        lips=_lips(raw["lips"]) if "lips" in raw else None,
    )


def _articulation(raw: Mapping[str, Any]) -> dict[str, Curve]:
    try:
        return {str(name): Curve(**{key: float(value) for key, value in curve.items()}) for name, curve in raw.items()}
    except (AttributeError, TypeError, ValueError, OverflowError) as err:
        raise ValueError(f"articulation: each channel has start, knee and gain, all numbers; {err}") from err


def _lips(raw: Mapping[str, Any]) -> Lips:
    try:
        gap_mm = {str(name): float(value) for name, value in raw["gap_mm"].items()}
        return Lips(gap_mm, *(float(raw[key]) for key in ("rest_mm", "met_mm", "parted_mm")))
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as err:
        raise ValueError(
            f"lips: gap_mm by channel, rest_mm, met_mm and parted_mm are needed, all numbers; {err}"
        ) from err
