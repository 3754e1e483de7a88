"""Decide which sound that arrives is passed on: that of the machine whose frames are shown, one sender at a time."""

from __future__ import annotations

from edge.head.arrivals import SOURCE_TIMEOUT_S, Address
from edge.outputs.sound_datagram import SOUND_MAGIC, ReceivedSound, read_sound

RESTART_STEP_BACK = 100  # datagrams; a smaller step back was overtaken on its way
_MODULUS = 2**32


class SoundArrivals:
    """The gate between the socket and the pages that draw or record sound.

    Attributes:
        n_refused: Datagrams that begin like sound and are none, or come from elsewhere than the frames.
    """

    def __init__(self) -> None:
        self.n_refused = 0
        self._source: Address | None = None
        self._last_s = float("-inf")
        self._last_sequence = 0

    @staticmethod
    def is_sound(datagram: bytes) -> bool:
        """Return whether a datagram says that it is sound."""
        return datagram[:2] == SOUND_MAGIC

    def take(self, datagram: bytes, sender: Address, shown: Address | None, now_s: float) -> ReceivedSound | None:
        """Return the sound to pass on, or None.

        Args:
            datagram: As received.
            sender: Where it came from.
            shown: Whose frames are shown; its machine may send sound, from any port.
            now_s: Monotonic time.
        """
        if shown is None or sender[0] != shown[0]:
            self.n_refused += 1
            return None
        try:
            sound = read_sound(datagram)
        except ValueError:
            self.n_refused += 1
            return None
        is_silent = now_s - self._last_s > SOURCE_TIMEOUT_S
        if sender != self._source:
            if not is_silent:
                self.n_refused += 1
                return None
        elif not is_silent and (self._last_sequence - sound.sequence) % _MODULUS <= RESTART_STEP_BACK:
            return None  # overtaken, or twice
        self._source, self._last_s, self._last_sequence = sender, now_s, sound.sequence
        return sound
