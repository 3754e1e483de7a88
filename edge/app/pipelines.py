"""The per-frame path, put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from edge.app.tables import FEATURES, load_class
from edge.config.settings import Settings
from edge.contracts import FeatureExtractor, FrameStage, InferenceSession
from edge.errors import ModelError
from edge.manifest import Manifest
from edge.metrics.counters import Metrics
from edge.runtime.pipeline import Pipeline

if TYPE_CHECKING:
    from edge.expression.expression import Expression


def make_expression(settings: Settings, manifest: Manifest) -> Expression:
    """Make what takes the application's wishes; it outlives the stages of a configuration."""
    from edge.expression.expression import Expression

    return Expression(settings.expression, manifest.channels, settings.limit)


def make_stages(
    settings: Settings, manifest: Manifest, expression: Expression | None = None
) -> tuple[list[FrameStage], list[FrameStage]]:
    """Return what makes a face of the network's output, and what is done last to every face, with or without sound.

    The order behind the network: articulation, effort, moods, gain, seal, limit (docs/postprocessing.md).

    Args:
        settings: The configuration.
        manifest: The network's facts.
        expression: What the application wants of the face; None makes one that keeps to the configuration.
    """
    from edge.expression.stage import Expressing
    from edge.postprocess.articulation import Articulation
    from edge.postprocess.effort_face import EffortFace
    from edge.postprocess.effort_weights import chosen_weights
    from edge.postprocess.life import Life, Living
    from edge.postprocess.limits import Gains, Limits
    from edge.postprocess.lips import Meeting, Parting, Sealing
    from edge.postprocess.quiet_voice import QuietVoice
    from edge.postprocess.silence import Listening, Resting, SilenceGate
    from edge.postprocess.smoothing import Smoothing
    from edge.postprocess.voice import Voicing

    period_s, channels = manifest.frame_period_s, manifest.channels
    rate_hz = manifest.sample_rate_hz
    voicing = Voicing(rate_hz)  # one analysis for both
    gate = SilenceGate(settings.silence, period_s, rate_hz, manifest.lookahead_ms / 1000, voicing)
    expression = expression or make_expression(settings, manifest)
    # Both go on where sound does not; the second is wanted and so comes over the first.
    living = Living(Life(settings.life, manifest.channels, settings.life.seed), expression)
    with_sound: list[FrameStage] = [
        Listening(gate),
        QuietVoice(settings.silence, period_s, manifest.sample_rate_hz),
        Meeting(manifest.lips, channels),
        Articulation(settings.articulation.amount, manifest.articulation, channels, manifest.masked_channels),
        Parting(manifest.lips, channels, manifest.masked_channels),
        EffortFace(settings.effort, chosen_weights(settings.effort.weights), voicing, rate_hz, period_s, channels),
        Smoothing(settings.smoothing, manifest.channels, period_s),
        Resting(gate),
    ]
    last: list[FrameStage] = [
        living,
        Expressing(expression),
        Gains(settings.gain, channels),
        Sealing(manifest.lips, channels),
        Limits(settings.limit, channels),
    ]
    return with_sound, last


def make_every_stage(settings: Settings, manifest: Manifest) -> list[FrameStage]:
    """Return the whole post-processing in order, for sound that has no gaps (files, measurements)."""
    with_sound, last = make_stages(settings, manifest)
    return [*with_sound, *last]


def make_features(manifest: Manifest) -> FeatureExtractor:
    """Make the extractor that the manifest names.

    Raises:
        ModelError: It is unknown, or a parameter is.
    """
    kind = str(manifest.features["kind"])
    if kind not in FEATURES:
        raise ModelError(
            f"features of {manifest.path}", f"kind {kind!r} is unknown", f"Known are {', '.join(FEATURES)}"
        )
    extractor: FeatureExtractor = load_class(FEATURES, kind).from_manifest(
        manifest.features, manifest.sample_rate_hz, manifest.frame_rate
    )
    return extractor


def make_pipeline(
    manifest: Manifest,
    session: InferenceSession,
    source_rate_hz: Callable[[], int],
    stages: Sequence[FrameStage],
    metrics: Metrics,
) -> Pipeline:
    """Put the per-frame path together; the source may say its rate later, and another after a replug."""
    from edge.features.framing import FrameAxis, Framer
    from edge.features.resampler import Resampler

    features = make_features(manifest)
    if features.shape != session.features.shape:
        raise ModelError(
            f"network {manifest.name}", f"it takes {session.features.shape}, its features have {features.shape}",
            "Export the network and its manifest again, both together",
        )  # fmt: skip
    framer = Framer(FrameAxis(manifest.sample_rate_hz, manifest.frame_rate), features.window_samples)

    def resampler_for(rate_hz: int) -> Resampler:
        return Resampler(rate_hz, manifest.sample_rate_hz)

    return Pipeline(manifest, source_rate_hz, resampler_for, framer, features, session, stages, metrics)
