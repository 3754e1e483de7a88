"""Sources of sound, made from the configuration."""

from __future__ import annotations

import logging
from pathlib import Path

from edge.app.models import shipped_speech
from edge.config.settings import Settings
from edge.contracts import AudioSource, Clock, Expressive
from edge.errors import AuEdgeError, ConfigurationError
from edge.manifest import Manifest

_STREAMS = ("stdin", "tcp", "unix", "websocket")  # what another program writes
_log = logging.getLogger("au-edge")


def make_source(settings: Settings, manifest: Manifest, clock: Clock, face: Expressive | None = None) -> AudioSource:
    """Make the configured source; it is not opened.

    Args:
        settings: The configuration.
        manifest: The network's facts.
        clock: Time.
        face: Takes what agents wish beside what they say.

    Raises:
        ConfigurationError: A key that this source needs is missing.
    """
    audio = settings.audio
    kind = audio.source
    if audio.pace == "live" and kind not in _STREAMS:
        raise ConfigurationError(
            "audio.pace = live", f"audio.source = {kind} has no writer", f"It is for {', '.join(_STREAMS)}"
        )
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
    elif kind == "websocket":
        from edge.features.resampler import Resampler
        from edge.sources.agents.source import WebSocketSource

        source = WebSocketSource(
            audio.address,
            rate_hz=audio.stream_rate_hz,
            resampler_for=Resampler,
            face=face,
            allowed_hosts=audio.allowed_hosts.split(","),
            token=audio.token,
            most_waiting=audio.queue,
            buffer_s=audio.buffer_s,
            clears=audio.on_disconnect == "clear",
            pace=audio.pace,
            lookahead_s=manifest.lookahead_ms / 1000,
            clock=clock,
        )
    else:
        from edge.features.resampler import Resampler
        from edge.sources.pcm_stream import PcmStreamSource

        source = PcmStreamSource(
            kind,
            address=audio.address,
            sample_format=audio.format,
            rate_hz=audio.stream_rate_hz,
            channels=audio.stream_channels,
            channel=audio.channel,
            pace=audio.pace,
            most_waiting=audio.queue,
            clears=audio.on_disconnect == "clear",
            lookahead_s=manifest.lookahead_ms / 1000,
            resampler_for=Resampler,
            clock=clock,
        )
    return source


def _has_microphone() -> bool:
    """Return whether `auto` finds an input device that is worth listening to."""
    from edge.alsa.devices import list_devices

    try:
        return any(not device.is_monitor for device in list_devices())
    except AuEdgeError as err:
        _log.info("no microphone: %s", err)
        return False
