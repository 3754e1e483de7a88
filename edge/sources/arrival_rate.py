"""The rate at which a live writer's samples come, where it is not the rate that was said.

A microphone on another machine sends as many samples a second as it takes. Where it was declared at 44.1 kHz and sends
24 kHz, the face gets 16 frames a second and nobody knows why. A synthesiser that writes ahead, or in bursts, shows no
steady rate, and one that is held back (its bytes wait for us) shows our own: about both nothing is said.
"""

from __future__ import annotations

STEP_S = 1.0
N_STEPS = 5  # seconds that must agree
MAX_SPREAD = 0.03  # between them: a chunk of 20 ms more or less
MIN_DIFFERENCE = 0.06  # from the declared rate: nearest neighbours of the list differ by 8 %
MAX_OFF = 0.03  # from a rate that exists
RATES_HZ = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000)


class ArrivalRate:
    """Counts samples against the clock; allocates nothing.

    Args:
        rate_hz: Samples a second that were declared.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._since_s = -1.0
        self._n_samples = 0
        self._n_steps = 0
        self._lowest = self._highest = 0.0

    def reset(self) -> None:
        """Begin with another stream."""
        self._since_s = -1.0
        self._n_steps = 0

    def count(self, n_samples: int, now_s: float) -> int:
        """Take the arrival of samples.

        Args:
            n_samples: How many came now.
            now_s: CLOCK_MONOTONIC.

        Returns:
            The rate in Hz, one that exists, at which a live writer sends; 0 where nothing is to be said.
        """
        if self._since_s < 0:
            self._since_s, self._n_samples, self._n_steps = now_s, 0, 0  # what came before the first look is not known
            return 0
        self._n_samples += n_samples
        elapsed_s = now_s - self._since_s
        if elapsed_s < STEP_S:
            return 0
        rate = self._n_samples / elapsed_s
        self._since_s, self._n_samples = now_s, 0
        if elapsed_s > 1.2 * STEP_S:  # a pause of the writer, or ours: no steady stream
            self._n_steps = 0
            return 0
        self._lowest = rate if self._n_steps == 0 else min(rate, self._lowest)
        self._highest = rate if self._n_steps == 0 else max(rate, self._highest)
        self._n_steps += 1
        if self._highest > (1 + MAX_SPREAD) * self._lowest:
            self._n_steps = 0
        return self._verdict() if self._n_steps >= N_STEPS else 0

    def _verdict(self) -> int:
        rate = (self._lowest + self._highest) / 2
        nearest = min(RATES_HZ, key=lambda known: abs(known - rate))
        is_known = abs(nearest - rate) <= MAX_OFF * nearest
        return nearest if is_known and abs(rate - self._rate_hz) > MIN_DIFFERENCE * self._rate_hz else 0
