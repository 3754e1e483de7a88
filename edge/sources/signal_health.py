"""Signs that a sound is not what a microphone should give: not numbers, clipped, frozen or digitally silent.

A real microphone always has some noise in its last bits, so samples that do not change at all mean a muted switch, a
dead converter or a wrong channel. What is found is counted, and said once.
"""

from __future__ import annotations

import numpy as np

from edge.frames import Float32Array

FROZEN_S = 5.0  # a pause in a gated or denoised stream can be exactly zero, but not for this long
CLIPPED_SHARE = 1e-3  # of the samples of one second; a single peak at full scale is how files are normalised
LIMIT = 16.0  # +24 dB over full scale: beyond it a float sample is a fault, and its square could overflow a spectrum
FULL_SCALE_16_BIT = 1.0 - 2.0**-15


class SignalHealth:
    """Looks at every chunk; keeps counts since the program started.

    Args:
        full_scale: Magnitude from which a sample counts as clipped; the largest positive value of the format.
    """

    def __init__(self, full_scale: float = FULL_SCALE_16_BIT) -> None:
        self.full_scale = full_scale
        self._lines: list[str] = []
        self._frozen_value = float("nan")
        self._n_frozen = 0
        self._is_frozen_said = False
        self._is_clipping_said = False
        self._is_bad_said = False
        self._second_samples = 0
        self._second_clipped = 0
        self.n_clipped = 0
        self.n_bad = 0
        self.n_digital_silence = 0

    def inspect(self, samples: Float32Array, rate_hz: int) -> None:
        """Look at the next samples and repair those that are not numbers.

        Args:
            samples: float32 [n]; NaN and infinite samples become 0, others are limited to +24 dB over full scale.
            rate_hz: Their rate.
        """
        if not len(samples):
            return
        # not `samples.max()`, which asks Python first what to do: this is called for every period
        highest = float(np.maximum.reduce(samples))
        lowest = float(np.minimum.reduce(samples))
        peak = max(highest, -lowest)
        if not peak <= LIMIT or highest != highest:  # also true for NaN, which max and min pass on
            self._repair(samples)
            highest, lowest = float(samples.max()), float(samples.min())
            peak = max(highest, -lowest)
        self._watch_clipping(samples, peak, rate_hz)
        self._watch_frozen(highest, lowest, len(samples), rate_hz)

    def warnings(self) -> list[str]:
        """Return the lines that have not been returned before."""
        lines, self._lines = self._lines, []
        return lines

    def counters(self) -> dict[str, int]:
        """Return the counts: bad_samples, clipped_samples, silent_stretches."""
        return {
            "bad_samples": self.n_bad,
            "clipped_samples": self.n_clipped,
            "silent_stretches": self.n_digital_silence,
        }

    def _repair(self, samples: Float32Array) -> None:
        is_bad = ~np.isfinite(samples)
        n_bad = int(np.count_nonzero(is_bad))
        samples[is_bad] = 0.0
        np.clip(samples, -LIMIT, LIMIT, out=samples)
        self.n_bad += n_bad
        if n_bad and not self._is_bad_said:
            self._is_bad_said = True
            self._lines.append("the sound has samples that are not numbers (NaN or infinite): heard as 0 and counted")

    def _watch_clipping(self, samples: Float32Array, peak: float, rate_hz: int) -> None:
        n_clipped = int(np.count_nonzero(np.abs(samples) >= self.full_scale)) if peak >= self.full_scale else 0
        self.n_clipped += n_clipped
        self._second_clipped += n_clipped
        self._second_samples += len(samples)
        if self._second_samples < rate_hz:
            return
        if self._second_clipped > CLIPPED_SHARE * self._second_samples and not self._is_clipping_said:
            self._is_clipping_said = True
            share = 100.0 * self._second_clipped / self._second_samples
            self._lines.append(
                f"the sound is clipped ({share:.1f} % of a second's samples at full scale): lower the input gain, "
                "for a sound card with `alsamixer`"
            )
        self._second_samples = self._second_clipped = 0

    def _watch_frozen(self, highest: float, lowest: float, n_samples: int, rate_hz: int) -> None:
        if highest != lowest or highest != self._frozen_value:
            if self._is_frozen_said:
                self._lines.append("the sound is back")
            self._frozen_value = highest if highest == lowest else float("nan")
            self._n_frozen = n_samples if highest == lowest else 0
            self._is_frozen_said = False
            return
        self._n_frozen += n_samples
        if self._n_frozen > FROZEN_S * rate_hz and not self._is_frozen_said:
            self._is_frozen_said = True
            self.n_digital_silence += 1
            what = "silent to the last bit" if highest == 0.0 else "frozen at one value"
            self._lines.append(
                f"the sound has been {what} for {FROZEN_S:g} s, as no microphone is: is it muted, or the wrong channel?"
            )
