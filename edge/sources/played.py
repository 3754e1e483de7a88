"""Sound that goes to a loudspeaker: when it is given so that the face is known in time, and when it has left.

Sound is given to the network and the player together, `ahead_s` before it leaves: the network's look-ahead, the lead of
the receiver that needs most, and the time to compute. So the face of a moment is known when its sound leaves, and
look-ahead costs nothing but a first sound that waits for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from edge.contracts import Clock, Player
from edge.frames import Float32Array

PREPARE_S = 0.04  # to hear a frame's end, compute it and the first ones behind it
RESERVE_S = 0.1  # given earlier still: a writer or a machine that hesitates is not heard
SHORTEST_WAIT_S = 0.002
FRAME_S = 0.034  # the longest frame of a network
_LONGEST_PRIMING_S = 2.0


class PlayedTime:
    """A player, and the time that it gives.

    Args:
        player: The loudspeaker.
        clock: The machine's time.
        lookahead_s: Of the network.
        lead_s: Longest time by which a receiver is sent a face early.
    """

    def __init__(self, player: Player, clock: Clock, lookahead_s: float, lead_s: float) -> None:
        self._player = player
        self._clock = clock
        self._lookahead_s = lookahead_s
        self._lead_s = lead_s
        self.ahead_s = lookahead_s + lead_s + PREPARE_S
        self._rate_hz = 1
        self._n_written = self._n_spoken = 0
        self._asked_s: float | None = None  # when an utterance first wanted to begin
        self._cut_at: int | None = None  # where what was cleared begins
        self._zeros = np.zeros(0, np.float32)
        self._events: deque[tuple[int, Callable[[], None]]] = deque()

    @property
    def player(self) -> Player:
        """Return the loudspeaker."""
        return self._player

    def open(self, rate_hz: int) -> None:
        """Open the loudspeaker; see `Player.open` for what it raises."""
        self._player.open(rate_hz)
        self._rate_hz = rate_hz
        self._n_written = self._n_spoken = 0
        self._asked_s = self._cut_at = None
        self._zeros = np.zeros(round(_LONGEST_PRIMING_S * rate_hz), np.float32)
        self._events.clear()

    @property
    def n_wanted(self) -> int:
        """Return how many samples should be there when an utterance begins, so that its faces are known at once."""
        return round((self._lookahead_s + FRAME_S) * self._rate_hz)

    def begin(self, n_ready: int) -> float | None:
        """Let an utterance begin behind a silent loudspeaker: as soon as its faces can be in time.

        Args:
            n_ready: Samples that are there. The network's look-ahead is waited for, at most as long as it lasts.

        Returns:
            When its first sample will leave; None where the look-ahead is still to come.
        """
        now_s = self._clock.monotonic_s()
        if n_ready < self.n_wanted:
            self._asked_s = now_s if self._asked_s is None else self._asked_s
            if now_s - self._asked_s < self._lookahead_s:
                self._clock.sleep_until(now_s + SHORTEST_WAIT_S)
                return None
        self._asked_s = None
        n_silent = round((self._lead_s + PREPARE_S - self.unplayed_s) * self._rate_hz)
        if n_silent > 0:
            self._n_written += self._player.write(self._zeros[:n_silent])
        return self._player.time_of(self._n_written)

    def wait(self, n_samples: int, timeout_s: float) -> bool:
        """Wait until so many samples may be given; return whether they may."""
        now_s = self._clock.monotonic_s()
        due_s = self._player.time_of(self._n_written + n_samples) - self.ahead_s - RESERVE_S
        if self._player.room() < n_samples:
            due_s = max(due_s, now_s + SHORTEST_WAIT_S)
        if due_s > now_s:
            self._clock.sleep_until(min(due_s, now_s + timeout_s))
        return due_s <= now_s + timeout_s and self._player.room() >= n_samples

    @property
    def n_droppable(self) -> int:
        """Return how much of the speech that was given a clear would still drop; what the device has is heard."""
        return max(0, self._n_spoken - self._player.position().sample_index)

    def give(self, samples: Float32Array, is_speech: bool) -> float:
        """Play samples; return when the last one leaves."""
        self._n_written += self._player.write(samples)
        if is_speech:
            self._n_spoken = self._n_written
        return self._player.time_of(self._n_written)

    @property
    def unplayed_s(self) -> float:
        """Return how much of what was given has not left."""
        return max(0.0, self._player.time_of(self._n_written) - self._clock.monotonic_s())

    def cut_later(self, n_newest: int) -> None:
        """Mute the newest speech, of which nothing was heard; the sound of others before it is heard to its end.

        Args:
            n_newest: How many samples of speech.
        """
        self._cut_at = self._n_spoken - n_newest
        self._player.mute(self._cut_at, self._n_written)
        self._n_spoken = self._cut_at

    @property
    def cuts_later(self) -> bool:
        """Return whether sound of others is to be heard before `is_cut_due`."""
        return self._cut_at is not None

    def is_cut_due(self) -> bool:
        """Return whether the sound has left that was to be heard before a cut."""
        return self._cut_at is not None and self._player.time_of(self._cut_at) <= self._clock.monotonic_s()

    def clear(self) -> None:
        """Silence the loudspeaker, and do what waited for sound to leave."""
        self._cut_at = None
        self._player.clear()
        while self._events:
            self._events.popleft()[1]()

    def later(self, event: Callable[[], None]) -> None:
        """Do something once all that was given by now has left."""
        self._events.append((self._n_written, event))

    def do_due(self) -> None:
        """Do what waited for sound that has left by now."""
        now_s = self._clock.monotonic_s()
        while self._events and self._player.time_of(self._events[0][0]) <= now_s:
            self._events.popleft()[1]()

    def close(self) -> None:
        """Close the loudspeaker; may be called twice."""
        self._player.close()
        self._events.clear()
