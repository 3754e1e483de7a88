"""A loudspeaker whose sound reaches a virtual microphone at a time that is known to the sample."""

from __future__ import annotations

import math
import time

import numpy as np

from edge.frames import Float32Array
from tests.virtual_microphone.air import Air

LEAD_S = 0.3  # the samples of this time from now on have not been captured yet, even on a busy machine


class AirPlayer:
    """Plays into the air of a microphone that is being captured.

    Args:
        air: Of a device with one channel, with room for the sound.
        told_late_s: Lie: say that the sound began this much later than it did.
    """

    def __init__(self, air: Air, told_late_s: float = 0.0) -> None:
        self.rate_hz = air.rate_hz
        self._air = air
        self._told_late_s = told_late_s

    def play(self, sound: Float32Array) -> float:
        """Begin to play, once; return when its first sample is at the microphone."""
        air = self._air
        stream_start_s, first_index = air["stream_start_ns"] / 1e9, air["stream_first_index"]
        # A running stream goes on counting: sample k of it is sound index (first_index + k) modulo the sound's length.
        k = math.ceil((time.monotonic() + LEAD_S - stream_start_s) * self.rate_hz)
        scaled = np.rint(sound.astype(np.float64) * (2**31 - 1)).astype(np.int32)
        air.play(np.roll(scaled, (first_index + k) % len(scaled))[:, None])
        return stream_start_s + k / self.rate_hz + self._told_late_s
