"""The composition root: the one place that knows concrete classes.

Tables name them as "module:Class", so that nothing heavy is imported before it is wanted and a newcomer adds a source,
a feature, a backend or a protocol with one file and one line here.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from edge.contracts import (
    AudioSource,
    Clock,
    Codec,
    FeatureExtractor,
    FrameOutput,
    FrameStage,
    InferenceBackend,
    InferenceSession,
    Transport,
)
from edge.errors import AuEdgeError, BackendError, ConfigurationError, ConfigurationMistakesError, ModelError
from edge.manifest import Manifest, load_manifest
from edge.metrics import Metrics
from edge.options import Option, did_you_mean
from edge.runtime.pipeline import Pipeline
from edge.settings import OutputSettings, Settings

FEATURES = {
    "paper_spectrogram": "edge.features.spectrogram:PaperSpectrogram",
    "log_mel": "edge.features.log_mel:LogMel",
}
BACKENDS = {  # in the order that `auto` tries them: the fastest first
    "tensorrt": "edge.backends.tensorrt:TensorRtBackend",
    "onnxruntime": "edge.backends.onnx_runtime:OnnxRuntimeBackend",
}
PROTOCOLS = {
    "osc": "edge.outputs.osc:OscCodec",
    "json": "edge.outputs.json_udp:JsonCodec",
    "binary": "edge.outputs.binary:BinaryCodec",
}
TRANSPORTS = {
    "udp": "edge.outputs.udp:UdpTransport",
}
_log = logging.getLogger("au-edge")


def load_class(table: Mapping[str, str], name: str) -> Any:
    """Import what a table names.

    Raises:
        ConfigurationError: The name is not in the table.
    """
    if name not in table:
        raise ConfigurationError(
            name, "there is no such thing", did_you_mean(name, table) or f"Known are {', '.join(table)}"
        )
    module, _, attribute = table[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def protocol_options() -> dict[str, Sequence[Option]]:
    """Return each protocol's own keys, for the configuration."""
    return {name: load_class(PROTOCOLS, name).OPTIONS for name in PROTOCOLS}


def shipped_models() -> dict[str, Path]:
    """Return the networks that come with the package: name -> manifest."""
    folder = Path(str(resources.files("edge").joinpath("models")))
    return {path.stem: path for path in sorted(folder.glob("*.json"))}


def shipped_speech() -> Path:
    """Return the recording that speaks where there is no microphone."""
    return Path(str(resources.files("edge").joinpath("demo").joinpath("speech.flac")))


def find_manifest(path: str) -> Manifest:
    """Load the manifest of a shipped network by its name, or any by its path.

    Raises:
        ModelError: Neither a shipped name nor a usable file.
    """
    models = shipped_models()
    if path in models:
        return load_manifest(models[path])
    if Path(path).suffix.lower() == ".json":
        return load_manifest(Path(path))
    if Path(path).exists():
        raise ModelError(f"model {path}", "it is not a manifest", "Give the .json file that lies beside the network")
    hint = did_you_mean(path, models) or f"Shipped networks are {', '.join(models) or 'none'}"
    raise ModelError(f"model {path!r}", "no shipped network has this name", f"{hint}; or give the path of a manifest")


def check_channels(settings: Settings, manifest: Manifest) -> None:
    """Refuse gains and limits for channels that the network does not have.

    Raises:
        ConfigurationMistakesError: All of them.
    """
    mistakes: list[AuEdgeError] = []
    for section, table in (("gain", settings.gain), ("limit", settings.limit)):
        for name in table:
            if name != "default" and name not in manifest.channels:
                remedy = did_you_mean(name, manifest.channels) or "`au-edge check` lists the channels"
                where = f"{section}.{name} in {settings.origins.get(f'{section}.{name}', '?')}"
                mistakes.append(ConfigurationError(where, f"network {manifest.name} has no such channel", remedy))
    if mistakes:
        raise ConfigurationMistakesError(mistakes)


@dataclass(frozen=True)
class BackendChoice:
    """Which backend runs, and why.

    Attributes:
        backend: The chosen one.
        reason: One line for the log.
    """

    backend: InferenceBackend
    reason: str


def make_backend(name: str, settings: Settings) -> InferenceBackend:
    """Make a backend by its name; nothing is loaded yet."""
    kind = load_class(BACKENDS, name)
    backend: InferenceBackend = kind(engine=settings.model.engine) if name == "tensorrt" else kind()
    return backend


def choose_backend(settings: Settings, manifest: Manifest) -> BackendChoice:
    """Take the configured backend, or with `auto` the fastest that is usable.

    Raises:
        BackendError: None is usable, or the configured one is not: an explicit choice never falls back.
    """
    wanted = settings.model.backend
    refusals: list[str] = []
    for name in BACKENDS if wanted == "auto" else (wanted,):
        backend = make_backend(name, settings)
        why_not = backend.probe(manifest)
        if why_not is None:
            others = f" ({'; '.join(refusals)})" if refusals else ""
            reason = "asked for" if wanted != "auto" else f"the fastest that is usable here{others}"
            return BackendChoice(backend, f"backend {name}: {reason}")
        refusals.append(f"{name}: {why_not}")
    raise BackendError(f"model.backend = {wanted}", "; ".join(refusals), "`au-edge check` says what each backend needs")


def make_stages(settings: Settings, manifest: Manifest) -> tuple[list[FrameStage], list[FrameStage]]:
    """Return the post-processing of frames with sound, and of those without."""
    from edge.postprocess.limits import Gains, Limits
    from edge.postprocess.silence import SilenceGate
    from edge.postprocess.smoothing import Smoothing

    period_s = manifest.frame_period_s
    limits = Limits(settings.limit, manifest.channels)
    with_sound: list[FrameStage] = [
        Gains(settings.gain, manifest.channels, manifest.masked_channels),
        Smoothing(settings.smoothing, manifest.channels, period_s),
        SilenceGate(settings.silence, period_s),
        limits,
    ]
    return with_sound, [limits]


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
    framer = Framer(FrameAxis(manifest.sample_rate_hz, manifest.frame_rate), features.window_samples)

    def resampler_for(rate_hz: int) -> Resampler:
        return Resampler(rate_hz, manifest.sample_rate_hz)

    return Pipeline(manifest, source_rate_hz, resampler_for, framer, features, session, stages, metrics)


def make_output(output: OutputSettings, manifest: Manifest, clock: Clock) -> FrameOutput:
    """Make one receiver from its section.

    Raises:
        ConfigurationError: The codec refuses an option.
    """
    from edge.outputs.sender import Output

    codec_class = load_class(PROTOCOLS, output.protocol)
    codec: Codec = codec_class(manifest, {name: str(value) for name, value in output.options.items()})
    port = output.port or codec_class.default_port
    transport: Transport = load_class(TRANSPORTS, "udp")(output.host, port, interface=output.interface, ttl=output.ttl)
    made: FrameOutput = Output(
        output.name,
        codec,
        transport,
        clock,
        rate_hz=output.rate_hz,
        enabled=output.enabled,
        delay_ms=output.delay_ms,
    )
    return made


def make_outputs(settings: Settings, manifest: Manifest, clock: Clock) -> list[FrameOutput]:
    """Make all receivers.

    Raises:
        ConfigurationMistakesError: All that cannot be made.
    """
    made, mistakes = [], []
    for output in settings.outputs:
        try:
            made.append(make_output(output, manifest, clock))
        except ConfigurationError as err:
            mistakes.append(err)
    if mistakes:
        raise ConfigurationMistakesError(mistakes)
    return made


def make_source(settings: Settings, manifest: Manifest, clock: Clock) -> AudioSource:
    """Make the configured source; it is not opened.

    Raises:
        ConfigurationError: A key that this source needs is missing.
    """
    audio = settings.audio
    kind = audio.source
    if kind == "auto":
        kind = "microphone" if _has_microphone() else "demo"
    source: AudioSource
    if kind == "microphone":
        from edge.sources.microphone import Microphone

        source = Microphone(
            device=audio.device,
            rate_hz=audio.rate_hz,
            channels=audio.channels,
            channel=audio.channel,
            period_samples=audio.period_samples,
            preferred_rate_hz=manifest.sample_rate_hz,
            wait_for_device=audio.wait,
            clock=clock,
        )
    elif kind in ("file", "demo"):
        from edge.sources.sound_file import SoundFileSource

        if kind == "file" and not audio.file:
            raise ConfigurationError("audio.source = file", "audio.file is empty", "Name a sound file: --input FILE")
        path = Path(audio.file) if kind == "file" else shipped_speech()
        source = SoundFileSource(
            path, pace=audio.pace, loop=audio.loop or kind == "demo", channel=audio.channel, clock=clock
        )
    elif kind in ("silence", "tone", "noise"):
        from edge.sources.synthetic import SyntheticSource

        source = SyntheticSource(
            kind,
            rate_hz=manifest.sample_rate_hz,
            tone_hz=audio.tone_hz,
            level_dbfs=audio.level_dbfs,
            pace=audio.pace,
            clock=clock,
        )
    else:
        from edge.sources.pcm_stream import PcmStreamSource

        source = PcmStreamSource(
            kind,
            address=audio.address,
            sample_format=audio.format,
            rate_hz=audio.stream_rate_hz,
            channels=audio.stream_channels,
            channel=audio.channel,
            clock=clock,
        )
    return source


def _has_microphone() -> bool:
    """Return whether `auto` finds an input device that is worth listening to."""
    from edge.sources.alsa_devices import list_devices

    try:
        return any(not device.is_monitor for device in list_devices())
    except AuEdgeError as err:
        _log.info("no microphone: %s", err)
        return False
