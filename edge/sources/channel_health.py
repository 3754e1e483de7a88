"""Signs that the wrong channel of a sound is listened to, or that the mean of several cancels itself.

Many sound cards have two channels and the microphone on one of them; a face that listens to the other is dead without
an error anywhere. And where one of two microphones is wired with its poles exchanged, the mean of both is next to
nothing.
What is found is counted, and said once, with the key that mends it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.frames import Float32Array
from edge.sources.channels import ChannelChoice

BLOCK_S = 0.1  # of one level: shorter than a syllable
STRETCH_S = 5.0  # of one judgement: somebody who speaks is heard in it
N_STRETCHES = 2  # that must say the same
HEARD_DBFS = -50.0  # the loudest block of a channel on which somebody speaks into a microphone has more
WRONG_CHANNEL_DB = (
    20.0  # microphones of one array hear a voice alike within 10 dB; a dead input hears crosstalk, -60 dB
)
CANCELLED_DB = 10.0  # below the mean of sounds that have nothing to do with each other
_FLOOR = 1e-12  # -120 dBFS


class ChannelHealth:
    """Looks at all channels of every block; keeps counts since the program started.

    Args:
        choice: What is listened to.
    """

    def __init__(self, choice: ChannelChoice) -> None:
        self._choice = choice
        self._lines: list[str] = []
        self._is_wrong_said = self._is_cancelled_said = False
        self._n_wrong = self._n_cancelled = 0  # stretches in a row
        self.n_wrong_channel = 0
        self.n_cancelled = 0
        self._n_in_block = self._n_in_stretch = 0  # samples
        self._mean_square = 0.0  # summed over the block, as the next two
        self._sums: NDArray[np.float64] = np.zeros(0)
        self._squares: NDArray[np.float64] = np.zeros(0)
        self._loudest: NDArray[np.float64] = np.zeros(0)  # mean square of the loudest block of the stretch
        self._heard = [0.0, 0.0]  # in blocks with sound: of the mean, and the mean of the channels' own
        self._parts: Float32Array = np.zeros(0, np.float32)
        self._floats: Float32Array = np.zeros((0, 0), np.float32)
        self._mean: Float32Array = np.zeros(0, np.float32)

    def inspect(self, block: NDArray[Any], rate_hz: int, scale: float = 1.0) -> None:
        """Look at the next samples; allocates only where they are longer or have other channels than before.

        Args:
            block: [n, n_channels], of any numeric type.
            rate_hz: Their rate.
            scale: Factor that brings full scale to 1.0.
        """
        n_samples, n_channels = block.shape
        if n_channels < 2 or n_samples == 0:
            return
        if n_channels != len(self._loudest):
            self._start(n_channels)
        if n_samples > len(self._floats):
            self._floats = np.zeros((n_samples, n_channels), np.float32)
            self._mean = np.zeros(n_samples, np.float32)
        floats, mean = self._floats[:n_samples], self._mean[:n_samples]
        np.multiply(block, np.float32(scale), out=floats, casting="unsafe")
        np.add.reduce(floats, axis=1, out=mean)
        self._sums += np.add.reduce(floats, axis=0, out=self._parts)
        np.multiply(floats, floats, out=floats)
        self._squares += np.add.reduce(floats, axis=0, out=self._parts)
        self._mean_square += float(np.dot(mean, mean)) / n_channels**2
        self._n_in_block += n_samples
        if self._n_in_block >= BLOCK_S * rate_hz:
            self._end_block(rate_hz)

    def warnings(self) -> list[str]:
        """Return the lines that have not been returned before."""
        lines, self._lines = self._lines, []
        return lines

    def counters(self) -> dict[str, int]:
        """Return the counts of stretches: wrong_channel, cancelled_mix."""
        return {"wrong_channel": self.n_wrong_channel, "cancelled_mix": self.n_cancelled}

    def _start(self, n_channels: int) -> None:
        """Make room for so many channels."""
        self._floats, self._mean = np.zeros((0, n_channels), np.float32), np.zeros(0, np.float32)
        self._parts = np.zeros(n_channels, np.float32)
        self._sums, self._squares, self._loudest = (np.zeros(n_channels) for _ in range(3))
        self._mean_square = 0.0
        self._heard[:] = 0.0, 0.0
        self._n_in_block = self._n_in_stretch = 0

    def _end_block(self, rate_hz: int) -> None:
        """Take in a block; a constant offset is no sound."""
        n = self._n_in_block
        offsets = self._sums / n
        powers = np.maximum(self._squares / n - offsets**2, 0.0)
        np.maximum(self._loudest, powers, out=self._loudest)
        if powers.max() >= 10 ** (HEARD_DBFS / 10):
            self._heard[0] += max(0.0, self._mean_square / n - float(offsets.mean()) ** 2)
            self._heard[1] += float(powers.mean())
        self._sums[:], self._squares[:], self._mean_square = 0.0, 0.0, 0.0
        self._n_in_stretch += n
        self._n_in_block = 0
        if self._n_in_stretch >= STRETCH_S * rate_hz:
            self._end_stretch()

    def _end_stretch(self) -> None:
        if self._choice.index is not None:
            self._judge_channel(self._choice.index)
        else:
            self._judge_mean()
        self._loudest[:] = 0.0
        self._heard[:] = 0.0, 0.0
        self._n_in_stretch = 0

    def _judge_channel(self, index: int) -> None:
        other = int(self._loudest.argmax())
        own_dbfs, other_dbfs = _dbfs(self._loudest[index]), _dbfs(self._loudest[other])
        is_wrong = other_dbfs >= HEARD_DBFS and own_dbfs <= other_dbfs - WRONG_CHANNEL_DB
        self._n_wrong = self._n_wrong + 1 if is_wrong else 0
        self.n_wrong_channel += self._n_wrong >= N_STRETCHES
        if self._n_wrong >= N_STRETCHES and not self._is_wrong_said:
            self._is_wrong_said = True
            self._lines.append(
                f"channel {index + 1} of {len(self._loudest)} is all but silent ({own_dbfs:.0f} dBFS at its loudest) "
                f"while channel {other + 1} has {other_dbfs:.0f} dBFS: if the voice is "
                f"there, set audio.channel = {other + 1}"
            )

    def _judge_mean(self) -> None:
        mean_square, own = self._heard
        unrelated_db = 10.0 * math.log10(len(self._loudest))
        lost_db = _dbfs(own) - _dbfs(mean_square)
        is_cancelled = own > 0.0 and lost_db >= unrelated_db + CANCELLED_DB
        self._n_cancelled = self._n_cancelled + 1 if is_cancelled else 0
        self.n_cancelled += self._n_cancelled >= N_STRETCHES
        if self._n_cancelled >= N_STRETCHES and not self._is_cancelled_said:
            self._is_cancelled_said = True
            self._lines.append(
                f"the {len(self._loudest)} channels cancel each other: their mean is {lost_db:.0f} dB softer than they "
                "are. One of them has its poles exchanged: set audio.channel = 1 instead of mix, or mend the cable"
            )


class ToldChannelHealth(ChannelHealth):
    """The same for a source whose writers come and go: each line is told as soon as it is known.

    Args:
        choice: What is listened to.
        tell: Takes a line for the log.
    """

    def __init__(self, choice: ChannelChoice, tell: Callable[[str], None]) -> None:
        super().__init__(choice)
        self._tell = tell

    def look(self, block: NDArray[Any], rate_hz: int, scale: float) -> None:
        """Inspect, and tell; see `ChannelHealth.inspect`."""
        self.inspect(block, rate_hz, scale)
        for line in self.warnings():
            self._tell(line)


def _dbfs(mean_square: float) -> float:
    return 10.0 * math.log10(max(mean_square, _FLOOR))
