"""What is written at one rate and leaves at another: volume, rate, and times by the index of what is written.

The last 1.5 ms that were written are in the ring already, as they are if silence follows (the filter of the resampler
looks so far ahead). Where more is written in time, it takes their place; where nothing is, they are played to the end.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

import numpy as np

from edge.contracts import PlayPosition, Resampler
from edge.frames import Float32Array
from edge.playback.play_line import PlayLine
from edge.playback.play_ring import PlayRing

RING_S = 2.0  # the writer has more; what lies here would only have to be dropped
_PIECE_SAMPLES = 2048
_ROUNDING_SAMPLES = 2


class Playout:
    """Sound between a writer and a device.

    Args:
        rate_hz: What is written.
        device_rate_hz: What the device plays.
        make_resampler: Called with both rates.
        gain: Factor.
        first_index: Index of the first sample that will be written.
        now_s: CLOCK_MONOTONIC time.
    """

    def __init__(
        self,
        rate_hz: int,
        device_rate_hz: int,
        make_resampler: Callable[[int, int], Resampler],
        gain: float,
        first_index: int,
        now_s: float,
    ) -> None:
        self.rate_hz = rate_hz
        self.first_index = first_index
        self._factor = device_rate_hz / rate_hz
        self._gain = np.float32(gain)
        self._resampler = make_resampler(rate_hz, device_rate_hz)
        self._tail_resampler = make_resampler(rate_hz, device_rate_hz)
        self._ahead = 0 if device_rate_hz == rate_hz else round(self._resampler.delay_s * rate_hz)
        self._past = np.zeros(3 * self._ahead + 2, np.float32)  # the newest that was written, then `_ahead` zeros
        self._n_written = 0
        self._n_made = 0
        self._begin = 0  # of what the resampler knows
        self._piece = np.zeros(_PIECE_SAMPLES, np.float32)
        self._lock = threading.Lock()  # never held by the reader, nor while anything waits
        self.line = PlayLine(PlayRing(math.ceil(RING_S * device_rate_hz), device_rate_hz), device_rate_hz, now_s)

    @property
    def end_index(self) -> int:
        """Return the index of the next sample to be written."""
        return self.first_index + self._n_written

    @property
    def room(self) -> int:
        """Return how many samples would be taken now."""
        return max(0, int((self.line.ring.room - _ROUNDING_SAMPLES) / self._factor))

    @property
    def n_dropped(self) -> int:
        """Return how many written samples were dropped."""
        return round(self.line.ring.n_dropped / self._factor)

    def write(self, samples: Float32Array) -> int:
        """Take sound; return how many samples were taken."""
        with self._lock:
            n = min(len(samples), self.room)
            end = self._n_made
            for at in range(0, n, _PIECE_SAMPLES):
                end = self._put(samples[at : min(n, at + _PIECE_SAMPLES)])
            if n:
                self.line.ring.publish(end)
            return n

    def clear(self) -> int:
        """Drop what has not left; return about how many written samples."""
        with self._lock:
            n_dropped = self.line.ring.clear()
            self._resampler.reset()
            self._begin = self._n_written
            return round(n_dropped / self._factor)

    def mute(self, first: int, end: int) -> None:
        """Put silence in place of written samples that have not left; the last ones and what follows do not sound.

        Args:
            first: Index of the first.
            end: Index after the last.
        """
        with self._lock:
            first, end = max(first - self.first_index, 0), min(end - self.first_index, self._n_written)
            ring, is_newest = self.line.ring, end == self._n_written
            ring.mute(math.ceil(first * self._factor), ring.n_put if is_newest else int(end * self._factor))
            if is_newest:
                self._resampler.reset()
                self._begin = self._n_written

    def position(self) -> PlayPosition:
        """Return the next sample to be taken and its time."""
        moment = self.line.moment
        index = min(self._n_written, round(moment.next_sample / self._factor))
        return PlayPosition(self.first_index + index, moment.time_s)

    def time_of(self, sample_index: float) -> float:
        """Return the CLOCK_MONOTONIC time of a written sample."""
        return self.line.time_of((sample_index - self.first_index) * self._factor)

    def _put(self, samples: Float32Array) -> int:
        """Put a piece into the ring; return the index after its last sample, the provisional ones included."""
        piece = self._piece[: len(samples)]
        np.multiply(samples, self._gain, out=piece)
        np.nan_to_num(piece, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        ring = self.line.ring
        made, first = self._resampler.process(piece, self._n_written)
        np.clip(made, -1.0, 1.0, out=made)
        ring.put(first, made)
        self._n_written += len(piece)
        self._n_made = first + len(made)
        if not self._ahead:
            return self._n_made
        return self._put_tail(piece)

    def _put_tail(self, piece: Float32Array) -> int:
        """Put what follows if nothing more is written."""
        n_past = len(self._past) - self._ahead
        n_new = min(n_past, len(piece))
        self._past[: n_past - n_new] = self._past[n_new:n_past]
        self._past[n_past - n_new : n_past] = piece[len(piece) - n_new :]
        n_known = min(n_past, self._n_written - self._begin)
        self._tail_resampler.reset()
        tail, first = self._tail_resampler.process(self._past[n_past - n_known :], self._n_written - n_known)
        tail = tail[max(0, self._n_made - first) :]
        np.clip(tail, -1.0, 1.0, out=tail)
        self.line.ring.put(self._n_made, tail)
        return self._n_made + len(tail)
