"""How long a newly opened stream may take until its first period, learnt from the ones before.

A sound server may need 1.6 s, a card 10 ms. A device that hangs while it is opened again gives nothing, often not even
when it has recovered, and only the next opening does: to wait for it as for the slowest server would keep the face
still for 2 s after the sound is there. So what a device has shown to need is what it gets, several times over: the
quickest counts, since a stall that ends by itself makes a first period late and tells nothing of the device.
"""

from __future__ import annotations

LONGEST_S = 2.0  # PulseAudio's first period takes up to 1.6 s
SHORTEST_S = 0.5  # with the opening itself, sound is back well within a second
MARGIN = 4.0  # a busy machine
PATIENT_EVERY = 8  # tries: a device that has become slow is not given up for ever


class FirstPeriodWait:
    """The limit for the next first period of one device."""

    def __init__(self) -> None:
        self._quickest_s = float("inf")
        self._n_missed = 0

    @property
    def limit_s(self) -> float:
        """Return after how many seconds without a period a new stream is given up."""
        if self._n_missed % PATIENT_EVERY == PATIENT_EVERY - 1:
            return LONGEST_S
        return min(LONGEST_S, max(SHORTEST_S, MARGIN * self._quickest_s))

    def came(self, after_s: float) -> None:
        """Learn that a first period came so many seconds after its stream was opened."""
        self._quickest_s = min(self._quickest_s, after_s)
        self._n_missed = 0

    def missed(self) -> None:
        """Learn that a stream was given up before its first period."""
        self._n_missed += 1
