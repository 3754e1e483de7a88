"""From the microphone to the network's input: time, sound, rates, windows, features; and to the loudspeaker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from edge.frames import AudioChunk, Float32Array


@runtime_checkable
class Clock(Protocol):
    """Time, so that tests can own it."""

    def monotonic_s(self) -> float:
        """Return CLOCK_MONOTONIC seconds."""
        ...

    def unix_s(self) -> float:
        """Return Unix time in seconds."""
        ...

    def sleep_until(self, monotonic_s: float) -> None:
        """Return at or after the given monotonic time (at once if it has passed)."""
        ...


@runtime_checkable
class AudioSource(Protocol):
    """Mono sound at a fixed rate, on its own absolute sample axis."""

    @property
    def rate_hz(self) -> int:
        """Return the rate of the samples that `read` returns; valid after `open`."""
        ...

    @property
    def description(self) -> str:
        """Return one line that tells a person what is heard ("USB mic, hw:1,0, 48000 Hz, channel 1 of 2")."""
        ...

    def open(self) -> None:
        """Acquire the device or file.

        Raises:
            DeviceError: The device cannot be had now; the caller may try again.
            ConfigurationError: The device is unknown, ambiguous or cannot do what is asked.
            InputError: The file cannot be used.
        """
        ...

    def read(self, timeout_s: float) -> AudioChunk | None:
        """Return the next sound, or None when none came within the time.

        A source never returns the same sample twice and never goes back; where samples were lost, the next chunk's
        `start_index` is larger than the last chunk's `end_index`. After a chunk with `is_last`, read is not called.

        Raises:
            DeviceError: The device is gone. `close()` and `open()` may bring it back; the axis then goes on, ahead by
                the time that passed.
        """
        ...

    def counters(self) -> Mapping[str, int]:
        """Return counts since the program started: at least `lost_samples` and `reopened`."""
        ...

    def warnings(self) -> Sequence[str]:
        """Return lines about the sound (silence, clipping, samples that are no numbers), each of them once."""
        ...

    def close(self) -> None:
        """Release everything; may be called twice and from another thread."""
        ...


@runtime_checkable
class Resampler(Protocol):
    """From a source's rate and axis to the model's."""

    @property
    def delay_s(self) -> float:
        """Return how much later than its sound an output sample is known."""
        ...

    def process(self, samples: Float32Array, start_index: int) -> tuple[Float32Array, int]:
        """Convert the next samples.

        Args:
            samples: float32 [n], any n.
            start_index: Index of samples[0] on the source's axis; a jump ahead is a gap and starts the filter anew.

        Returns:
            The samples that are ready, float32 [m] (valid until the next call), and the index of the first on the
            model's axis.
        """
        ...

    def reset(self) -> None:
        """Forget the past."""
        ...


@runtime_checkable
class Framer(Protocol):
    """Windows of the newest samples, one for each frame whose last sample has come."""

    follows_gap: bool
    skipped_frames: int

    @property
    def end_index(self) -> int:
        """Return the absolute index that the next chunk continues at."""
        ...

    def push(self, samples: Float32Array, start_index: int) -> None:
        """Take in sound; it is copied."""
        ...

    def next_window(self) -> tuple[int, Float32Array] | None:
        """Return a frame's index and its window [window_samples], or None where more sound is needed."""
        ...

    def end_of(self, frame_index: int) -> int:
        """Return the absolute index one past the last sample of a frame."""
        ...

    def reset(self) -> None:
        """Begin a new stream."""
        ...


@runtime_checkable
class FeatureExtractor(Protocol):
    """A pure function of the newest `window_samples` samples; it keeps no history."""

    @property
    def window_samples(self) -> int:
        """Return how many samples, ending with a frame's last, one call looks at."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of one frame's features, as the network takes it (with its batch axis of 1)."""
        ...

    def compute(self, window: Float32Array, out: Float32Array) -> None:
        """Write one frame's features.

        Args:
            window: float32 [window_samples], read only for the callee.
            out: float32, C-contiguous, of `shape`; overwritten.
        """
        ...


@dataclass(frozen=True)
class PlayPosition:
    """A point of a player's clock.

    Attributes:
        sample_index: A sample, counted over all that was written since `open`.
        at_s: CLOCK_MONOTONIC time at which it leaves the loudspeaker (by the converter's time; the air is not in it).
    """

    sample_index: int
    at_s: float


@runtime_checkable
class Player(Protocol):
    """A loudspeaker, or the machine's time in place of one; whoever plays sound follows its clock.

    Samples are counted from 0 at `open`, every sample that `write` took, also those that `clear` dropped: an index
    always means the same sample, and the next one that is written has the next index. Where nothing was written in
    time (an underrun, a pause between utterances) the loudspeaker is silent and the samples that come next are later.
    `write`, `clear`, `mute`, `position` and `time_of` are called from one thread and never wait for the device.
    """

    @property
    def description(self) -> str:
        """Return one line that tells a person what plays ("USB audio, hw:1,0, 48000 Hz, 2 channels")."""
        ...

    @property
    def state(self) -> str:
        """Return "closed", "playing", or "held" while the device is lost and is tried again."""
        ...

    def open(self, rate_hz: int) -> None:
        """Acquire the device; a device at another rate is resampled to inside.

        Args:
            rate_hz: Of the samples that `write` will be given.

        Raises:
            DeviceError: It cannot be had now; the caller may try again.
            ConfigurationError: It is unknown, ambiguous or cannot do what is asked.
        """
        ...

    def write(self, samples: Float32Array) -> int:
        """Take sound to be played behind what was written before.

        Args:
            samples: float32 [n], full scale = 1.0; copied.

        Returns:
            How many samples were taken, from the first on: the ring is bounded. Never waits.
        """
        ...

    def room(self) -> int:
        """Return how many samples `write` would take now."""
        ...

    def clear(self) -> int:
        """Drop what has not left yet, with a fade of 5 ms at most against a click; return the samples dropped."""
        ...

    def mute(self, first: int, end: int) -> None:
        """Play silence in place of samples that have not left; indices and times stay as they are.

        Args:
            first: Index of the first.
            end: Index after the last.
        """
        ...

    def position(self) -> PlayPosition:
        """Return the last known pair of sample and time; before the first sound, sample 0 at the time it could leave.

        While the device is lost (state "held") the samples go on as if played, by the machine's time.
        """
        ...

    def time_of(self, sample_index: int) -> float:
        """Return the CLOCK_MONOTONIC time at which a written sample leaves the loudspeaker, or left it.

        Args:
            sample_index: Counted as in `position`; that of a sample not yet written is extrapolated.

        Returns:
            Seconds, by the player's own clock with its drift. Of consecutive samples without a pause between them it
            never goes back.
        """
        ...

    def counters(self) -> Mapping[str, int]:
        """Return counts since the program started: `underruns`, `dropped_samples`, `reopened`, and more."""
        ...

    def warnings(self) -> Sequence[str]:
        """Return lines about the device, each of them once."""
        ...

    def close(self) -> None:
        """Release the device; may be called twice."""
        ...
