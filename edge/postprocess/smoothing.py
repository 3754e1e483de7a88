"""One Euro filters, one per channel, all in one go.

The filter's cut-off rises with the speed of the signal, so a face at rest does not jitter and a fast lip is not late.
Source: Casiez, Roussel, Vogel, "1 Euro Filter: A Simple Speed-based Low-pass Filter for Noisy Input", CHI 2012.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge.config.settings import SmoothingSettings
from edge.frames import AUFrame, Float32Array

DERIVATIVE_CUTOFF_HZ = 5.0  # of the speed's own filter; the paper uses 1 Hz for a 60 Hz pointer, lips change faster


def channel_group(name: str) -> str:
    """Return the group whose numbers smooth a channel: brows, eyes or mouth."""
    if name.startswith("brow"):
        return "brows"
    return "eyes" if name.startswith("eye") else "mouth"


class OneEuro:
    """A vector of One Euro filters.

    Args:
        min_cutoff_hz: float [n], cut-off at rest.
        beta: float [n], rise of the cut-off per unit of speed.
        frame_period_s: Time between two values.
    """

    def __init__(self, min_cutoff_hz: Float32Array, beta: Float32Array, frame_period_s: float) -> None:
        self._min_cutoff_hz = min_cutoff_hz.astype(np.float32)
        self._beta = beta.astype(np.float32)
        self._period_s = np.float32(frame_period_s)
        self._two_pi_period = np.float32(2 * np.pi * frame_period_s)
        r = 2 * np.pi * DERIVATIVE_CUTOFF_HZ * frame_period_s
        self._derivative_share = np.float32(r / (r + 1))
        self._value = np.zeros(len(min_cutoff_hz), np.float32)
        self._speed = np.zeros_like(self._value)
        self._step = np.zeros_like(self._value)
        self._share = np.zeros_like(self._value)
        self._is_first = True

    def reset(self) -> None:
        """Forget the past: the next value passes as it is."""
        self._is_first = True
        self._speed.fill(0)

    def apply(self, values: Float32Array) -> None:
        """Filter one vector in place, float32 [n]."""
        if self._is_first:
            self._value[:] = values
            self._is_first = False
            return
        np.subtract(values, self._value, out=self._step)
        np.divide(self._step, self._period_s, out=self._share)
        self._share -= self._speed
        self._share *= self._derivative_share
        self._speed += self._share
        # share = r / (r + 1) with r = 2 pi cutoff period: the exponential filter's weight of the new value
        np.abs(self._speed, out=self._share)
        self._share *= self._beta
        self._share += self._min_cutoff_hz
        self._share *= self._two_pi_period
        np.multiply(self._step, self._share, out=self._step)
        self._share += 1
        self._step /= self._share
        self._value += self._step
        values[:] = self._value


class Smoothing:
    """Smooth activations by group, and the head.

    Args:
        settings: Cut-offs and betas by group.
        channels: Names in the frame's order.
        frame_period_s: Time between two frames.
    """

    def __init__(self, settings: SmoothingSettings, channels: Sequence[str], frame_period_s: float) -> None:
        groups = [channel_group(name) for name in channels]
        cutoff = np.array([getattr(settings, f"{group}_min_cutoff_hz") for group in groups], np.float32)
        beta = np.array([getattr(settings, f"{group}_beta") for group in groups], np.float32)
        self._enabled = settings.enabled
        cutoff = np.append(cutoff, np.full(3, settings.head_min_cutoff_hz, np.float32))
        beta = np.append(beta, np.full(3, settings.head_beta, np.float32))
        self._filter = OneEuro(cutoff, beta, frame_period_s)  # one for both: half the calls
        self._values = np.zeros(len(cutoff), np.float32)
        self._face, self._head = self._values[:-3], self._values[-3:]

    def reset(self) -> None:
        """Forget the past."""
        self._filter.reset()

    def apply(self, frame: AUFrame, newest: Float32Array) -> None:
        """Filter a frame in place; `newest` is not looked at."""
        if not self._enabled:
            return
        self._face[:] = frame.activations
        self._head[:] = frame.head_deg
        self._filter.apply(self._values)
        frame.activations[:] = self._face
        frame.head_deg[:] = self._head
