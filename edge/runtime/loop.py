"""The frame loop: sound is the clock; every frame leaves when its last sample has arrived.

One thread reads, computes and sends. No queue, no lock, no logging per frame. While no sound arrives the machine's
clock paces held, then neutral frames, so that a receiver can tell a quiet program from a dead one. Where the source
knows that nothing is being said, these are frames of silence at rest: nothing was lost.

A machine that cannot keep up computes faces of sound that is too old to be shown. Receivers then get frames without
sound too, and after a second the sound that waits is left out, or it would be behind for ever.

Where the program itself plays the sound, chunks come before they are heard: then a face waits until its sound leaves
the loudspeaker, less the lead of a receiver that needs time.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

import numpy as np

from edge.config.settings import LossSettings
from edge.contracts import Clock, FrameOutput, FrameStage
from edge.frames import AudioChunk, AUFrame, Speech, State
from edge.metrics.counters import Metrics
from edge.runtime.due_frames import DueFrames
from edge.runtime.fallback import Fallback
from edge.runtime.pipeline import Pipeline
from edge.runtime.source_keeper import SourceKeeper

STOP_S, STOPPED_S = 0.2, 0.06  # of frames at the end; of them at rest, so that a lost datagram or two do no harm
LATE_LIMIT_S = 1.0  # of faces that are all too late; what a hold leaves behind is caught up with in less
_NO_SAMPLES = np.zeros(0, np.float32)
_log = logging.getLogger("au-edge.loop")


class FrameLoop:
    """Read, compute, send, until stopped.

    Args:
        keeper: The source of sound.
        pipeline: From sound to frames.
        last_stages: Done to every frame, with sound or without (idle life, limits).
        outputs: Receivers.
        loss: Times of held frames and lateness.
        clock: The machine's.
        metrics: Where everything is counted.
        is_live: False for a file that is computed as fast as it goes: nothing is late then and nothing is held.
        on_frame: Called with each frame sent, valid during the call (a view, a service notifier).
        is_played: Whether chunks come before they are heard.
        lead_s: Returns by how much the receiver of a name is sent a face before its sound is heard.
    """

    def __init__(
        self,
        keeper: SourceKeeper,
        pipeline: Pipeline,
        last_stages: Sequence[FrameStage],
        outputs: Sequence[FrameOutput],
        loss: LossSettings,
        clock: Clock,
        metrics: Metrics,
        is_live: bool = True,
        on_frame: Callable[[AUFrame], None] | None = None,
        is_played: bool = False,
        lead_s: Callable[[str], float] = lambda name: 0.0,
    ) -> None:
        self._keeper = keeper
        self._pipeline = pipeline
        self._last_stages = list(last_stages)
        self._outputs = list(outputs)
        self._loss = loss
        self._clock = clock
        self._metrics = metrics
        self._is_live = is_live
        self._on_frame = on_frame
        self._is_played = is_played
        self._lead_s = lead_s
        self._group()
        self._period_s = pipeline.manifest.frame_period_s
        self._fallback = Fallback(loss, pipeline.manifest.n_channels)
        self._idle_frame = AUFrame.neutral(pipeline.manifest.n_channels)
        self._sequence = 0
        self._sound_s = 0.0  # when sound last arrived
        self._next_idle_s = 0.0
        self._late_from_s = float("inf")  # since when every face is too late
        self._is_late_said = False
        self._is_over = False  # all has been said
        self._has_ended = False
        self._change: Callable[[FrameLoop], None] | None = None

    def request(self, change: Callable[[FrameLoop], None]) -> None:
        """Have a change made between two frames, on the engine thread (a new configuration)."""
        self._change = change

    def replace(
        self, stages: Sequence[FrameStage], last_stages: Sequence[FrameStage], outputs: Sequence[FrameOutput]
    ) -> Sequence[FrameOutput]:
        """Take new post-processing and receivers, from within a `request`; return the receivers they replace."""
        self._pipeline.stages[:] = stages
        self._last_stages[:] = last_stages
        replaced, self._outputs = self._outputs, list(outputs)
        self._group()
        return replaced

    def _group(self) -> None:
        """Gather the receivers by their leads, the longest first; faces that wait are forgotten."""
        leads_s = sorted({self._lead_s(output.name) for output in self._outputs} | {0.0}, reverse=True)
        self._groups = [[o for o in self._outputs if self._lead_s(o.name) == lead_s] for lead_s in leads_s]
        self._due = DueFrames(self._pipeline.manifest.n_channels, leads_s)

    def run(self, stop: threading.Event) -> None:
        """Run until stopped or until the source has ended, then send the last, neutral frames.

        Raises:
            AuEdgeError: The network failed. Faults of the source and of receivers do not end the loop.
        """
        self._sound_s = self._clock.monotonic_s()
        self._next_idle_s = self._sound_s + self._period_s
        # Sound arrives in bursts of a period or two: only a longer pause is a loss.
        patience_s = max(0.1, 3 * self._period_s)
        while not stop.is_set() and not (self._has_ended and not len(self._due)):
            waited_from_s = self._clock.monotonic_s()
            chunk = self._read(max(0.0, min(self._period_s, self._due.due_s() - waited_from_s)))
            now_s = self._clock.monotonic_s()
            if chunk is not None:
                self._metrics.observe("capture_wait", now_s - waited_from_s)
                self._take(chunk, now_s)
                if (not self._is_played and not self._is_late) or chunk.speech is Speech.CLEARED:
                    self._next_idle_s = now_s + (self._period_s if self._is_over else patience_s)
            is_idle = self._is_live and (chunk is None or self._is_late) and now_s >= self._next_idle_s
            if is_idle and self._due.due_s() > now_s + self._period_s:
                self._send_idle(now_s)
            if self._is_played:
                self._send_due(patience_s)
            for output in self._outputs:
                output.pump()
            if self._change is not None:
                change, self._change = self._change, None
                change(self)
        self._send_stopping()

    def _read(self, timeout_s: float) -> AudioChunk | None:
        """Return the next sound; None where none came within the time, or none will come any more."""
        if not self._has_ended:
            return self._keeper.read(timeout_s)
        self._clock.sleep_until(self._clock.monotonic_s() + timeout_s)
        return None

    def _take(self, chunk: AudioChunk, now_s: float) -> None:
        self._has_ended = chunk.is_last
        if self._is_left_out(chunk, now_s):
            return
        if (not self._is_played and not self._is_late) or chunk.speech is Speech.CLEARED:
            self._sound_s = now_s
        if not self._is_played or (chunk.speech in (Speech.ENDED, Speech.CLEARED) and not len(self._due)):
            self._is_over = chunk.speech in (Speech.ENDED, Speech.CLEARED)  # else known when the face is shown
        if chunk.speech is Speech.CLEARED:
            self._pipeline.reset()
            self._due.clear()
            self._is_over = True
            self._sound_s -= self._period_s  # this frame is on its way to rest already
            self._send_idle(self._sound_s + self._period_s)
            return
        self._pipeline.process(chunk, self._emit)
        self._metrics.skipped_frames = self._pipeline.skipped_frames
        self._metrics.source_losses = self._keeper.losses

    @property
    def _is_late(self) -> bool:
        return self._late_from_s < float("inf")

    def _is_left_out(self, chunk: AudioChunk, now_s: float) -> bool:
        """Return whether nothing that this sound gives would be in time, and has not been for long."""
        if now_s - self._late_from_s < LATE_LIMIT_S or chunk.is_last or chunk.speech is not Speech.GOING_ON:
            return False
        if not self._is_late_said:
            self._is_late_said = True
            _log.warning(
                "every face is later than loss.max_late_ms (%g ms): sound that waits is left out. Is this machine too "
                "slow for the network, or busy with other work?", self._loss.max_late_ms,
            )  # fmt: skip
        return now_s - chunk.end_time_s > self._loss.max_late_ms / 1000

    def _note_in_time(self) -> None:
        self._late_from_s = float("inf")
        if self._is_late_said:
            self._is_late_said = False
            _log.info("faces are in time again")

    def _emit(self, frame: AUFrame) -> None:
        """Date a frame and send it, unless its sound is too old."""
        now_s = self._clock.monotonic_s()
        age_s = now_s - frame.capture_time_s
        lookahead_s = self._pipeline.manifest.lookahead_ms / 1000
        late_s = age_s - (0.0 if self._is_played else lookahead_s)
        if self._is_live and late_s > self._loss.max_late_ms / 1000:
            self._metrics.late_frames += 1
            self._late_from_s = min(self._late_from_s, now_s)
            return
        self._note_in_time()
        if self._is_played:
            self._due.put(frame)
            return
        self._fallback.remember(frame)  # before life: it goes on in held frames and must not be held as well
        for stage in self._last_stages:
            stage.apply(frame, _NO_SAMPLES)
        self._send(frame, now_s)
        self._metrics.observe("sound_to_sent", max(0.0, age_s - lookahead_s))

    def _send_due(self, patience_s: float) -> None:
        """Send the faces whose sound leaves now, and to receivers with a lead those whose sound leaves soon."""
        now_s = self._clock.monotonic_s()
        last = len(self._groups) - 1
        for frame, group in self._due.take_due(now_s):
            if group == 0:
                self._fallback.remember(frame)
                for stage in self._last_stages:
                    stage.apply(frame, _NO_SAMPLES)
                self._stamp(frame, now_s)
            for output in self._groups[group]:
                output.send(frame)
            if group == last:
                self._note(frame, now_s)
                self._metrics.observe("sound_to_sent", max(0.0, now_s - frame.capture_time_s))
                self._is_over = frame.is_over
                self._sound_s = now_s
                self._next_idle_s = now_s + (self._period_s if self._is_over else patience_s)

    def _send_idle(self, now_s: float) -> None:
        """Send a frame without sound, on the machine's clock."""
        frame = self._idle_frame
        self._fill_idle(frame, now_s)
        frame.index += 1
        frame.level_dbfs = -120.0
        frame.capture_time_s = now_s
        for stage in self._last_stages:
            stage.apply(frame, _NO_SAMPLES)
        self._send(frame, now_s)
        self._next_idle_s = max(self._next_idle_s + self._period_s, now_s)
        self._metrics.source_losses = self._keeper.losses

    def _fill_idle(self, frame: AUFrame, now_s: float) -> None:
        """Write the face of a moment without sound."""
        if self._is_over:
            self._fallback.rest(frame, now_s - self._sound_s)
        else:
            self._fallback.fill(frame, now_s - self._sound_s)

    def _send(self, frame: AUFrame, now_s: float) -> None:
        self._stamp(frame, now_s)
        for output in self._outputs:
            output.send(frame)
        self._note(frame, now_s)

    def _stamp(self, frame: AUFrame, now_s: float) -> None:
        """Number and date a frame for its receivers."""
        frame.sequence = self._sequence
        self._sequence = (self._sequence + 1) & 0x7FFFFFFF  # OSC's int is signed
        frame.capture_unix_s = self._clock.unix_s() - (now_s - frame.capture_time_s)

    def _note(self, frame: AUFrame, now_s: float) -> None:
        """Count a frame that was sent."""
        self._metrics.observe("send", self._clock.monotonic_s() - now_s)
        self._metrics.frames[frame.state.label] += 1
        self._metrics.last_frame_s = now_s
        self._metrics.state = frame.state.label
        if self._on_frame is not None:
            self._on_frame(frame)

    def _send_stopping(self) -> None:
        """Ease to neutral, say so, and leave receivers with a face at rest."""
        frame = self._idle_frame
        n_ease, n_rest = stopping_frames(self._period_s)
        ease = LossSettings(hold_ms=0.0, ease_ms=n_ease * self._period_s * 1000)
        fallback = Fallback(ease, self._pipeline.manifest.n_channels)
        due_s = self._clock.monotonic_s()
        self._fill_idle(frame, due_s)
        frame.capture_time_s = due_s
        for stage in self._last_stages:  # a mood is eased away too, and a rig's limits hold to the end
            stage.apply(frame, _NO_SAMPLES)
        fallback.remember(frame)
        for i in range(n_ease + n_rest):
            fallback.fill(frame, (i + 1) * self._period_s)
            frame.state = State.STOPPING
            frame.capture_time_s = due_s
            self._send(frame, due_s)
            if self._is_live:
                due_s += self._period_s
                self._clock.sleep_until(due_s)


def stopping_frames(period_s: float) -> tuple[int, int]:
    """Return how many frames ease to rest at the end, and how many say that it is reached.

    Args:
        period_s: Time between two frames.
    """
    n_rest = max(2, round(STOPPED_S / period_s))
    return max(1, round(STOP_S / period_s) - n_rest), n_rest
