"""Speech that others write, heard as it would be spoken: one utterance after the other, then silence that is no loss.

Defined behaviour:
- Pace "realtime" (default): a synthesiser may write a whole sentence at once; it is heard as it would be spoken.
  Pace "fast" hands sound on as it comes. Pace "live" does so too, for a writer that is itself heard live: what it wrote
  while it was ahead, or behind and catching up, is not heard late but left out (`dropped_samples`).
- At an utterance's end the next goes on without a gap; where none waits, silence of `TAIL_S` lets the network finish
  and the face come to rest. Its chunks say that speech has ended, so that nothing is taken for a loss.
- A writer that gives nothing in the middle is heard as silence, and after `PAUSE_S` as an end; the sample axis has gone
  on by the time that passed when it speaks again. A writer that gives nothing for `STALL_S` loses its turn to one that
  waits.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

import numpy as np

from edge.contracts import Clock
from edge.errors import DeviceError
from edge.frames import AudioChunk, Speech
from edge.sources.live_lag import LiveLag
from edge.sources.pace import FAST, LIVE, REALTIME, Pace
from edge.sources.played import PlayedTime
from edge.sources.signal_health import SignalHealth
from edge.sources.talk_report import TalkReport
from edge.sources.talk_times import CUT_LOOK_S, GRACE_S, GRID_S, MAX_LATE_S, PAUSE_S, STALL_S, TAIL_S
from edge.sources.turns import Saying, Turns

_NO_SAMPLES = np.zeros(0, np.float32)


class TalkSource:
    """Sound of whoever has the turn.

    Args:
        turns: The writers.
        clock: The time.
        pace: "realtime", "fast" or "live".
        lookahead_s: Of the network: so much longer is the silence behind an utterance.
        chunk_samples: Most samples per `read`; 0 for what suits the pace.
        played: Where the sound goes, and the time in which it is heard; None where another program plays it. Chunks
            are then given before they are heard, and end in the future.

    Raises:
        ConfigurationError: There is no such pace.
    """

    def __init__(
        self,
        turns: Turns,
        *,
        clock: Clock,
        pace: str = REALTIME,
        lookahead_s: float = 0.0,
        chunk_samples: int = 0,
        played: PlayedTime | None = None,
    ) -> None:
        self._turns = turns
        self._played = played
        if played is not None:
            turns.tell_by(played.later)
        self._clock = clock
        self._pace = Pace(clock, pace, MAX_LATE_S)
        self._is_live, self._is_fast = pace == LIVE, pace == FAST
        self._grace_s = GRACE_S[pace]
        self._tail_s = 0.0 if pace == FAST else TAIL_S + lookahead_s
        self._chunk_samples = chunk_samples or self._pace.chunk_samples
        self._samples = np.zeros(self._chunk_samples, np.float32)
        self._health = SignalHealth()
        self._lock = threading.Lock()
        self._is_open = False
        self._next_index = 0
        self._saying: Saying | None = None
        self._n_said = 0  # samples of it
        self._heard_s = -1.0  # when the newest sample was heard, silence too
        self._spoken_s = 0.0  # and the newest of speech
        self._silent_until_s = 0.0
        self._is_ended = True  # the silence follows an end
        self._is_quiet = False  # nothing is given: frames go on without
        self._lag = LiveLag()
        self._report = TalkReport(turns, self._lag, self._health, played)

    @property
    def rate_hz(self) -> int:
        """Return the rate; it changes only in the first `open`."""
        return self._turns.rate_hz

    @property
    def description(self) -> str:
        """Return one line that tells a person what is heard."""
        played = "" if self._played is None else f", played by {self._played.player.description}"
        return f"speech from {self._turns.description}, {self.rate_hz} Hz{played}"

    def open(self) -> None:
        """Take the input or listen; see the turns' `open` for what it raises."""
        with self._lock:
            self._turns.open()
            if self._played is not None:
                self._played.open(self._turns.rate_hz)
            self._is_open = True
            self._report.n_opened += 1
            self._saying = None
            self._is_quiet, self._is_ended = False, True
            self._silent_until_s = 0.0

    def read(self, timeout_s: float) -> AudioChunk | None:
        """Return the next sound, or None where none came in time.

        Args:
            timeout_s: Longest wait.

        Returns:
            A chunk whose samples are overwritten by the next call. One without samples says that nobody speaks, that
            what was said was cleared, or (`is_last`) that nobody can come any more.

        Raises:
            InputError: Standard input has a WAV header that cannot be used.
            DeviceError: The source is closed.
        """
        with self._lock:
            if not self._is_open:
                raise DeviceError(f"sound from {self._turns.description}", "the source is closed", "Open it again")
            deadline_s = self._clock.monotonic_s() + timeout_s
            self._turns.listen(0.0)
            while True:
                if self._played is not None:
                    self._played.do_due()
                if self._is_cleared():
                    return self._cut()
                if self._played is not None and self._played.cuts_later:
                    self._turns.listen(CUT_LOOK_S)
                    if self._clock.monotonic_s() < deadline_s:
                        continue
                    return None
                saying = self._saying = self._saying or self._turns.next()
                if saying is not None:
                    if self._is_live:  # drops what would be heard too late
                        n_ready = self._lag.ready(saying, self.rate_hz)
                    else:
                        n_ready = saying.ready(self._chunk_samples)
                    if n_ready > 0:
                        return self._speak(saying, min(n_ready, self._chunk_samples), deadline_s)
                    if self._is_done(saying):
                        continue
                if (chunk := self._be_silent()) is not None:
                    return chunk
                if (now_s := self._clock.monotonic_s()) >= deadline_s:
                    return None
                self._turns.listen(min(deadline_s - now_s, self._silence_due_s() - now_s))

    def counters(self) -> Mapping[str, int]:
        """Return lost_samples (0: writers wait), reopened, pauses, dropped_samples, those of utterances and signal."""
        return self._report.counters()

    def tell(self, line: str) -> None:
        """Keep a line for the log."""
        self._report.tell(line)

    def warnings(self) -> list[str]:
        """Return the lines that have not been returned before."""
        return self._report.warnings()

    def close(self) -> None:
        """Stop listening; may be called twice. Waits for a `read` of another thread, which is bounded."""
        with self._lock:
            self._is_open = False
            self._saying = None
            self._turns.close()
            if self._played is not None:
                self._played.close()

    # --- speech ---------------------------------------------------------------------------------------------------

    def _speak(self, saying: Saying, n_samples: int, deadline_s: float) -> AudioChunk | None:
        """Give speech when its time has come."""
        if not self._follow_time(saying) or (end_time_s := self._wait(n_samples, deadline_s)) is None:
            return None
        speech = Speech.GOING_ON
        if self._n_said == 0:
            speech = Speech.BEGUN
            self._next_index += -self._next_index % round(self.rate_hz * GRID_S)
            self._pace.start(self.rate_hz, self._next_index + n_samples, end_time_s)
            self._turns.begun(saying)
        samples = self._samples[:n_samples]
        saying.take(samples)
        self._health.inspect(samples, self.rate_hz)
        if self._played is not None:
            end_time_s = self._played.give(samples, is_speech=True)
        elif self._is_live:  # the newest came just now, what waits behind these is younger
            end_time_s = max(self._heard_s, end_time_s - saying.ready(0) / self.rate_hz)
        self._n_said += n_samples
        self._spoken_s = end_time_s
        self._silent_until_s = end_time_s + PAUSE_S
        self._is_ended = self._is_quiet = False
        return self._chunk(samples, end_time_s, speech)

    def _wait(self, n_samples: int, deadline_s: float) -> float | None:
        """Wait until so many samples are due; return when the last one is heard, or None where that is to come."""
        remaining_s = max(0.0, deadline_s - self._clock.monotonic_s())
        if self._played is None:
            return self._pace.wait(self._next_index + n_samples, remaining_s)
        return self._heard_s if self._played.wait(n_samples, remaining_s) else None

    def _follow_time(self, saying: Saying) -> bool:
        """Let time be counted anew after silence, and the axis have gone on by the length of a pause.

        Returns:
            Whether sound may be given; a loudspeaker waits for the look-ahead first.
        """
        now_s = self._clock.monotonic_s()
        if self._played is not None and (self._is_quiet or self._heard_s < 0):
            begin_s = self._played.begin(saying.ready(self._played.n_wanted))
            if begin_s is None:
                return False
            now_s = begin_s
        if self._heard_s >= 0 and self._is_quiet:
            self._next_index += round((now_s - self._heard_s) * self.rate_hz)
        if self._heard_s < 0 or self._is_quiet or self._spoken_s < self._heard_s:
            self._pace.start(self.rate_hz, self._next_index)
            self._spoken_s = self._heard_s = max(now_s, self._heard_s)
            self._is_quiet = False
        return True

    def _is_done(self, saying: Saying) -> bool:
        """End the turn of who has no more to say; return whether it ended."""
        if saying.is_spent:
            self._is_ended = True
            self._silent_until_s = self._heard_s + self._tail_s
        elif not (self._turns.is_wanted and self._clock.monotonic_s() - self._spoken_s > STALL_S):
            return False
        n_said, self._n_said = self._n_said, 0
        self._saying = None
        self._turns.finished(saying, n_said)
        return True

    def _is_cleared(self) -> bool:
        """Return whether what is said is to end now; where others are still to be heard before it, let it end then."""
        n_unheard = 0 if self._played is None else self._played.n_droppable
        if not self._turns.take_clear(self._n_said, n_unheard):
            return self._played is not None and self._played.is_cut_due()
        if self._played is None or self._turns.n_of_others == 0:
            return True
        self._played.cut_later(n_unheard - self._turns.n_of_others)
        self._saying, self._n_said = None, 0
        return False

    def _cut(self) -> AudioChunk:
        """Say that what was being said is not heard any more."""
        if self._played is not None:
            self._played.clear()
        self._saying, self._n_said = None, 0
        self._is_ended = self._is_quiet = True
        now_s = self._clock.monotonic_s()
        self._heard_s = now_s if self._played is not None else max(self._heard_s, now_s)
        return self._chunk(_NO_SAMPLES, now_s, Speech.CLEARED)

    # --- silence --------------------------------------------------------------------------------------------------

    def _silence_due_s(self) -> float:
        """Return when the next silence is to be given; inf where none is."""
        if self._is_quiet or self._heard_s < 0:
            return float("inf")
        wait_s = 0.0 if self._is_ended or self._heard_s > self._spoken_s else self._grace_s
        if self._played is not None:  # given as late as the faces allow: what is written meanwhile comes before it
            wait_s = -self._played.ahead_s
        return self._heard_s + wait_s + self._chunk_samples / self.rate_hz

    def _be_silent(self) -> AudioChunk | None:
        """Give silence that is due, or say that there is nothing to be heard until somebody speaks."""
        now_s = self._clock.monotonic_s()
        if self._is_quiet:
            if not self._turns.is_over or self._saying is not None:
                return None
            return AudioChunk(_NO_SAMPLES, self._next_index, now_s, is_last=True, speech=Speech.ENDED)
        ends_s = self._silent_until_s
        if self._heard_s < 0 or self._heard_s >= ends_s or (self._is_fast and now_s >= ends_s):
            self._report.n_pauses += not self._is_ended
            self._is_quiet = self._is_ended = True
            return self._chunk(_NO_SAMPLES, max(now_s, self._heard_s), Speech.ENDED)
        if now_s < self._silence_due_s():
            return None
        samples = self._samples
        samples[:] = 0.0
        end_time_s = self._heard_s + len(samples) / self.rate_hz
        if self._played is not None:
            end_time_s = self._played.give(samples, is_speech=False)
        return self._chunk(samples, end_time_s, Speech.ENDED if self._is_ended else Speech.GOING_ON)

    def _chunk(self, samples: np.ndarray, end_time_s: float, speech: Speech) -> AudioChunk:
        """Put samples on the axis."""
        start_index = self._next_index
        self._next_index += len(samples)
        if len(samples):
            self._heard_s = end_time_s
        return AudioChunk(samples, start_index, end_time_s, speech=speech)
