"""The face while no sound arrives: held for a moment, then eased to neutral, then neutral."""

from __future__ import annotations

import numpy as np

from edge.config.settings import LossSettings
from edge.frames import AUFrame, State


class Fallback:
    """Frames without sound.

    Args:
        settings: Times.
        n_channels: Of a frame.
    """

    def __init__(self, settings: LossSettings, n_channels: int) -> None:
        self._settings = settings
        self._last = AUFrame.neutral(n_channels)

    def remember(self, frame: AUFrame) -> None:
        """Keep the face that is held from now on."""
        self._last.activations[:] = frame.activations
        self._last.head_deg[:] = frame.head_deg

    def fill(self, frame: AUFrame, silent_for_s: float) -> None:
        """Write the face of this moment.

        Args:
            frame: Overwritten: activations, head and state.
            silent_for_s: Time since sound last arrived.
        """
        held_s = self._settings.hold_ms / 1000
        ease_s = self._settings.ease_ms / 1000
        if silent_for_s <= held_s:
            share, state = 1.0, State.HELD
        elif silent_for_s < held_s + ease_s:
            share, state = 1.0 - (silent_for_s - held_s) / ease_s, State.HELD
        else:
            share, state = 0.0, State.NEUTRAL
        np.multiply(self._last.activations, np.float32(share), out=frame.activations)
        np.multiply(self._last.head_deg, np.float32(share), out=frame.head_deg)
        frame.state = state
