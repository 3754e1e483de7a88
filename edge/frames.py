"""What flows through the program: chunks of sound in, frames of the face out, on one axis.

The axis is the absolute sample index since the stream began. A chunk or frame whose index jumps ahead says that sound
was lost in between; every stage can see it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]


class State(enum.IntEnum):
    """What a frame rests on; the number is sent in every protocol that has room for it."""

    LIVE = 0  # speech
    SILENCE = 1  # sound below the gate: the face is at rest or on its way there
    HELD = 2  # no sound arrives: the last face is held
    NEUTRAL = 3  # no sound for longer: the face has eased to neutral
    STOPPING = 4  # the program ends; these are its last frames

    @property
    def label(self) -> str:
        """Return the name used in text protocols: live, silence, held, neutral, stopping."""
        return self.name.lower()


class Speech(enum.IntEnum):
    """What a source knows of what is said, beside the sound itself."""

    GOING_ON = 0  # or unknown, as with every microphone
    BEGUN = 1  # an utterance begins: what came before is another's, and the same sentence gives the same face
    ENDED = 2  # all has been said: silence follows and is no loss
    CLEARED = 3  # what was being said is not to be heard any more


@dataclass(frozen=True)
class AudioChunk:
    """A stretch of mono sound.

    Attributes:
        samples: float32 [n], full scale = 1.0; a view that its maker may overwrite at its next call.
        start_index: Absolute index of samples[0] on the source's own sample axis.
        end_time_s: CLOCK_MONOTONIC time at which the last sample was at the microphone.
        is_last: True where the source has ended (a file without loop).
        speech: Whether these samples (none, perhaps) begin an utterance, lie behind its known end, or cut it off.
    """

    samples: Float32Array
    start_index: int
    end_time_s: float
    is_last: bool = False
    speech: Speech = Speech.GOING_ON

    @property
    def end_index(self) -> int:
        """Return the absolute index one past the last sample."""
        return self.start_index + len(self.samples)


@dataclass
class AUFrame:
    """One face, as it is sent. The hot loop owns one and overwrites it: whoever keeps a frame copies it.

    Attributes:
        activations: float32 [n_channels] in [0, 1], in the order of the manifest's `channels`.
        head_deg: float32 [3], pitch (up positive), yaw (to the speaker's left positive), roll (to the speaker's right
            shoulder positive), degrees.
        index: Frames since the stream began; a frame that was dropped leaves its number out.
        sequence: Frames sent since the program started; without gaps at the sender.
        end_sample_index: Absolute index, at the model's rate, one past the newest sample the frame rests on.
        capture_time_s: CLOCK_MONOTONIC at which the sound that this face belongs to was at the microphone.
        capture_unix_s: The same instant as Unix time.
        level_dbfs: Level of the frame's sound in the band of voices (about 200 Hz to 5 kHz), dB relative to full scale.
        state: See `State`.
        is_over: Whether the newest sound lies behind the known end of what was said.
        lips_met: How surely the network closed the lips, 0 to 1: what moves the face after it opens them no more.
    """

    activations: Float32Array
    head_deg: Float32Array
    index: int = 0
    sequence: int = 0
    end_sample_index: int = 0
    capture_time_s: float = 0.0
    capture_unix_s: float = 0.0
    level_dbfs: float = -200.0
    state: State = State.NEUTRAL
    is_over: bool = False
    lips_met: float = 0.0

    @classmethod
    def neutral(cls, n_channels: int) -> AUFrame:
        """Return a frame at rest with its own buffers."""
        return cls(np.zeros(n_channels, np.float32), np.zeros(3, np.float32))

    def copy(self) -> AUFrame:
        """Return a frame that shares nothing with this one."""
        return AUFrame(
            self.activations.copy(),
            self.head_deg.copy(),
            self.index,
            self.sequence,
            self.end_sample_index,
            self.capture_time_s,
            self.capture_unix_s,
            self.level_dbfs,
            self.state,
            self.is_over,
            self.lips_met,
        )
