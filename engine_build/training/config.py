"""What a training run is: read from a JSON file, changed by `-o key=value`, kept beside the checkpoints.

The shipped presets name no corpora: those are yours. A file needs `corpora` (a list of `CorpusSpec` fields) and
`validation` (the same); everything else has a default.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from edge.errors import ConfigurationError
from engine_build.data.augment import AugmentSpec
from engine_build.data.corpus import CorpusSpec, FeatureSpec
from engine_build.training.losses import LossWeights

ARKIT_CHANNELS = (
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff",
    "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight",
    "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight",
    "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen", "jawRight",
    "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel",
    "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker",
    "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft",
    "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight", "tongueOut",
)  # fmt: skip

STREAM_FEATURES: dict[str, Any] = {
    "kind": "log_mel", "n_fft": 1024, "hop": 490, "n_columns": 3, "n_mels": 80, "fmin_hz": 60.0, "fmax_hz": 7600.0,
    "floor_db": -70.0, "offset_db": 30.0, "scale_db": 60.0,
}  # fmt: skip
# offset_db 30: a full-scale sine under this window and these filters has about 30 dB, so it comes out near 0

DECAY_FROM = 0.6  # share of the steps after which the learning rate falls


@dataclass(frozen=True)
class TrainConfig:
    """A training run.

    Attributes:
        network: "stream" or "paper".
        options: Sizes of the network (fields of its config class).
        features: `kind` and parameters of the extractor.
        sample_rate_hz: Rate that features are computed at.
        frame_rate: Frames a second, numerator and denominator.
        channels: Names, in order.
        masked_prefixes: Channels with these prefixes are never trained: blinks follow the sentence and not the voice, a
            camera in front hardly sees a jaw that comes forward,
            and what brows and cheeks of few filmed speakers did would be a constant in every other face.
        lookahead_ms: How much later than its sound a face is known.
        corpora: To train on.
        validation: To choose by; none of its clips may be in `corpora`.
        augment: How far voices are changed.
        loss: Weights of the terms.
        start_from: Weights to begin with: `best.pt` of another run, the manifest of an exported float network, or "".
        n_steps: Batches.
        batch: Sequences in a batch.
        n_frames: Frames of a sequence.
        learning_rate: Peak of a one-cycle schedule.
        weight_decay: Of AdamW.
        average: Decay of the running average of the weights, which is what is kept.
        validate_every: Steps between validations.
        patience: Validations without a better one after which the run stops.
        seed: Of everything.
        bfloat16: Compute products in bfloat16 (faster where the processor has it).
        n_threads: Of torch.
        device: "cpu", "cuda", or "auto": a GPU where torch has one.
    """

    network: str = "stream"
    options: Mapping[str, Any] = field(default_factory=dict)
    features: Mapping[str, Any] = field(default_factory=lambda: dict(STREAM_FEATURES))
    sample_rate_hz: int = 44_100
    frame_rate: tuple[int, int] = (30, 1)
    channels: tuple[str, ...] = ARKIT_CHANNELS
    masked_prefixes: tuple[str, ...] = ("brow", "cheek", "eye", "noseSneer", "tongueOut", "jawForward")
    lookahead_ms: float = 0.0
    corpora: tuple[CorpusSpec, ...] = ()
    validation: tuple[CorpusSpec, ...] = ()
    augment: AugmentSpec = field(default_factory=AugmentSpec)
    loss: LossWeights = field(default_factory=LossWeights)
    start_from: str = ""
    n_steps: int = 6000
    batch: int = 16
    n_frames: int = 100
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    average: float = 0.998
    validate_every: int = 250
    patience: int = 12
    seed: int = 1
    bfloat16: bool = True
    n_threads: int = 1
    device: str = "auto"

    @property
    def frames_per_s(self) -> float:
        """Return the frame rate as a number."""
        return float(Fraction(*self.frame_rate))

    def feature_spec(self) -> FeatureSpec:
        """Return what the network takes."""
        return FeatureSpec(self.features, self.sample_rate_hz, Fraction(*self.frame_rate))

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values from which `from_json` makes the same."""
        result: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return result


_NESTED: dict[str, Any] = {"augment": AugmentSpec, "loss": LossWeights}


def from_json(raw: Mapping[str, Any], changes: Sequence[str] = ()) -> TrainConfig:
    """Return the configuration of JSON values and `key=value` changes (`loss.phones=0.2`; values are JSON).

    Raises:
        ConfigurationError: An unknown key, with the one that may have been meant; or a change that is not key=value.
    """
    values: dict[str, Any] = json.loads(json.dumps(dict(raw)))
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals:
            raise ConfigurationError(f"change {change!r}", "no `=`", "Write key=value")
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        target = values
        *path, last = key.split(".")
        for part in path:
            target = target.setdefault(part, {})
        target[last] = value
    result: TrainConfig = _make(TrainConfig, values, "")
    return result


def load_config(path: Path, changes: Sequence[str] = ()) -> TrainConfig:
    """Read a configuration file.

    Raises:
        ConfigurationError: It cannot be read, is not JSON, or has unknown keys.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise ConfigurationError(
            f"training configuration {path}", f"cannot be read ({err})", "Give a JSON file"
        ) from err
    return from_json(raw, changes)


def _make(cls: Any, values: Mapping[str, Any], prefix: str) -> Any:
    names = [f.name for f in dataclasses.fields(cls)]
    for key in values:
        if key not in names:
            near = difflib.get_close_matches(key, names, n=1)
            hint = f"Did you mean `{prefix}{near[0]}`?" if near else f"Known: {', '.join(names)}"
            raise ConfigurationError(f"training configuration key `{prefix}{key}`", "unknown", hint)
    made = dict(values)
    for key, value in values.items():
        if key in _NESTED and isinstance(value, Mapping):
            made[key] = _make(_NESTED[key], value, f"{key}.")
        elif key in ("corpora", "validation"):
            made[key] = tuple(_make(CorpusSpec, item, f"{key}[].") for item in value)
        elif isinstance(value, list):
            made[key] = tuple(value)
    return cls(**made)


def rate_share(step: int, n_steps: int) -> float:
    """Return the share of the learning rate at a step: a short rise, a plateau, a cosine to nothing at the end."""
    rise = min(1.0, (step + 1) / min(200, 1 + n_steps // 10))
    fall = max(0.0, (step / n_steps - DECAY_FROM) / (1.0 - DECAY_FROM))
    return rise * 0.5 * (1.0 + math.cos(math.pi * min(1.0, fall)))
