"""What a manifest holds, and whether the network beside it is the one that it was written for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from edge.bounded_file import read_bounded
from edge.errors import ModelError
from edge.manifest.external_data import has_external_data

MAX_GRAPH_BYTES = 512 * 1024 * 1024  # the paper's network in float32 is 38 MiB


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
