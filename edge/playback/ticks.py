"""A source that ticks through a loudspeaker and hears each tick when it leaves: for setting face and sound together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from edge.contracts import Clock, Player
from edge.errors import DeviceError
from edge.frames import AudioChunk

RATE_HZ = 48_000
PERIOD_S = 1.0
TICK_S = 0.01
TICK_HZ = 1000.0
TICK_LEVEL = 0.5
AHEAD_S = 0.2  # written before it is heard; a busy machine may stand still for so long
CHUNK_SAMPLES = 256


class Ticks:
    """One tick a second; an `AudioSource`.

    Args:
        player: Plays them; opened and closed by this object.
        clock: The time.
    """

    def __init__(self, player: Player, clock: Clock) -> None:
        self._player = player
        self._clock = clock
        period = np.zeros(int(PERIOD_S * RATE_HZ), np.float32)
        tick_s = np.arange(int(TICK_S * RATE_HZ)) / RATE_HZ
        half = len(period) // 2  # not at the very beginning: the detector must know the silence
        period[half : half + len(tick_s)] = TICK_LEVEL * np.sin(2 * math.pi * TICK_HZ * tick_s)
        self._period = period
        self._n_written = 0
        self._n_heard = 0

    @property
    def rate_hz(self) -> int:
        """Return the rate."""
        return RATE_HZ

    @property
    def description(self) -> str:
        """Return the loudspeaker."""
        return f"ticks of {self._player.description}"

    def open(self) -> None:
        """Open the loudspeaker; see `Player.open` for what it raises."""
        self._n_written = self._n_heard = 0
        self._player.open(RATE_HZ)

    def read(self, timeout_s: float) -> AudioChunk | None:
        """Return the next sound once it has left the loudspeaker."""
        if self._player.state == "closed":
            raise DeviceError(self.description, "the loudspeaker is closed", "Open it again")
        self._write()
        end = self._n_heard + CHUNK_SAMPLES
        end_s = self._player.time_of(end)
        until_s = self._clock.monotonic_s() + timeout_s
        self._clock.sleep_until(min(end_s, until_s))
        if end_s > until_s:
            return None
        indices = np.arange(self._n_heard, end) % len(self._period)
        chunk = AudioChunk(self._period[indices], self._n_heard, end_s)
        self._n_heard = end
        return chunk

    def counters(self) -> Mapping[str, int]:
        """Return what the player counts."""
        return {"lost_samples": 0, **self._player.counters()}

    def warnings(self) -> Sequence[str]:
        """Return the player's lines."""
        return self._player.warnings()

    def close(self) -> None:
        """Close the loudspeaker."""
        self._player.close()

    def _write(self) -> None:
        """Keep the loudspeaker supplied."""
        while self._n_written - self._player.position().sample_index < AHEAD_S * RATE_HZ:
            indices = np.arange(self._n_written, self._n_written + CHUNK_SAMPLES) % len(self._period)
            n_taken = self._player.write(self._period[indices])
            self._n_written += n_taken
            if n_taken < CHUNK_SAMPLES:
                return
