"""Sources of sound, made from the configuration."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from edge.app.models import shipped_speech
from edge.app.playing import make_player
from edge.config.settings import Settings
from edge.contracts import AudioSource, Clock, Expressive
from edge.errors import AuEdgeError, ConfigurationError
from edge.manifest import Manifest

if TYPE_CHECKING:
    from edge.sources.played import PlayedTime

_STREAMS = ("stdin", "tcp", "unix", "websocket")  # what another program writes
_PLAYABLE = (*_STREAMS, "file", "demo")  # what is known before it is heard
_log = logging.getLogger("au-edge")


def make_source(settings: Settings, manifest: Manifest, clock: Clock, face: Expressive | None = None) -> AudioSource:
    """Make the configured source; it is not opened.

    Args:
        settings: The configuration.
        manifest: The network's facts.
        clock: Time.
        face: Takes what agents wish beside what they say.

    Raises:
        ConfigurationError: A key that this source needs is missing, or another asks what it cannot do.
    """
    kind = settings.audio.source
    if kind == "auto":
        kind = "microphone" if has_microphone() else "demo"
    _check(kind, settings)
    if kind == "microphone":
        return _microphone(settings, manifest, clock)
    if kind in ("silence", "tone", "noise"):
        return _synthetic(kind, settings, manifest, clock)
    played = _played_time(settings, manifest, clock) if is_played(settings) else None
    if kind in ("file", "demo"):
        return _recording(kind, settings, manifest, clock, played)
    if kind == "websocket":
        return _agents(settings, manifest, clock, face, played)
    return _stream(kind, settings, manifest, clock, played)


def is_played(settings: Settings) -> bool:
    """Return whether sound is given before it is heard: the loudspeaker plays it, or a receiver is sent faces early."""
    return settings.audio.play or longest_lead_s(settings) > 0.0


def longest_lead_s(settings: Settings) -> float:
    """Return by how much the receiver that needs most time is sent a face before its sound."""
    return max((output.lead_ms / 1000 for output in settings.outputs if output.enabled), default=0.0)


def _check(kind: str, settings: Settings) -> None:
    """Refuse what a source cannot do."""
    if settings.audio.pace == "live" and kind not in _STREAMS:
        remedy = f"It is for {', '.join(_STREAMS)}"
        raise ConfigurationError("audio.pace = live", f"audio.source = {kind} has no writer", remedy)
    if kind in _PLAYABLE or not is_played(settings):
        return
    asked = "audio.play = yes" if settings.audio.play else "an output with lead_ms"
    remedy = f"Such sound comes from {', '.join(_PLAYABLE)}"
    raise ConfigurationError(asked, f"the sound of audio.source = {kind} is not known before it is heard", remedy)


def _played_time(settings: Settings, manifest: Manifest, clock: Clock) -> PlayedTime:
    from edge.sources.played import PlayedTime

    player = make_player(settings, clock)
    return PlayedTime(player, clock, manifest.lookahead_ms / 1000, longest_lead_s(settings))


def _microphone(settings: Settings, manifest: Manifest, clock: Clock) -> AudioSource:
    from edge.sources.microphone import Microphone

    audio = settings.audio
    return Microphone(
        device=audio.device,
        rate_hz=audio.rate_hz,
        channels=audio.channels,
        channel=audio.channel,
        period_samples=audio.period_samples,
        preferred_rate_hz=manifest.sample_rate_hz,
        wait_for_device=audio.wait,
        clock=clock,
    )


def _synthetic(kind: str, settings: Settings, manifest: Manifest, clock: Clock) -> AudioSource:
    from edge.sources.synthetic import SyntheticSource

    audio = settings.audio
    return SyntheticSource(
        kind,
        rate_hz=manifest.sample_rate_hz,
        tone_hz=audio.tone_hz,
        level_dbfs=audio.level_dbfs,
        pace=audio.pace,
        clock=clock,
    )


def _recording(
    kind: str, settings: Settings, manifest: Manifest, clock: Clock, played: PlayedTime | None
) -> AudioSource:
    from edge.sources.sound_file import SoundFileSource

    audio = settings.audio
    if kind == "file" and not audio.file:
        raise ConfigurationError("audio.source = file", "audio.file is empty", "Name a sound file: --input FILE")
    paths = _paths(audio.file) if kind == "file" else [shipped_speech()]
    is_looped = audio.loop or kind == "demo"
    if len(paths) > 1 and (played is None or is_looped):
        raise ConfigurationError(
            f"audio.file with {len(paths)} files",
            "only what is played (audio.play = yes), and not looped, goes from one file to the next",
            "Set audio.play = yes and audio.loop = no, or name one file",
        )
    if played is None:
        return SoundFileSource(paths[0], pace=audio.pace, loop=is_looped, channel=audio.channel, clock=clock)
    from edge.features.resampler import Resampler
    from edge.sources.file_turns import FileTurns
    from edge.sources.talk import TalkSource

    files = [SoundFileSource(path, pace="fast", loop=is_looped, channel=audio.channel, clock=clock) for path in paths]
    turns = FileTurns(*files, resampler_for=Resampler)
    return TalkSource(turns, clock=clock, lookahead_s=manifest.lookahead_ms / 1000, played=played)


def _paths(text: str) -> list[Path]:
    """Return the files that audio.file names, one a line; a name may hold a line's end."""
    if Path(text).exists():
        return [Path(text)]
    return [Path(line.strip()) for line in text.splitlines() if line.strip()]


def _agents(
    settings: Settings, manifest: Manifest, clock: Clock, face: Expressive | None, played: PlayedTime | None
) -> AudioSource:
    from edge.features.resampler import Resampler
    from edge.sources.agents.source import WebSocketSource

    audio = settings.audio
    return WebSocketSource(
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
        played=played,
        clock=clock,
    )


def _stream(kind: str, settings: Settings, manifest: Manifest, clock: Clock, played: PlayedTime | None) -> AudioSource:
    from edge.features.resampler import Resampler
    from edge.sources.pcm_stream import PcmStreamSource

    audio = settings.audio
    return PcmStreamSource(
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
        played=played,
        clock=clock,
    )


def has_microphone() -> bool:
    """Return whether an input device is found that is worth listening to."""
    from edge.alsa.devices import list_devices

    try:
        return any(not device.is_monitor for device in list_devices())
    except AuEdgeError as err:
        _log.info("no microphone: %s", err)
        return False
