"""When a clap or click was at a microphone, to a millisecond, and how much later at a second one.

An onset is a block of a millisecond far above what was there before. Times are CLOCK_MONOTONIC, from the chunks, so
that two microphones of one machine can be compared.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge.frames import AudioChunk, Float32Array

BLOCK_S = 0.001
RISE = 8.0  # times the background: 18 dB; speech rises more slowly
FLOOR = 0.02  # of full scale, -34 dBFS: fainter is no clap
QUIET_S = 0.4  # after an onset nothing counts: the room rings
BACKGROUND_S = 0.2  # time constant of what was there before
LONGEST_LAG_S = 0.45  # of claps once a second: further away it is another clap
FEWEST_PAIRS = 3


class OnsetDetector:
    """Finds claps in a stream.

    Args:
        rate_hz: Of the samples.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._n_block = max(1, round(rate_hz * BLOCK_S))
        self._rest: Float32Array = np.zeros(0, np.float32)
        self._background = FLOOR
        self._quiet_until_s = -math.inf
        self._next_index: int | None = None

    def take(self, chunk: AudioChunk) -> list[float]:
        """Return the times of the onsets in a chunk.

        Args:
            chunk: The next sound of the stream; after a gap the sound before is forgotten.
        """
        samples = np.nan_to_num(chunk.samples)
        if self._next_index == chunk.start_index:
            samples = np.concatenate([self._rest, samples])
        self._next_index = chunk.end_index
        n_blocks = len(samples) // self._n_block
        used = n_blocks * self._n_block
        self._rest = samples[used:].astype(np.float32)
        peaks = np.abs(samples[:used]).reshape(n_blocks, self._n_block).max(axis=1) if n_blocks else ()
        share = 1 - math.exp(-BLOCK_S / BACKGROUND_S)
        onsets = []
        for block, peak in enumerate(peaks):
            time_s = chunk.end_time_s - (len(samples) - block * self._n_block) / self._rate_hz
            if peak > max(FLOOR, RISE * self._background) and time_s >= self._quiet_until_s:
                onsets.append(time_s)
                self._quiet_until_s = time_s + QUIET_S
            self._background += (float(peak) - self._background) * share
        return onsets


@dataclass(frozen=True)
class Lag:
    """How much later a sound is at a second microphone.

    Attributes:
        median_s: Later is positive.
        spread_s: Half of the pairs lie within this around the median.
        n_pairs: Claps that were heard by both.
    """

    median_s: float
    spread_s: float
    n_pairs: int


def lag_between(first_s: Sequence[float], second_s: Sequence[float]) -> Lag | None:
    """Return the lag of a second microphone, or None with too few claps that both heard.

    Args:
        first_s: Onsets at the first, rising.
        second_s: Onsets at the second, rising.
    """
    lags = []
    for time_s in first_s:
        near = [other - time_s for other in second_s if abs(other - time_s) <= LONGEST_LAG_S]
        if near:
            lags.append(min(near, key=abs))
    if len(lags) < FEWEST_PAIRS:
        return None
    median_s = statistics.median(lags)
    return Lag(median_s, statistics.median(abs(lag - median_s) for lag in lags), len(lags))
