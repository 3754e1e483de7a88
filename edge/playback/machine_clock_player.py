"""A player without a loudspeaker: what is written leaves by the machine's clock and is heard by nobody.

So a face without a sound card, or whose sound another program plays, is spoken by the very same loop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edge.contracts import Clock, PlayPosition
from edge.errors import DeviceError
from edge.frames import Float32Array
from edge.playback.playout import Playout

CLOSED, PLAYING = "closed", "playing"


class MachineClockPlayer:
    """The machine's time in place of a loudspeaker; see the contract `Player`.

    Args:
        clock: The time.
    """

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._playout: Playout | None = None
        self._counters = {"underruns": 0, "dropped_samples": 0, "reopened": 0}

    @property
    def description(self) -> str:
        """Return one line for a person."""
        return "no loudspeaker: the machine's clock"

    @property
    def state(self) -> str:
        """Return "closed" or "playing"."""
        return CLOSED if self._playout is None else PLAYING

    def open(self, rate_hz: int) -> None:
        """Begin to count, from sample 0 on."""
        self.close()
        self._playout = Playout(rate_hz, rate_hz, SameRate, 1.0, 0, self._clock.monotonic_s())

    def write(self, samples: Float32Array) -> int:
        """Take sound; return how many samples were taken."""
        return self._now().write(samples)

    def room(self) -> int:
        """Return how many samples `write` would take now."""
        return self._now().room

    def clear(self) -> int:
        """Drop what has not left yet; return the samples dropped."""
        return self._now().clear()

    def mute(self, first: int, end: int) -> None:
        """Play silence in place of samples that have not left."""
        self._now().mute(first, end)

    def position(self) -> PlayPosition:
        """Return the sample that leaves now."""
        return self._now().position()

    def time_of(self, sample_index: int) -> float:
        """Return the CLOCK_MONOTONIC time at which a sample leaves or left."""
        return self._now().time_of(sample_index)

    def counters(self) -> Mapping[str, int]:
        """Return `underruns`, `dropped_samples` and `reopened` since the program started."""
        playout = self._playout
        n_starved = playout.line.n_starved if playout else 0
        n_dropped = playout.n_dropped if playout else 0
        return {
            "underruns": self._counters["underruns"] + n_starved,
            "dropped_samples": self._counters["dropped_samples"] + n_dropped,
            "reopened": 0,
        }

    def warnings(self) -> Sequence[str]:
        """Return nothing: there is no device."""
        return ()

    def close(self) -> None:
        """End; may be called twice."""
        self._counters = dict(self.counters())
        self._playout = None

    def _now(self) -> Playout:
        """Return the playout as it is at this moment."""
        playout = self._playout
        if playout is None:
            raise DeviceError(self.description, "the player is closed", "Open it again")
        playout.line.pass_until(self._clock.monotonic_s())
        return playout


class SameRate:
    """A resampler of two equal rates.

    Args:
        source_rate_hz: Of both.
        output_rate_hz: The same.
    """

    delay_s = 0.0

    def __init__(self, source_rate_hz: int, output_rate_hz: int) -> None:
        if source_rate_hz != output_rate_hz:
            raise ValueError(f"{source_rate_hz} Hz and {output_rate_hz} Hz are not the same")

    def process(self, samples: Float32Array, start_index: int) -> tuple[Float32Array, int]:
        """Return the samples."""
        return samples, start_index

    def reset(self) -> None:
        """Forget nothing: nothing is kept."""
