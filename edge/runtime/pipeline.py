"""From a chunk of sound to the frames that it completes: resample, frame, features, network, post-processing.

Runs the same for the live loop and for rendering files; that they agree is a law in the tests.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from edge.contracts import FeatureExtractor, Framer, FrameStage, InferenceSession, Resampler
from edge.frames import AudioChunk, AUFrame, Speech, State
from edge.manifest import Manifest
from edge.metrics.counters import Metrics


class Pipeline:
    """The per-frame path. Allocates when made, not per frame.

    Args:
        manifest: The network's facts.
        source_rate_hz: Returns the source's rate now; another card may have another.
        resampler_for: Makes what converts a rate to the model's; not asked where they agree.
        framer: Windows on the model's sample axis.
        features: What the network sees of a window.
        session: The network with its state; its buffers are written and read in place.
        stages: Post-processing in order.
        metrics: Where stage times are counted.
    """

    def __init__(
        self,
        manifest: Manifest,
        source_rate_hz: Callable[[], int],
        resampler_for: Callable[[int], Resampler],
        framer: Framer,
        features: FeatureExtractor,
        session: InferenceSession,
        stages: Sequence[FrameStage],
        metrics: Metrics,
    ) -> None:
        self.manifest = manifest
        self.stages = list(stages)
        self._source_rate_hz = source_rate_hz
        self._resampler_for = resampler_for
        self._rate_hz = manifest.sample_rate_hz
        self._resampler: Resampler | None = None
        self._framer = framer
        self._features = features
        self._session = session
        self._metrics = metrics
        self._frame = AUFrame.neutral(manifest.n_channels)
        self._previous_end = 0
        self._lookahead_s = manifest.lookahead_ms / 1000
        self._over_from: int | None = None  # model's axis: where what was said has ended
        self._n_pause_frames = 0

    @property
    def skipped_frames(self) -> int:
        """Return how many frames lay in stretches of sound that were lost."""
        return self._framer.skipped_frames - self._n_pause_frames

    def process(self, chunk: AudioChunk, emit: Callable[[AUFrame], None]) -> None:
        """Push sound and emit each frame whose last sample it brings.

        Args:
            chunk: The next sound.
            emit: Called with a frame that is valid only during the call. A jump of the axis behind the known end of
                what was said is a pause: nothing was lost in it. An utterance that begins is heard as if it were the
                first: frames are counted from its first sample, network and post-processing know nothing else.

        Raises:
            BackendError: The network could not be run.
        """
        now = time.perf_counter
        started = now()
        samples, start_index = chunk.samples, chunk.start_index
        delay_s = 0.0
        rate_hz = self._source_rate_hz()
        if rate_hz != self._rate_hz:
            self._change_rate(rate_hz)
        if chunk.speech is Speech.BEGUN:
            self.reset()
        if self._resampler is not None:
            samples, start_index = self._resampler.process(samples, start_index)
            delay_s = self._resampler.delay_s
        skipped_before, was_over = self._framer.skipped_frames, self._over_from is not None
        if chunk.speech is Speech.ENDED and self._over_from is None:
            self._over_from = self._framer.end_index
        elif chunk.speech is not Speech.ENDED:
            self._over_from = None
            if chunk.speech is Speech.BEGUN:
                self._previous_end = start_index
        self._framer.push(samples, start_index)
        if was_over:
            self._n_pause_frames += self._framer.skipped_frames - skipped_before
        resampled = now()
        self._metrics.observe("resample", resampled - started)
        # What the framer has newest was at the microphone when the chunk's last sample was, less the filter's delay.
        newest_time_s = chunk.end_time_s - delay_s
        while (ready := self._framer.next_window()) is not None:
            began = now()
            index, window = ready
            if self._framer.follows_gap:
                self._session.reset()
            self._features.compute(window, self._session.features)
            computed = now()
            self._session.step()
            inferred = now()
            frame = self._fill(index, newest_time_s)
            n_newest = min(frame.end_sample_index - self._previous_end, len(window))
            self._previous_end = frame.end_sample_index
            newest = window[-n_newest:] if n_newest > 0 else window
            for stage in self.stages:
                stage.apply(frame, newest)
            finished = now()
            self._metrics.observe("features", computed - began)
            self._metrics.observe("inference", inferred - computed)
            self._metrics.observe("postprocess", finished - inferred)
            emit(frame)

    def _fill(self, index: int, newest_time_s: float) -> AUFrame:
        """Copy the network's output into the frame and date it."""
        frame = self._frame
        frame.activations[:] = self._session.activations
        frame.head_deg[:] = self._session.head_deg
        frame.state = State.LIVE
        frame.index = index
        frame.end_sample_index = self._framer.end_of(index)
        frame.is_over = self._over_from is not None and frame.end_sample_index > self._over_from
        behind_s = (self._framer.end_index - frame.end_sample_index) / self.manifest.sample_rate_hz
        frame.capture_time_s = newest_time_s - behind_s - self._lookahead_s
        return frame

    def _change_rate(self, rate_hz: int) -> None:
        """Begin anew at another rate of the source: its sample axis has another unit now."""
        is_same = rate_hz == self.manifest.sample_rate_hz
        self._resampler = None if is_same else self._resampler_for(rate_hz)
        self._rate_hz = rate_hz
        self.reset()

    def reset(self) -> None:
        """Begin a new stream: nothing of the sound before is remembered."""
        if self._resampler is not None:
            self._resampler.reset()
        self._framer.reset()
        self._session.reset()
        self._previous_end = 0
        self._over_from = None
        for stage in self.stages:
            stage.reset()

    def close(self) -> None:
        """Release the network, on the thread that made it."""
        self._session.close()
