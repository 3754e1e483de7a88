"""Run a network over recordings as the runtime would: edge's windows and features, one frame a call, with its state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from calibration.speech import Recording
from edge.backends.onnx_runtime import EXACT_PRODUCTS
from edge.errors import ModelError
from edge.frames import Float32Array
from edge.manifest import Manifest


@dataclass(frozen=True)
class RollOut:
    """What a network said, frame by frame, in one stream without a reset.

    Attributes:
        activations: float32 [n_frames, n_channels].
        head_deg: float32 [n_frames, 3].
    """

    activations: Float32Array
    head_deg: Float32Array


def compute_features(manifest: Manifest, recordings: Sequence[Recording]) -> Float32Array:
    """Return the features of all recordings as one stream, float32 [n_frames, ...] without the batch axis."""
    from edge.app import make_features
    from edge.features.framing import FrameAxis, Framer

    extractor = make_features(manifest)
    framer = Framer(FrameAxis(manifest.sample_rate_hz, manifest.frame_rate), extractor.window_samples)
    rows, at = [], 0
    for recording in recordings:
        framer.push(recording.samples, at)
        at += len(recording.samples)
        while (ready := framer.next_window()) is not None:
            row = np.empty(extractor.shape, np.float32)
            extractor.compute(ready[1], row)
            rows.append(row[0])
    return np.stack(rows)


def roll_out(
    model: Any,
    manifest: Manifest,
    features: Float32Array,
    tensors: Sequence[str] = (),
    observe: Callable[[str, Float32Array], None] | None = None,
) -> RollOut:
    """Run a network over a stream from a zero state.

    Args:
        model: ONNX model.
        manifest: Names and shapes.
        features: From `compute_features`.
        tensors: Inner tensors to look at.
        observe: Called with the name and value of each of them, every frame.

    Raises:
        ModelError: ONNX Runtime cannot run it, or it does not have the tensors of the manifest.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry(*EXACT_PRODUCTS)
    try:
        session = onnxruntime.InferenceSession(
            _with_outputs(model, manifest, tensors), options, providers=["CPUExecutionProvider"]
        )
        return _run(session, manifest, features, tensors, observe)
    except Exception as err:  # ONNX Runtime's errors have no common base below Exception
        if isinstance(err, (ModelError, ValueError, MemoryError)):
            raise
        raise ModelError(
            f"network {manifest.graph_path}", str(err).splitlines()[0], "Export network and manifest again, together"
        ) from err


def _run(
    session: Any,
    manifest: Manifest,
    features: Float32Array,
    tensors: Sequence[str],
    observe: Callable[[str, Float32Array], None] | None,
) -> RollOut:
    """Step through the stream."""
    inner = [name for name in tensors if name not in {node.name for node in session.get_inputs()}]
    wanted = [manifest.activations, manifest.head, *(s.output for s in manifest.state), *inner]
    n_states = len(manifest.state)
    state = {s.input: np.zeros(s.shape, np.float32) for s in manifest.state}
    activations = np.empty((len(features), manifest.n_channels), np.float32)
    head_deg = np.empty((len(features), 3), np.float32)
    for frame, row in enumerate(features):
        fed = {manifest.input: row[None], **state}
        outputs = session.run(wanted, fed)
        activations[frame], head_deg[frame] = outputs[0][0], outputs[1][0]
        state = {s.input: value for s, value in zip(manifest.state, outputs[2 : 2 + n_states], strict=True)}
        if observe is not None:
            found = {**fed, **dict(zip(inner, outputs[2 + n_states :], strict=True))}
            for name in tensors:
                observe(name, found[name])
    return RollOut(activations, head_deg)


def _with_outputs(model: Any, manifest: Manifest, tensors: Sequence[str]) -> bytes:
    """Return the model's bytes with inner tensors as outputs too."""
    import onnx

    widened = onnx.ModelProto()
    widened.CopyFrom(model)
    present = {value.name for value in widened.graph.output} | {value.name for value in widened.graph.input}
    widened.graph.output.extend(onnx.ValueInfoProto(name=name) for name in tensors if name not in present)
    content: bytes = widened.SerializeToString()
    return content
