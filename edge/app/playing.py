"""The player, made from the configuration."""

from __future__ import annotations

from edge.config.settings import Settings
from edge.contracts import Clock, Player


def make_player(settings: Settings, clock: Clock) -> Player:
    """Make the configured player; it is not opened.

    Returns:
        The loudspeaker where audio.play = yes; else the machine's clock, by which a face is shown that another
        program gives the sound to.
    """
    if not settings.audio.play:
        from edge.playback.machine_clock_player import MachineClockPlayer

        return MachineClockPlayer(clock=clock)
    from edge.features.resampler import Resampler
    from edge.playback.portaudio_player import PortAudioPlayer

    play = settings.play
    return PortAudioPlayer(
        play.device,
        clock=clock,
        make_resampler=Resampler,
        channels=play.channels,
        volume_db=play.volume_db,
        wait_for_device=settings.audio.wait,
    )
