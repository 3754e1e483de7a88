"""Windows on the absolute sample axis: which samples belong to which frame of the face, without drift.

In: stretches of sound with the absolute index of their first sample. Out: for each frame whose last sample has come, a
view of the newest `window_samples` samples that end with it. Frame k covers the sound up to sample
floor((k + 1) * rate / frame_rate), in integers, so that a stream of days keeps its place at any pair of rates.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from edge.frames import Float32Array

_CHUNK_ROOM_SAMPLES = 16384  # room for sound beyond the window; compacting happens once per this many samples


class FrameAxis:
    """The exact map between frame indices and sample indices.

    Args:
        rate_hz: Samples a second.
        frame_rate: Frames a second.
    """

    def __init__(self, rate_hz: int, frame_rate: Fraction) -> None:
        if rate_hz <= 0 or frame_rate <= 0:
            raise ValueError(f"rates must be positive, not {rate_hz} and {frame_rate}")
        self.rate_hz = rate_hz
        self.frame_rate = frame_rate
        self._numerator = rate_hz * frame_rate.denominator  # samples per frame = numerator / denominator
        self._denominator = frame_rate.numerator

    def end_of(self, frame_index: int) -> int:
        """Return the absolute index one past the last sample of a frame (0 for frame -1)."""
        return (frame_index + 1) * self._numerator // self._denominator

    def first_ending_after(self, sample_index: int) -> int:
        """Return the first frame with `end_of(frame) > sample_index`."""
        # end_of(k) > s  <=>  (k + 1) * num >= (s + 1) * den
        return -(-(sample_index + 1) * self._denominator // self._numerator) - 1

    def n_frames_within(self, n_samples: int) -> int:
        """Return how many frames have ended once `n_samples` samples have come."""
        return self.first_ending_after(n_samples)


class Framer:
    """Cut sound into one window per frame.

    Call `push`, then `next_window` until it returns None. Sound before the first push counts as zeros. A jump ahead of
    `start_index` is a gap: the past becomes zeros, frames whose last sample lies in the gap are skipped and counted,
    and `follows_gap` is True for the first window after it. What is returned does not depend on how the sound was cut
    into chunks.

    Args:
        axis: Which samples a frame ends with.
        window_samples: Length of a window.
    """

    def __init__(self, axis: FrameAxis, window_samples: int) -> None:
        if window_samples <= 0:
            raise ValueError(f"window_samples must be positive, not {window_samples}")
        self.axis = axis
        self.window_samples = window_samples
        self.skipped_frames = 0
        self.follows_gap = False
        self._buffer = np.zeros(window_samples + _CHUNK_ROOM_SAMPLES, np.float32)
        self._base = 0  # absolute index of _buffer[0]
        self._n_filled = 0
        self._next_frame = 0
        self._has_begun = False
        self._gap_pending = False

    @property
    def end_index(self) -> int:
        """Return the absolute index that the next chunk continues at."""
        return self._base + self._n_filled

    @property
    def next_frame(self) -> int:
        """Return the index of the frame that comes next."""
        return self._next_frame

    def end_of(self, frame_index: int) -> int:
        """Return the absolute index one past the last sample of a frame, as the axis says."""
        return self.axis.end_of(frame_index)

    def push(self, samples: Float32Array, start_index: int) -> None:
        """Take in sound; it is copied.

        Args:
            samples: float32 [n], any n, also 0.
            start_index: Absolute index of samples[0].

        Raises:
            ValueError: `start_index` lies before sound that has already come.
        """
        if not self._has_begun:
            self._restart(start_index)
            self._has_begun = True
        elif start_index > self.end_index:
            lost_from = self._next_frame
            self._restart(start_index)
            self.skipped_frames += self._next_frame - lost_from
            self._gap_pending = True
        elif start_index < self.end_index:
            raise ValueError(f"sound at {start_index} comes again: the stream is at {self.end_index} already")
        n_new = len(samples)
        if self._n_filled + n_new > len(self._buffer):
            self._make_room(n_new)
        self._buffer[self._n_filled : self._n_filled + n_new] = samples
        self._n_filled += n_new

    def next_window(self) -> tuple[int, Float32Array] | None:
        """Return the next frame whose last sample has come.

        Returns:
            The frame's index and a view, float32 [window_samples], valid until the next `push`; None where more sound
            is needed.
        """
        end = self.axis.end_of(self._next_frame) - self._base
        if end > self._n_filled or not self._has_begun:
            return None
        index = self._next_frame
        self._next_frame += 1
        self.follows_gap = self._gap_pending
        self._gap_pending = False
        return index, self._buffer[end - self.window_samples : end]

    def reset(self) -> None:
        """Forget everything but the counters: the next push begins a stream anew."""
        self._has_begun = False
        self._gap_pending = self.follows_gap = False

    def _restart(self, start_index: int) -> None:
        """Continue at an index with a past of zeros."""
        self._buffer[: self.window_samples] = 0
        self._base = start_index - self.window_samples
        self._n_filled = self.window_samples
        self._next_frame = self.axis.first_ending_after(start_index)

    def _make_room(self, n_new: int) -> None:
        """Drop what no future window needs; grow only for a chunk larger than any before."""
        first_needed = self.axis.end_of(self._next_frame) - self.window_samples - self._base
        keep_from = min(max(first_needed, 0), self._n_filled)
        n_kept = self._n_filled - keep_from
        source = self._buffer
        if n_kept + n_new > len(self._buffer):
            self._buffer = np.zeros(n_kept + n_new + _CHUNK_ROOM_SAMPLES, np.float32)
        self._buffer[:n_kept] = source[keep_from : keep_from + n_kept]
        self._base += keep_from
        self._n_filled = n_kept
