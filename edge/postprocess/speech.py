"""Whether anybody speaks, frame by frame: what a level alone cannot tell.

Three things are followed. The room: the mean of what goes on while nobody speaks. The speaker: the level of the voice
heard last, which tells speech from the breath, lip smacks and rustling that are 30 dB below it, whether the speaker is
loud or quiet. And the sound's own nature: what is periodic as a voice is opens and confirms; what is not (a consonant,
but also a breath, a key) may open at once, so that no word begins late, but ends soon unless a voice follows, and has
to be louder the next time.

Source: the numbers were chosen on 80 recorded sentences at three levels in four noises, on ten sounds that are not
speech, and checked on other sentences and voices; see docs/postprocessing.md.
"""

from __future__ import annotations

import math

from edge.config.settings import SilenceSettings
from edge.postprocess.voice import LEVEL_FLOOR_DBFS

OPENING_VOICING = 0.6  # periodicity of a voice that begins; keys and breath reach 0.45, vowels have 0.5 to 0.95
CONFIRMING_VOICING = 0.55  # of what has opened
KEEPING_VOICING = 0.4  # of a voice that goes on
CONFIRMING_S = 0.05  # of voice, until what opened is taken for speech
UNVOICED_LONGEST_S = 0.3  # a consonant lasts 0.25 s at most, a breath a second
UNCONFIRMED_HOLD_S = 0.02  # a click is over at once
SPEAKER_RISE_S, SPEAKER_FALL_S = 0.09, 1.65  # time constants of the speaker's level, in voiced sound
SPEAKER_MEMORY_S = 30.0  # without a voice: then the next one may be anybody's
CLEAR_ONSET_DB = 10.0  # above what opens: no smack or breath of this speaker; it is shown whole at once
UNVOICED_CLOSER_DB = 6.0  # a consonant that opens is that much nearer to the voice than what goes on
CLOSING_DB = 2.0  # below the level that opens
LOWEST_SPEECH_DBFS = -80.0  # however quiet the speaker
REFUSED_RISE_DB = 3.0  # what was no speech must be that much louder the next time
REFUSED_FALL_DB_PER_S = 0.1
REFUSED_AFTER_S = 0.5  # without a voice: before that, a consonant belongs to the same phrase
REFUSED_BELOW_SPEAKER_DB = 12.0  # consonants of the speaker reach this and are not refused
CLEAR_SPEECH_DB = 30.0  # above the room: all of speech is heard. Below it the weak sounds drown and the hold grows,
NOISY_SPEECH_DB = 16.0  # by half its time at this
STEADY_LONGEST_S, STEADY_RANGE_DB = 2.0, 12.0  # speech falls by more within that time; a chord or a hum does not
NOISE_FALL_S, NOISE_MEAN_S = 0.09, 0.3  # time constants: down to a quieter room, and of the mean within one
NOISE_NEAR_DB = 2.5  # what is nearer to the mean belongs to the same noise
NOISE_RISE_DB_PER_S = 15.0  # up to a noisier room while nobody speaks
SPOKEN_NOISE_RISE_DB_PER_S = 4.0  # in speech, whose dips pull it down faster than this lifts it


class RoomNoise:
    """Follow the level of the room.

    Args:
        frame_period_s: Time between two levels.
    """

    def __init__(self, frame_period_s: float) -> None:
        self._period_s = frame_period_s
        self._fall = _share(frame_period_s, NOISE_FALL_S)
        self._mean = _share(frame_period_s, NOISE_MEAN_S)
        self.reset()

    def reset(self) -> None:
        """Forget the room."""
        self.dbfs = LEVEL_FLOOR_DBFS
        self._is_first = True

    def follow(self, level: float, is_speech: bool, highest_start_dbfs: float) -> None:
        """Take in one level.

        Args:
            level: dBFS.
            is_speech: Whether it may be a voice: it then says little of the room.
            highest_start_dbfs: Of a room that is first heard with a voice in it.
        """
        distance = level - self.dbfs
        if self._is_first:
            self.dbfs = min(level, highest_start_dbfs) if is_speech else level
            self._is_first = False
        elif distance < -NOISE_NEAR_DB:
            self.dbfs += self._fall * distance
        elif distance <= NOISE_NEAR_DB:
            self.dbfs += self._mean * distance
        else:
            self.dbfs += (SPOKEN_NOISE_RISE_DB_PER_S if is_speech else NOISE_RISE_DB_PER_S) * self._period_s


class SpeechDetector:
    """Decide whether the face is awake.

    Args:
        settings: Levels and times.
        frame_period_s: Time between two frames.
    """

    def __init__(self, settings: SilenceSettings, frame_period_s: float) -> None:
        self._settings = settings
        self._period_s = frame_period_s
        self._rise = _share(frame_period_s, SPEAKER_RISE_S)
        self._fall = _share(frame_period_s, SPEAKER_FALL_S)
        self._noise = RoomNoise(frame_period_s)
        self.reset()

    def reset(self) -> None:
        """Forget the room and the speaker."""
        self._noise.reset()
        self.is_open = False
        self.is_clear = False  # whether the newest opening was no doubtful one
        self._speaker_dbfs = math.nan
        self._voiceless_s = math.inf  # since the last voice
        self._unvoiced_s = 0.0  # since the last voice or the opening
        self._voiced_s = 0.0  # in this opening
        self._quiet_s = math.inf
        self._steady_s = 0.0
        self._loudest_dbfs = LEVEL_FLOOR_DBFS  # in this opening
        self._refused_dbfs = LEVEL_FLOOR_DBFS
        self._is_waiting = True  # for a sound to end that is no speech; what is there from the first sample on is none

    @property
    def is_voiced(self) -> bool:
        """Return whether the newest frame held a voice."""
        return self._voiceless_s == 0.0

    @property
    def noise_dbfs(self) -> float:
        """Return the level of the room as it is estimated now."""
        return self._noise.dbfs

    @property
    def speaker_dbfs(self) -> float:
        """Return the level of the voice heard last, or nan where none is known."""
        return self._speaker_dbfs

    def end(self) -> None:
        """Close: all has been said. The room and the speaker are remembered."""
        self.is_open = False

    def hear(self, level: float, tail: float, voicing: float) -> None:
        """Take in one frame's sound; `is_open` tells the outcome.

        Args:
            level: Of the frame in the band of voices, dBFS.
            tail: Of its end.
            voicing: How periodic it is, at most 1.
        """
        settings = self._settings
        if self._voiceless_s > SPEAKER_MEMORY_S:
            self._speaker_dbfs = math.nan
        knows = not math.isnan(self._speaker_dbfs)
        # Far below what counts, all rooms are alike; from there the way up to a noisier one is short.
        lowest = (LOWEST_SPEECH_DBFS if knows else settings.close_dbfs) - settings.above_noise_db
        may_be_speech = self.is_open or voicing >= KEEPING_VOICING
        self._noise.follow(max(level, lowest), may_be_speech, settings.close_dbfs)
        if knows:
            open_at = max(self._speaker_dbfs - settings.below_speech_db, LOWEST_SPEECH_DBFS)
            close_at = open_at - CLOSING_DB
        else:
            open_at, close_at = settings.open_dbfs, settings.close_dbfs
        is_voice = self._is_voice(level, voicing, open_at, close_at)
        self._voiceless_s = 0.0 if is_voice else self._voiceless_s + self._period_s
        self._refused_dbfs = max(LEVEL_FLOOR_DBFS, self._refused_dbfs - REFUSED_FALL_DB_PER_S * self._period_s)
        if level < close_at or level < self._noise.dbfs + settings.above_noise_db / 3:
            self._is_waiting = False
        elif self._is_waiting and not is_voice and self._voiced_s < CONFIRMING_S:
            self._refuse(level)
        if self.is_open:
            self._go_on(level, close_at, is_voice)
        elif is_voice or self._is_onset(tail, open_at):
            self._begin(level, is_voice)
            self.is_clear = is_voice or tail >= open_at + CLEAR_ONSET_DB
        if is_voice and self._voiced_s >= CONFIRMING_S:
            self._follow_speaker(level)

    def _is_voice(self, level: float, voicing: float, open_at: float, close_at: float) -> bool:
        """Return whether a voice is heard."""
        above_noise_db = level - self._noise.dbfs
        if above_noise_db < self._settings.above_noise_db / 2:
            return False
        if not self.is_open:
            return voicing >= OPENING_VOICING and level >= open_at
        # Noise takes its share of the energy and correlates with nothing: the voice in it is more periodic than both.
        power = 10.0 ** (above_noise_db / 10.0)
        needed = KEEPING_VOICING if self._voiced_s >= CONFIRMING_S else CONFIRMING_VOICING
        return voicing * power >= needed * (power - 1.0) and level >= close_at

    def _is_onset(self, tail: float, open_at: float) -> bool:
        """Return whether a sound that is no voice begins a word."""
        settings = self._settings
        if tail < self._noise.dbfs + settings.above_noise_db:
            return False
        if not settings.voice_only:
            return tail >= open_at
        needed, refused = open_at, self._refused_dbfs
        if not math.isnan(self._speaker_dbfs):
            needed += UNVOICED_CLOSER_DB
            is_in_speech = self._voiceless_s < REFUSED_AFTER_S
            refused = LEVEL_FLOOR_DBFS if is_in_speech else min(refused, self._speaker_dbfs - REFUSED_BELOW_SPEAKER_DB)
        return not self._is_waiting and tail >= max(needed, refused)

    def _begin(self, level: float, is_voice: bool) -> None:
        """Open."""
        self.is_open = True
        self._is_waiting = False
        self._quiet_s = self._unvoiced_s = self._steady_s = 0.0
        self._voiced_s = self._period_s if is_voice else 0.0
        self._loudest_dbfs = level

    def _go_on(self, level: float, close_at: float, is_voice: bool) -> None:
        """Stay open, or close."""
        settings = self._settings
        self._unvoiced_s = 0.0 if is_voice else self._unvoiced_s + self._period_s
        self._voiced_s += self._period_s if is_voice else 0.0
        self._loudest_dbfs = max(self._loudest_dbfs, level)
        is_heard = is_voice or (level >= close_at and level >= self._noise.dbfs + settings.above_noise_db / 3)
        self._quiet_s = 0.0 if is_heard else self._quiet_s + self._period_s
        if settings.voice_only:
            if self._unvoiced_s > UNVOICED_LONGEST_S:
                self._end(is_waiting=True)
                return
            if self._is_steady(level):
                self._noise.dbfs = max(self._noise.dbfs, level - 1.0)
                self._end(is_waiting=True)
                return
        # The hold is counted from the end of the last loud frame; half a period guards against rounding.
        if self._quiet_s >= self._hold_s() - self._period_s / 2:
            self._end(is_waiting=False)

    def _is_steady(self, level: float) -> bool:
        """Return whether the sound has gone on for too long without a dip."""
        is_dip = math.isnan(self._speaker_dbfs) or level < self._speaker_dbfs - STEADY_RANGE_DB
        self._steady_s = 0.0 if is_dip else self._steady_s + self._period_s
        return self._steady_s > STEADY_LONGEST_S

    def _hold_s(self) -> float:
        """Return the time that is bridged: longer in noise, where the end of speech drowns before it is reached."""
        hold_s = self._settings.hold_ms / 1000.0
        if not self._settings.voice_only:
            return hold_s
        if self._voiced_s < CONFIRMING_S:
            return min(hold_s, UNCONFIRMED_HOLD_S)
        if math.isnan(self._speaker_dbfs):
            return hold_s
        drowned_db = CLEAR_SPEECH_DB - (self._speaker_dbfs - self._noise.dbfs)
        drowned = min(1.0, max(0.0, drowned_db / (CLEAR_SPEECH_DB - NOISY_SPEECH_DB)))
        return hold_s * (1.0 + drowned / 2.0)

    def _end(self, is_waiting: bool) -> None:
        """Close, and remember what was no speech."""
        self.is_open = False
        self._is_waiting = is_waiting
        if self._voiced_s < CONFIRMING_S:
            self._refuse(self._loudest_dbfs)

    def _refuse(self, level: float) -> None:
        """Remember how loud a sound was that was no speech."""
        self._refused_dbfs = max(self._refused_dbfs, level + REFUSED_RISE_DB)

    def _follow_speaker(self, level: float) -> None:
        """Learn how loud the speaker is: quickly up, slowly down."""
        if not self._settings.voice_only:
            return
        if math.isnan(self._speaker_dbfs):
            self._speaker_dbfs = self._loudest_dbfs
        else:
            share = self._rise if level > self._speaker_dbfs else self._fall
            self._speaker_dbfs += share * (level - self._speaker_dbfs)


def _share(period_s: float, time_constant_s: float) -> float:
    """Return how far an exponential average goes towards a new value."""
    return 1.0 - math.exp(-period_s / time_constant_s)
