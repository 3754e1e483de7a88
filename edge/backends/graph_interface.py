"""What a graph must look like from outside so that the runtime can feed it: the same check for every library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge.errors import ModelError
from edge.manifest import Manifest

N_HEAD_ANGLES = 3  # pitch, yaw, roll


@dataclass(frozen=True)
class TensorFacts:
    """One input or output of a graph.

    Attributes:
        name: As the graph calls it.
        shape: Its dimensions; None where one is not fixed.
        dtype: "float32", or what else the library calls it.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str

    @property
    def is_fixed(self) -> bool:
        """Return whether every dimension is a positive number."""
        return all(d is not None and d > 0 for d in self.shape)


def check_interface(
    manifest: Manifest, asked: str, inputs: Sequence[TensorFacts], outputs: Sequence[TensorFacts]
) -> tuple[int, ...]:
    """Compare a graph's inputs and outputs with its manifest.

    Args:
        manifest: What the runtime will feed.
        asked: The file, for the message.
        inputs: Of the graph or engine.
        outputs: Of the graph or engine.

    Returns:
        The shape of the feature input.

    Raises:
        ModelError: They disagree; every difference in one message.
    """
    wanted_in: dict[str, tuple[int, ...] | None] = {manifest.input: None}
    wanted_in |= {state.input: state.shape for state in manifest.state}
    wanted_out: dict[str, tuple[int, ...] | None] = {
        manifest.activations: (1, manifest.n_channels),
        manifest.head: (1, N_HEAD_ANGLES),
    }
    wanted_out |= {state.output: state.shape for state in manifest.state}
    mistakes = _differences("input", wanted_in, inputs) + _differences("output", wanted_out, outputs)
    features = next((t for t in inputs if t.name == manifest.input), None)
    if features is not None and features.is_fixed and features.shape[:1] != (1,):
        mistakes.append(f"input {features.name!r} has shape {_text(features.shape)}; the first axis is the batch of 1")
    if mistakes or features is None:
        raise ModelError(
            asked,
            f"it disagrees with the manifest {manifest.path.name}: " + "; ".join(mistakes),
            "Network and manifest must come from one `python -m engine_build export`",
        )
    return tuple(d for d in features.shape if d is not None)


def _differences(kind: str, wanted: dict[str, tuple[int, ...] | None], found: Sequence[TensorFacts]) -> list[str]:
    """Return in words what is missing, superfluous, or of another shape or type."""
    by_name = {tensor.name: tensor for tensor in found}
    mistakes = [f"{kind} {name!r} is missing" for name in wanted if name not in by_name]
    mistakes += [f"{kind} {name!r} is not in the manifest" for name in by_name if name not in wanted]
    for name, shape in wanted.items():
        tensor = by_name.get(name)
        if tensor is None:
            continue
        if tensor.dtype != "float32":
            mistakes.append(f"{kind} {name!r} is {tensor.dtype}, not float32")
        if not tensor.is_fixed:
            mistakes.append(f"{kind} {name!r} has shape {_text(tensor.shape)}, not fixed: export without dynamic axes")
        elif shape is not None and tensor.shape != shape:
            mistakes.append(f"{kind} {name!r} has shape {_text(tensor.shape)}, not {_text(shape)}")
    return mistakes


def _text(shape: tuple[int | None, ...]) -> str:
    """Return a shape as people write it."""
    return "x".join("?" if d is None or d < 0 else str(d) for d in shape) or "scalar"
