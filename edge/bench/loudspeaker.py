"""A loudspeaker that plays one sound and knows when its first sample leaves, through the player of `edge/playback`.

The time is the converter's, less its filter (a millisecond) and the air (a millisecond per 34 cm).
"""

from __future__ import annotations

import threading
import time

from edge.errors import ConfigurationError, DeviceError
from edge.features.resampler import Resampler
from edge.frames import Float32Array
from edge.machine.clock import SystemClock
from edge.playback.portaudio_player import PortAudioPlayer

RATE_HZ = 48_000
START_LIMIT_S = 5.0
_FEED_S = 0.1  # between two looks at the player's ring, which holds 2 s


class Loudspeaker:
    """An output device; a context that closes it.

    Args:
        name: As `play.device`; empty for the default.
    """

    rate_hz = RATE_HZ

    def __init__(self, name: str) -> None:
        self._name = name
        self._player = PortAudioPlayer(name, clock=SystemClock(), make_resampler=Resampler)
        self._feeder: threading.Thread | None = None
        self._stop = threading.Event()

    def __enter__(self) -> Loudspeaker:
        try:
            self._player.open(RATE_HZ)
        except ConfigurationError as err:
            raise ConfigurationError(err.asked, err.found, "Name another with --speaker") from err
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._feeder is not None:
            self._feeder.join()
        self._player.close()

    def play(self, sound: Float32Array) -> float:
        """Begin to play, once.

        Args:
            sound: float32 [n_samples].

        Returns:
            CLOCK_MONOTONIC time at which its first sample leaves the converter.

        Raises:
            DeviceError: It does not start.
        """
        written = self._player.write(sound)
        began_s = time.monotonic()
        while self._player.position().sample_index == 0:
            if time.monotonic() - began_s > START_LIMIT_S:
                asked = f"loudspeaker {self._name or 'default'!r}"
                raise DeviceError(asked, "it does not start", "Plug it in again, or name another with --speaker")
            time.sleep(0.005)
        self._feeder = threading.Thread(target=self._feed, args=(sound[written:],), name="loudspeaker", daemon=True)
        self._feeder.start()
        return self._player.time_of(0)

    def _feed(self, sound: Float32Array) -> None:
        """Write what the player's ring did not hold."""
        while len(sound) and not self._stop.wait(_FEED_S):
            sound = sound[self._player.write(sound) :]
