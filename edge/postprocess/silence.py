"""The silence gate: an absolute level, with hysteresis, that brings the face to rest.

The paper normalises every window to its own maximum, so to its network the noise of a pause looks like speech. The gate
knows the level in dB of full scale, in the band of voices, so that neither rumble nor an offset counts as sound. It
opens at a fixed level or above the room's own steady noise, whichever is higher, so a fan does not hold it open, and
closes lower than it opens, so nothing flutters.
"""

from __future__ import annotations

import math

import numpy as np

from edge.frames import AUFrame, Float32Array, State
from edge.settings import SilenceSettings

LEVEL_FLOOR_DBFS = -120.0  # of digital silence, so that no logarithm of zero is taken
NOISE_RISE_DB_PER_S = 4.0  # speech has dips every few hundred ms that pull the estimate down faster than this lifts it
NOISE_FALL_SHARE = 0.3  # of the distance, per frame: one quiet frame may be a plosive's closure, three are the room
FIRST_LISTEN_S = 0.5  # of a stream: if it is even that long, it is the room, since a voice is not
STEADY_RANGE_DB = 5.0  # between loudest and quietest frame of even noise; speech has 15 dB and more in half a second
VOICE_LOWEST_HZ = 450.0  # blocks of this length lose their mean: -14 dB at 50 Hz, -22 dB at 20 Hz, -7 dB at 120 Hz
VOICE_RATE_HZ = 11_025.0  # means of samples at about this rate: what lies above 5 kHz hardly counts


def level_dbfs(samples: Float32Array) -> float:
    """Return the RMS level.

    Args:
        samples: float32 [n], full scale = 1.0.

    Returns:
        dB relative to a full-scale square wave (a full-scale sine has -3 dB); at least LEVEL_FLOOR_DBFS.
    """
    if len(samples) == 0:
        return LEVEL_FLOOR_DBFS
    mean_square = float(np.dot(samples, samples)) / len(samples)
    return max(LEVEL_FLOOR_DBFS, 10.0 * math.log10(mean_square)) if mean_square > 0 else LEVEL_FLOOR_DBFS


class VoiceLevel:
    """Measure the level between about 200 Hz and 5 kHz, by means of blocks: no state, so nothing rings after a gap.

    On recordings of a real room the pauses are 20 dB lower in this band than as a whole, speech 3 dB.

    Args:
        rate_hz: Of the samples.
        longest_s: Of a stretch that is measured whole; of a longer one, the newest part.
    """

    def __init__(self, rate_hz: int, longest_s: float) -> None:
        self._step = max(1, round(rate_hz / VOICE_RATE_HZ))
        self._n_in_block = max(2, round(rate_hz / self._step / VOICE_LOWEST_HZ))
        n_blocks = math.ceil(longest_s * rate_hz / self._step / self._n_in_block)
        self._slow = np.empty(n_blocks * self._n_in_block, np.float32)
        self._means = np.empty(n_blocks, np.float32)

    def of(self, samples: Float32Array) -> float:
        """Return the level.

        Args:
            samples: float32 [n], full scale = 1.0.

        Returns:
            dB relative to a full-scale square wave; at least LEVEL_FLOOR_DBFS.
        """
        n_blocks = min(len(samples) // (self._step * self._n_in_block), len(self._means))
        n = n_blocks * self._n_in_block
        if n == 0:
            return LEVEL_FLOOR_DBFS
        slow, means = self._slow[:n], self._means[:n_blocks]
        np.mean(samples[len(samples) - n * self._step :].reshape(n, self._step), axis=1, out=slow)
        blocks = slow.reshape(n_blocks, self._n_in_block)
        np.mean(blocks, axis=1, out=means)
        np.subtract(blocks, means[:, None], out=blocks)
        return level_dbfs(slow)


class SilenceGate:
    """Scale a face to rest while nobody speaks, and set the frame's level and state.

    Args:
        settings: Levels and times.
        frame_period_s: Time between two frames.
        rate_hz: Of the samples that `listen` is given.
    """

    def __init__(self, settings: SilenceSettings, frame_period_s: float, rate_hz: int) -> None:
        self._settings = settings
        self._period_s = frame_period_s
        self._level = VoiceLevel(rate_hz, 2 * frame_period_s)
        self.reset()

    def reset(self) -> None:
        """Close the gate and forget the room."""
        self._open = False
        self._quiet_s = math.inf
        self._face = 0.0
        self._head = 0.0
        self._noise_dbfs = LEVEL_FLOOR_DBFS
        self._heard_s = 0.0
        self._quietest_dbfs = math.inf
        self._loudest_dbfs = -math.inf

    def apply(self, frame: AUFrame, newest: Float32Array) -> None:
        """Listen and rest in one go.

        Args:
            frame: Changed in place.
            newest: The samples since the frame before, float32 [n].
        """
        self.listen(frame, newest)
        self.rest(frame)

    def listen(self, frame: AUFrame, newest: Float32Array) -> None:
        """Write level and state."""
        level = self._level.of(newest)
        frame.level_dbfs = level
        if not self._settings.enabled:
            frame.state = State.LIVE
            return
        self._follow_noise(level)
        self._decide(level)
        self._ramp()
        frame.state = State.LIVE if self._open else State.SILENCE

    def rest(self, frame: AUFrame) -> None:
        """Scale activations and head as far as `listen` found silence."""
        if not self._settings.enabled:
            return
        if self._face < 1.0:
            frame.activations *= np.float32(self._face)
        if self._head < 1.0:
            frame.head_deg *= np.float32(self._head)

    @property
    def noise_dbfs(self) -> float:
        """Return the level of the room's steady noise as it is estimated now."""
        return self._noise_dbfs

    def _follow_noise(self, level: float) -> None:
        """Follow the quietest recent sound: down quickly, up slowly."""
        # Where it is quieter than this, the fixed levels rule; from here the way up to a noisier room is short.
        level = max(level, self._settings.close_dbfs - self._settings.above_noise_db)
        if self._heard_s < FIRST_LISTEN_S:
            self._learn_room(level)
        elif level < self._noise_dbfs:
            self._noise_dbfs += NOISE_FALL_SHARE * (level - self._noise_dbfs)
        else:
            self._noise_dbfs = min(level, self._noise_dbfs + NOISE_RISE_DB_PER_S * self._period_s)

    def _learn_room(self, level: float) -> None:
        """Take an unknown room for quiet, until the first half second has been even noise.

        Otherwise speech from the first sample on would count as the room.
        """
        self._heard_s += self._period_s
        self._quietest_dbfs = min(self._quietest_dbfs, level)
        self._loudest_dbfs = max(self._loudest_dbfs, level)
        self._noise_dbfs = min(self._quietest_dbfs, self._settings.close_dbfs)
        if self._heard_s >= FIRST_LISTEN_S and self._loudest_dbfs - self._quietest_dbfs <= STEADY_RANGE_DB:
            self._noise_dbfs = self._quietest_dbfs

    def _decide(self, level: float) -> None:
        """Open at once, close after the hold time."""
        settings = self._settings
        open_at = max(settings.open_dbfs, self._noise_dbfs + settings.above_noise_db)
        close_at = max(settings.close_dbfs, self._noise_dbfs + settings.above_noise_db / 2)
        if level >= open_at:
            self._open = True
            self._quiet_s = 0.0
        elif self._open and level >= close_at:
            self._quiet_s = 0.0
        else:
            self._quiet_s += self._period_s
            # The hold is counted from the end of the last loud frame; half a period guards against rounding.
            if self._quiet_s >= settings.hold_ms / 1000 - self._period_s / 2:
                self._open = False

    def _ramp(self) -> None:
        """Move the factors: to full within a frame, to rest over the release times."""
        if self._open:
            self._face = 1.0
            self._head = min(1.0, self._head + self._period_s / 0.15)  # a head that jumps on looks broken
            return
        self._face = _towards_zero(self._face, self._period_s, self._settings.release_ms)
        self._head = _towards_zero(self._head, self._period_s, self._settings.head_release_ms)


def _towards_zero(factor: float, period_s: float, release_ms: float) -> float:
    if release_ms <= 0:
        return 0.0
    return max(0.0, factor - period_s * 1000 / release_ms)


class Listening:
    """The gate's first half as a stage: what comes after it knows level and state.

    Args:
        gate: Shared with `Resting`.
    """

    def __init__(self, gate: SilenceGate) -> None:
        self._gate = gate

    def apply(self, frame: AUFrame, newest: Float32Array) -> None:
        """Write level and state."""
        self._gate.listen(frame, newest)

    def reset(self) -> None:
        """Close the gate and forget the room."""
        self._gate.reset()


class Resting:
    """The gate's second half as a stage: nothing before it moves a face at rest.

    Args:
        gate: Shared with `Listening`, which resets it.
    """

    def __init__(self, gate: SilenceGate) -> None:
        self._gate = gate

    def apply(self, frame: AUFrame, newest: Float32Array) -> None:
        """Scale activations and head."""
        self._gate.rest(frame)

    def reset(self) -> None:
        """Do nothing: `Listening` resets the gate."""
