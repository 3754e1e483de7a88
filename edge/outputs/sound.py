"""Send what is heard beside the frames, to a display head on another machine that draws and records it.

Off unless a section `[output.NAME]` asks for it with `protocol = sound`: the room's sound leaves the machine as it is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge.contracts import Clock, Datagram, Transport
from edge.frames import AUFrame, Float32Array
from edge.outputs.sender import Output
from edge.outputs.sound_datagram import SoundPacker

DEFAULT_PORT = 9001  # where `au-edge head` takes frames
SUMMARY = "what is heard, 16 bit, for the waveform and the recordings of `au-edge head` on another machine"
KEPT_S = 0.5  # of sound between two frames that leave; more is a stall, and old sound helps nobody


class _HeardCodec:
    """Keeps what was heard until a frame leaves; see edge.contracts.Codec."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._packer = SoundPacker(rate_hz)
        self._heard = np.zeros(max(1, int(KEPT_S * rate_hz)), np.float32)
        self.n_heard = 0
        self._end_time_s = 0.0

    def hear(self, newest: Float32Array, end_time_s: float) -> None:
        """Add sound; where the room is full the oldest gives way."""
        kept = newest[-len(self._heard) :]
        surplus = self.n_heard + len(kept) - len(self._heard)
        if surplus > 0:
            self._heard[: self.n_heard - surplus] = self._heard[surplus : self.n_heard].copy()
            self.n_heard -= surplus
        self._heard[self.n_heard : self.n_heard + len(kept)] = kept
        self.n_heard += len(kept)
        self._end_time_s = end_time_s

    def forget(self) -> None:
        """Drop what was heard."""
        self.n_heard = 0

    def encode(self, frame: AUFrame) -> Sequence[Datagram]:
        """Return what was heard up to this frame and its look-ahead, and forget it."""
        samples = self._heard[: self.n_heard]
        self.n_heard = 0
        end_unix_s = frame.capture_unix_s + (self._end_time_s - frame.capture_time_s)
        return self._packer.pack(samples, end_unix_s - len(samples) / self._rate_hz)

    def announce(self) -> Sequence[Datagram]:
        """Return nothing: every datagram says what it is."""
        return ()


class SoundOutput(Output):
    """An output of sound, and the stage that hears it.

    Args:
        name: As in the configuration.
        transport: Takes the datagrams.
        clock: Time.
        sample_rate_hz: Of the sound that stages see.
        lookahead_s: How much older a frame's face is than its newest sound.
        enabled: False keeps it closed and deaf.
        delay_ms: Positive sends the sound later, as that of the frames beside it.
    """

    def __init__(
        self,
        name: str,
        transport: Transport,
        clock: Clock,
        sample_rate_hz: int,
        lookahead_s: float,
        *,
        enabled: bool = True,
        delay_ms: float = 0.0,
    ) -> None:
        self._heard = _HeardCodec(sample_rate_hz)
        self._lookahead_s = lookahead_s
        super().__init__(name, self._heard, transport, clock, enabled=enabled, delay_ms=delay_ms)

    def apply(self, frame: AUFrame, newest: Float32Array) -> None:
        """Keep a frame's sound; as a stage, it leaves the face as it is."""
        if self.enabled and len(newest):
            self._heard.hear(newest, frame.capture_time_s + self._lookahead_s)

    def reset(self) -> None:
        """Forget what belongs to a stream that has ended."""
        self._heard.forget()

    def send(self, frame: AUFrame) -> None:
        """Send what was heard since the last frame, if anything was."""
        if self._heard.n_heard:
            super().send(frame)
        else:
            self.pump()
