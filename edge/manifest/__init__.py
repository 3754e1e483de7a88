"""The facts about a network: the JSON file beside it that the whole runtime is fixed by.

A manifest names the sample rate, frame rate, features, channels in order, state tensors and look-ahead. Code never
assumes any of them. Format `au-edge-model/1`; unknown keys are refused so that a misspelt one cannot be silent.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from edge.bounded_file import read_bounded
from edge.errors import ModelError
from edge.manifest.external_data import has_external_data
from edge.manifest.plain_values import PLAIN_WORD, odd_values, wrong_kinds

FORMAT = "au-edge-model/1"
MAX_MANIFEST_BYTES = 256 * 1024  # a manifest is about 4 KiB; more is not a manifest
MAX_GRAPH_BYTES = 512 * 1024 * 1024  # the paper's network in float32 is 38 MiB
MAX_CHANNELS = 256
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


@dataclass(frozen=True)
class StateTensor:
    """A recurrent state: the graph's output of one frame is its input at the next.

    Attributes:
        input: Name of the graph's input.
        output: Name of the graph's output.
        shape: Shape of both.
    """

    input: str
    output: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Curve:
    """How one channel is brought to the range of rigs; see `edge.postprocess.articulation`.

    Attributes:
        start: Activation at which it begins to be shown, at least 0.
        knee: Width of the bend there; 0 is a corner.
        gain: Slope above it, more than 0.
    """

    start: float
    knee: float
    gain: float


@dataclass(frozen=True)
class Lips:
    """How the network's activations part the lips; see `edge.postprocess.lips`.

    Attributes:
        gap_mm: Millimetres of lip gap for a full activation, by channel.
        rest_mm: Gap of a face at rest.
        met_mm: Gap up to which the lips have met.
        parted_mm: Gap from which on they have not; more than `met_mm`.
    """

    gap_mm: Mapping[str, float]
    rest_mm: float
    met_mm: float
    parted_mm: float


@dataclass(frozen=True)
class Manifest:
    """A network and everything that the runtime must know about it.

    Attributes:
        path: The manifest's own file.
        name: Short name ("paper", "stream").
        version: Version of the weights.
        graph_path: The ONNX file.
        sha256: Of the ONNX file, hex.
        precision: "int8" (Q/DQ) or "float32".
        sample_rate_hz: Rate that the features are computed at.
        frame_rate: Frames a second, exact.
        features: `kind` and the parameters of the extractor, as plain JSON values.
        input: Name of the graph's feature input.
        state: Recurrent tensors, in any number.
        activations: Name of the output [1, n_channels] in [0, 1].
        head: Name of the output [1, 3]: pitch, yaw, roll in degrees.
        channels: Names, in the order of the output.
        masked_channels: Channels that the training data could not inform: they stay at rest.
        lookahead_ms: How much later than its sound a face is known; 0 for a causal network.
        licence: Of the weights.
        metrics: What was measured, for people.
        articulation: Curves by channel; a channel without one is shown as the network has it.
        lips: None where the network does not say how its channels part the lips.
    """

    path: Path
    name: str
    version: str
    graph_path: Path
    sha256: str
    precision: str
    sample_rate_hz: int
    frame_rate: Fraction
    features: Mapping[str, Any]
    input: str
    state: tuple[StateTensor, ...]
    activations: str
    head: str
    channels: tuple[str, ...]
    masked_channels: tuple[str, ...]
    lookahead_ms: float
    licence: str
    metrics: Mapping[str, Any]
    articulation: Mapping[str, Curve] = field(default_factory=dict)
    lips: Lips | None = None

    @property
    def n_channels(self) -> int:
        """Return the number of activations."""
        return len(self.channels)

    @property
    def frame_period_s(self) -> float:
        """Return the time between two frames."""
        return float(1 / self.frame_rate)

    @property
    def lookahead_samples(self) -> int:
        """Return the look-ahead on the model's sample axis."""
        return round(self.lookahead_ms * self.sample_rate_hz / 1000)

    def verify_graph(self) -> bytes:
        """Return the graph's bytes after checking that they are the ones the manifest was written for.

        Raises:
            ModelError: Missing, too large, another file, no ONNX, or one that keeps weights elsewhere.
        """
        asked = f"network {self.graph_path.name} of manifest {self.path}"
        try:
            content = read_bounded(self.graph_path, MAX_GRAPH_BYTES)
        except OSError as err:
            raise ModelError(
                asked, f"cannot be read: {err.strerror or err}", "Install the package again, or correct `model.path`"
            ) from err
        if len(content) > MAX_GRAPH_BYTES:
            raise ModelError(asked, f"it has more than {MAX_GRAPH_BYTES} bytes", "Export it again")
        digest = hashlib.sha256(content).hexdigest()
        if digest != self.sha256:
            raise ModelError(
                asked,
                f"its SHA-256 is {digest[:12]}..., the manifest says {self.sha256[:12]}... (truncated or another file)",
                "Copy the network and its manifest again, both together",
            )
        try:
            is_elsewhere = has_external_data(content)
        except ValueError as err:
            raise ModelError(asked, f"it cannot be read as ONNX: {err}", "Export it again") from err
        if is_elsewhere:
            raise ModelError(
                asked, "weights of it lie in another file, which the SHA-256 does not cover",
                "Save it as one file: `onnx.save(onnx.load(PATH), PATH, save_as_external_data=False)`",
            )  # fmt: skip
        return content


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
    mistakes = _inconsistencies(manifest)
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


def _inconsistencies(manifest: Manifest) -> list[str]:
    """Return what cannot be true of any network."""
    found = []
    if not 8_000 <= manifest.sample_rate_hz <= 192_000:
        found.append(f"sample_rate_hz {manifest.sample_rate_hz} is outside 8000 to 192000")
    if not 1 <= manifest.frame_rate <= 240:
        found.append(f"frame_rate {manifest.frame_rate} is outside 1 to 240 a second")
    if not 0 < len(manifest.channels) <= MAX_CHANNELS or len(set(manifest.channels)) != len(manifest.channels):
        found.append(f"channels must be 1 to {MAX_CHANNELS} different names")
    unknown = sorted(set(manifest.masked_channels) - set(manifest.channels))
    if unknown:
        found.append(f"masked_channels names {', '.join(unknown)}, which are no channels")
    found += _bent_wrongly(manifest)
    if not 0 <= manifest.lookahead_ms <= 1000:
        found.append(f"lookahead_ms {manifest.lookahead_ms} is outside 0 to 1000")
    if "kind" not in manifest.features:
        found.append("features has no `kind`")
    if any(d <= 0 for s in manifest.state for d in s.shape):
        found.append("a state tensor has a dimension that is not positive")
    return found


def _bent_wrongly(manifest: Manifest) -> list[str]:
    """Return what is wrong with curves and lips."""
    lips = manifest.lips
    named = {"articulation": manifest.articulation, "lips.gap_mm": lips.gap_mm if lips else {}}
    found = [
        f"{key} names {', '.join(unknown)}, which are no channels"
        for key, table in named.items()
        if (unknown := sorted(set(table) - set(manifest.channels)))
    ]
    found += [
        f"articulation of {name} needs 0 <= start <= 1, 0 <= knee <= 1 and 0 < gain <= 20"
        for name, curve in manifest.articulation.items()
        if not (0 <= curve.start <= 1 and 0 <= curve.knee <= 1 and 0 < curve.gain <= 20)
    ]
    if lips and not (
        0 <= lips.met_mm < lips.parted_mm <= 100
        and abs(lips.rest_mm) <= 100
        and all(abs(value) <= 1000 for value in lips.gap_mm.values())
    ):
        found.append("lips needs 0 <= met_mm < parted_mm, and distances of a face")
    return found
