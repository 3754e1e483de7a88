"""The values of a frame as they may leave the machine: finite, activations in [0, 1], angles within a turn.

Post-processing keeps them there already; a codec does not rest on it, since what receives may move metal.
"""

from __future__ import annotations

import numpy as np

from edge.frames import AUFrame, Float32Array

MAX_ANGLE_DEG = 180.0
MAX_DATAGRAM_BYTES = 1400  # below the payload of an Ethernet frame (1472) with room for tunnels: never fragmented


class BoundedValues:
    """A copy of a frame's values, bounded.

    Args:
        n_channels: Activations in a frame.

    Attributes:
        activations: float32 [n_channels] in [0, 1], NaN as 0; overwritten by `load`.
        head_deg: float32 [3] in [-180, 180], NaN as 0; overwritten by `load`.
    """

    def __init__(self, n_channels: int) -> None:
        self.activations: Float32Array = np.zeros(n_channels, np.float32)
        self.head_deg: Float32Array = np.zeros(3, np.float32)
        self._is_nan = np.zeros(3, np.bool_)

    def load(self, frame: AUFrame) -> None:
        """Take a frame's values, without allocating.

        Args:
            frame: With as many activations as the constructor was told.
        """
        np.fmax(frame.activations, 0.0, out=self.activations)  # fmax returns the number where the other is NaN
        np.fmin(self.activations, 1.0, out=self.activations)
        np.isnan(frame.head_deg, out=self._is_nan)
        np.fmax(frame.head_deg, -MAX_ANGLE_DEG, out=self.head_deg)
        np.fmin(self.head_deg, MAX_ANGLE_DEG, out=self.head_deg)
        self.head_deg[self._is_nan] = 0.0
