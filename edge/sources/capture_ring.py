"""Where PortAudio's thread leaves sound and the engine's thread takes it: fixed memory, no lock held while copying.

One writer, one reader. The writer never waits: where the reader is too slow, the oldest periods are overwritten, and
the positions of those that it takes next tell exactly how many samples it missed. The interpreter's lock makes each
counter's update visible as a whole; data is written before the counter that announces it.
"""

from __future__ import annotations

import threading
from array import array
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.frames import Float32Array
from edge.sources.channels import ChannelChoice

RING_S = 2.0  # an engine that stood still longer must not speak what it missed


@dataclass
class Period:
    """One period as it was captured; the ring's own, overwritten by the next `take`.

    Attributes:
        position: Samples captured by this stream before it, those that the ring dropped included.
        n_samples: Its length.
        stamp_s: PortAudio's time of its first sample at the converter, on the stream's own clock.
        arrived_s: CLOCK_MONOTONIC at which the callback was called.
        is_overrun: Sound was lost before it, in the driver.
    """

    position: int = 0
    n_samples: int = 0
    stamp_s: float = 0.0
    arrived_s: float = 0.0
    is_overrun: bool = False


class CaptureRing:
    """The newest seconds of a stream.

    Args:
        rate_hz: Samples a second.
        period_samples: Samples a callback.
        choice: Channel to keep.
        scale: Factor from the stream's sample type to full scale 1.0.
    """

    def __init__(self, rate_hz: int, period_samples: int, choice: ChannelChoice, scale: float) -> None:
        self._n_slots = max(8, int(np.ceil(RING_S * rate_hz / period_samples)))
        self._period_samples = period_samples
        self._choice = choice
        self._scale = scale
        self._samples = np.zeros((self._n_slots, period_samples), np.float32)
        self._lengths = array("q", bytes(8 * self._n_slots))
        self._positions = array("q", bytes(8 * self._n_slots))
        self._stamps_s = array("d", bytes(8 * self._n_slots))
        self._arrivals_s = array("d", bytes(8 * self._n_slots))
        self._overruns = array("b", bytes(self._n_slots))
        self._n_written = 0  # periods; the writer's
        self._n_taken = 0  # periods; the reader's
        self._position = 0
        self._period = Period()
        self._news = threading.Lock()  # held = nothing new: a semaphore that needs no allocation
        self._news.acquire()

    @property
    def capacity_samples(self) -> int:
        """Return how many samples the reader may be behind before the oldest are overwritten."""
        return (self._n_slots - 1) * self._period_samples

    @property
    def n_periods(self) -> int:
        """Return how many periods have been captured."""
        return self._n_written

    def push(self, block: NDArray[Any], stamp_s: float, arrived_s: float, is_overrun: bool) -> None:
        """Keep a period; called by the capture thread only.

        Args:
            block: Samples [n, n_channels] of the stream's type, n at most the period.
            stamp_s: See `Period`.
            arrived_s: See `Period`.
            is_overrun: See `Period`.
        """
        slot = self._n_written % self._n_slots
        n_samples = len(block)
        self._choice.pick(block, self._samples[slot, :n_samples], self._scale)
        self._lengths[slot] = n_samples
        self._positions[slot] = self._position
        self._stamps_s[slot] = stamp_s
        self._arrivals_s[slot] = arrived_s
        self._overruns[slot] = is_overrun
        self._position += n_samples
        self._n_written += 1
        if self._news.locked():
            self._news.release()

    def wait(self, timeout_s: float) -> bool:
        """Return whether there is a period to take, after waiting for one at most this long; the reader's only."""
        if self._n_written > self._n_taken:
            return True
        self._news.acquire(timeout=max(0.0, timeout_s))
        return self._n_written > self._n_taken

    def take(self, out: Float32Array) -> Period | None:
        """Copy the oldest period that is still there; called by the engine's thread only.

        Args:
            out: float32 [period_samples]; its beginning is overwritten.

        Returns:
            What was copied, valid until the next call, or None where there is nothing.
        """
        while self._n_taken < self._n_written:
            # The slot after the newest may be being overwritten at this moment.
            self._n_taken = max(self._n_taken, self._n_written - self._n_slots + 1)
            wanted = self._n_taken
            slot = wanted % self._n_slots
            period = self._period
            period.n_samples = self._lengths[slot]
            period.position = self._positions[slot]
            period.stamp_s = self._stamps_s[slot]
            period.arrived_s = self._arrivals_s[slot]
            period.is_overrun = bool(self._overruns[slot])
            out[: period.n_samples] = self._samples[slot, : period.n_samples]
            self._n_taken = wanted + 1
            if self._n_written - wanted < self._n_slots:  # not overwritten while it was copied
                return period
        return None
