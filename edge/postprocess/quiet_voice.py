"""A voice that stays below the level that wakes the face: without a word of it the face is dead and nothing is wrong.

What is periodic as a voice is, and rises and falls as speech does (a hum does not), is counted while the gate has not
opened for a long time. It is said once, with the remedy, and changes no face.
"""

from __future__ import annotations

import logging
from collections import deque

from edge.config.settings import SilenceSettings
from edge.frames import AUFrame, Float32Array, State
from edge.postprocess.speech import LOWEST_SPEECH_DBFS, OPENING_VOICING
from edge.postprocess.voice import LEVEL_FLOOR_DBFS, Voicing

HEARD_S = 10.0  # of which ...
VOICED_S = 1.0  # ... so much is a voice: two short sentences
RISE_DB = 8.0  # of a syllable above the softest moment of these seconds
AWAKE_S = 30.0  # after the face was awake, what is softer is somebody else, farther away
MARGIN_DB = 6.0  # of the remedy: so that the softer syllables count too
_log = logging.getLogger("au-edge.sound")


class QuietVoice:
    """A stage behind the gate that only listens.

    Args:
        settings: The gate's levels.
        frame_period_s: Time between two frames.
        rate_hz: Of the samples.

    Attributes:
        n_heard: How often a voice was found below the level.
    """

    def __init__(self, settings: SilenceSettings, frame_period_s: float, rate_hz: int) -> None:
        self._settings = settings
        self._period_s = frame_period_s
        self._voicing = Voicing(rate_hz)
        self._levels: deque[float] = deque(maxlen=round(HEARD_S / frame_period_s))
        self._voiced: deque[float] = deque(maxlen=round(HEARD_S / frame_period_s))  # the level of each voiced frame
        self._is_said = False
        self.n_heard = 0
        self.reset()

    def reset(self) -> None:
        """Forget the past, but for what was said."""
        self._voicing.reset()
        self._levels.clear()
        self._voiced.clear()
        self._rested_s = AWAKE_S

    def apply(self, frame: AUFrame, newest: Float32Array) -> None:
        """Listen; the frame is left as it is."""
        if not self._settings.enabled or not len(newest):
            return
        if frame.state is not State.SILENCE:
            self._rested_s = 0.0
            return
        self._rested_s += self._period_s
        voicing = self._voicing.of(newest)
        level = frame.level_dbfs
        if self._rested_s < AWAKE_S:
            return
        self._levels.append(level)
        is_voiced = voicing >= OPENING_VOICING and LOWEST_SPEECH_DBFS <= level < self._settings.open_dbfs
        self._voiced.append(level if is_voiced else LEVEL_FLOOR_DBFS)
        if len(self._levels) == self._levels.maxlen:
            self._judge()

    def _judge(self) -> None:
        softest = min(self._levels)
        syllables = [level for level in self._voiced if level >= softest + RISE_DB and level > LEVEL_FLOOR_DBFS]
        if len(syllables) * self._period_s < VOICED_S:
            self._levels.popleft()
            self._voiced.popleft()
            return
        self.n_heard += 1
        self._levels.clear()
        self._voiced.clear()
        if self._is_said:
            return
        self._is_said = True
        loudest = max(syllables)
        lower = max(LOWEST_SPEECH_DBFS, min(syllables) - MARGIN_DB)
        _log.warning(
            "a voice is heard at %.0f dBFS, below the level that wakes the face (silence.open_dbfs = %g): raise the "
            "input gain by %.0f dB or more, for a sound card with `alsamixer`; or set silence.open_dbfs = %.0f and "
            "silence.close_dbfs = %.0f", loudest, self._settings.open_dbfs,
            self._settings.open_dbfs + MARGIN_DB - loudest, lower, lower - 5,
        )  # fmt: skip
