"""The silence gate: brings the face to rest while nobody speaks, and awake with the first sound of a word.

A network's output in silence is whatever it last thought, and the paper's network normalises every window to its own
maximum, so to it the noise of a pause looks like speech. The gate knows the absolute level, the room, the speaker and
whether there is a voice (`edge.postprocess.speech`), and scales the face: to full in the frame in which a voice begins,
to rest over the release time. Where the end of what is said is known, it closes without waiting for a pause.
"""

from __future__ import annotations

import numpy as np

from edge.config.settings import SilenceSettings
from edge.frames import AUFrame, Float32Array, State
from edge.postprocess.speech import SpeechDetector
from edge.postprocess.voice import VoiceLevel, Voicing

HEAD_ATTACK_S = 0.15  # a head that jumps on looks broken
UNVOICED_ATTACK_S = 0.066  # a lip smack then shows half a movement, and a consonant that begins a word loses little

END_RELEASE_S = 0.066  # behind the known end of what is said, however long the release for pauses is


class SilenceGate:
    """Scale a face to rest while nobody speaks, and set the frame's level and state.

    Args:
        settings: Levels and times.
        frame_period_s: Time between two frames.
        rate_hz: Of the samples that `listen` is given.
        lookahead_s: How much older than the newest sound the face is: it may wake early, but rests no earlier than
            its own sound does.
        voicing: Shared with who else wants to know of the voice; None makes one.
    """

    def __init__(
        self,
        settings: SilenceSettings,
        frame_period_s: float,
        rate_hz: int,
        lookahead_s: float = 0.0,
        voicing: Voicing | None = None,
    ) -> None:
        self._settings = settings
        self._period_s = frame_period_s
        self._level = VoiceLevel(rate_hz, 2 * frame_period_s)
        self._voicing = voicing or Voicing(rate_hz)
        self._speech = SpeechDetector(settings, frame_period_s)
        self._recent = np.zeros(round(lookahead_s / frame_period_s) + 1, np.float32)  # of the face's factor
        self.reset()

    def reset(self) -> None:
        """Close the gate and forget the room and the speaker."""
        self._level.reset()
        self._voicing.reset()
        self._speech.reset()
        self._recent[:] = 0.0
        self._face = 0.0
        self._head = 0.0

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
        voicing = self._voicing.of(newest)
        if not self._settings.enabled:
            frame.state = State.LIVE
            return
        before = self._face
        self._speech.hear(level, self._level.tail_dbfs, voicing)
        if frame.is_over:
            self._speech.end()
        self._ramp(self._speech.is_open)
        if frame.is_over:
            self._face = min(self._face, max(0.0, before - self._period_s / END_RELEASE_S))
        self._recent[:-1] = self._recent[1:]
        self._recent[-1] = self._face
        frame.state = State.LIVE if self._speech.is_open else State.SILENCE

    def rest(self, frame: AUFrame) -> None:
        """Scale activations and head as far as `listen` found silence."""
        if not self._settings.enabled:
            return
        face = self._recent.max()
        if face < 1.0:
            frame.activations *= face
        if self._head < 1.0:
            frame.head_deg *= np.float32(self._head)

    @property
    def noise_dbfs(self) -> float:
        """Return the level of the room as it is estimated now."""
        return self._speech.noise_dbfs

    def _ramp(self, is_open: bool) -> None:
        """Move the factors: to full at once or nearly, to rest over the release times."""
        if is_open:
            is_at_once = self._speech.is_voiced or self._speech.is_clear or not self._settings.voice_only
            self._face = 1.0 if is_at_once else min(1.0, self._face + self._period_s / UNVOICED_ATTACK_S)
            self._head = min(1.0, self._head + self._period_s / HEAD_ATTACK_S)
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
