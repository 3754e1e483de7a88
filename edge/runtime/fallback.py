"""The face while no sound arrives: held for a moment, then eased to neutral, then neutral.

Where it is known that all has been said, or was cleared, nothing is lost and nothing is held: the face goes to rest.
"""

from __future__ import annotations

import numpy as np

from edge.config.settings import LossSettings
from edge.frames import AUFrame, State

REST_S = 0.066  # from the end of what is said to a mouth at rest: two frames, as the silence gate's release


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
        self._last.lips_met = frame.lips_met

    def rest(self, frame: AUFrame, over_for_s: float) -> None:
        """Write the face of a moment behind the known end of what was said.

        Args:
            frame: Overwritten: activations, head (which takes the time of a loss to ease) and state.
            over_for_s: Time since that end.
        """
        share = max(0.0, 1.0 - over_for_s / REST_S)
        head_share = max(0.0, 1.0 - over_for_s / max(REST_S, self._settings.ease_ms / 1000))
        np.multiply(self._last.activations, np.float32(share), out=frame.activations)
        np.multiply(self._last.head_deg, np.float32(head_share), out=frame.head_deg)
        frame.state = State.SILENCE

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
        frame.state, frame.lips_met = state, self._last.lips_met
